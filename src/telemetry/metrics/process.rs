//! What this process uses, under the names that every Prometheus client library gives it.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use crate::telemetry::catalog::Families;

const NO_LABELS: [&str; 0] = [];

/// What this process uses, as Linux tells it; elsewhere the metrics are absent.
pub(super) struct Usage {
    started: Option<f64>,
    /// The CPU time told so far: a counter of the registry can only be added to.
    cpu_seconds: Mutex<f64>,
}

/// What `/proc/self/stat` tells.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: i64,
    start_ticks: u64,
    resident_pages: u64,
}

impl Usage {
    pub(super) fn new(families: &Families) -> Self {
        let usage = Self { started: started(), cpu_seconds: Mutex::new(0.0) };
        usage.refresh(families);
        usage
    }

    pub(super) fn refresh(&self, families: &Families) {
        let Some(stat) = stat() else { return };
        self.tell_cpu(families, seconds(stat.cpu_ticks));
        families.threads.with_label_values(&NO_LABELS).set(stat.threads);
        let page_bytes = u64::try_from(page_size()).unwrap_or_default();
        let resident = stat.resident_pages.saturating_mul(page_bytes);
        families.resident.with_label_values(&NO_LABELS).set(signed(resident));
        if let Some(started) = self.started {
            families.start_time.with_label_values(&NO_LABELS).set(started);
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the look itself.
            let open = u64::try_from(open.count().saturating_sub(1)).unwrap_or(u64::MAX);
            families.open_files.with_label_values(&NO_LABELS).set(signed(open));
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            families.most_files.with_label_values(&NO_LABELS).set(signed(most));
        }
    }

    fn tell_cpu(&self, families: &Families, used: f64) {
        let mut told = self.cpu_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        families.cpu.with_label_values(&NO_LABELS).inc_by((used - *told).max(0.0));
        *told = told.max(used);
    }
}

fn stat() -> Option<Stat> {
    read(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The name of the program stands in parentheses and may hold anything, spaces and parentheses too.
fn read(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5) counts from 1, and the first field after the name is its third.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_ticks: field(14)?.saturating_add(field(15)?),
        threads: signed(field(20)?),
        start_ticks: field(22)?,
        resident_pages: field(24)?,
    })
}

/// When this process started, in seconds since 1970.
fn started() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + seconds(stat()?.start_ticks))
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are longer than any machine has run")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "7 (a ) R (b) S 1 7 7 0 -1 4194304 96 0 0 0 250 50 0 0 20 0 3 0 2319048 3133440 381 18446744073709551615";
        let stat = Stat { cpu_ticks: 300, threads: 3, start_ticks: 2_319_048, resident_pages: 381 };
        assert_eq!(read(text), Some(stat));
        assert_eq!(read("7 (cut off) S 1"), None);
    }
}
