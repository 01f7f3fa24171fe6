//! The resources of this process, under the names that every Prometheus client library gives them.

use std::fs;

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

use super::{Computed, Counter, MetricScope};

super::metric_group! {
    /// The resources of this process; absent where there is no `/proc`.
    pub(crate) struct ProcessUsageMetrics {
        /// Seconds of CPU that this process has used, in user and system mode.
        cpu: Computed<Counter> = "process_cpu_seconds_total" [];
        /// Resident memory of this process in bytes.
        resident: Computed = "process_resident_memory_bytes" [];
        /// File descriptors that this process has open.
        open_files: Computed = "process_open_fds" [];
        /// Maximum number of open file descriptors of this process; absent where there is no limit.
        most_files: Computed = "process_max_fds" [];
        /// Threads of this process.
        threads: Computed = "process_threads" [];
        /// Start time of this process, in seconds since 1970.
        start_time: Computed = "process_start_time_seconds" [];
    }
}

/// The fields of `/proc/self/stat` that the metrics use.
#[derive(Debug, PartialEq)]
struct ProcessStat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    resident_pages: u64,
}

/// Registers the metrics of this process.
pub(super) fn register(scope: &MetricScope) {
    let metrics = scope.group::<ProcessUsageMetrics>();
    metrics.cpu.by(|| Some(seconds(stat()?.cpu_ticks)));
    metrics.resident.by(|| {
        let page_bytes = u64::try_from(page_size()).unwrap_or_default();
        Some(number(stat()?.resident_pages.saturating_mul(page_bytes)))
    });
    metrics.open_files.by(|| {
        let open = fs::read_dir("/proc/self/fd").ok()?.count();
        // One of them belongs to the listing itself.
        Some(number(u64::try_from(open.saturating_sub(1)).unwrap_or(u64::MAX)))
    });
    metrics.most_files.by(|| getrlimit(Resource::Nofile).current.map(number));
    metrics.threads.by(|| Some(number(stat()?.threads)));
    let started = started();
    metrics.start_time.by(move || started);
}

fn stat() -> Option<ProcessStat> {
    read(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The program's name is in parentheses and may itself contain spaces and parentheses.
fn read(text: &str) -> Option<ProcessStat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5) counts from 1, and the first field after the name is its third.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        cpu_ticks: field(14)?.saturating_add(field(15)?),
        threads: field(20)?,
        start_ticks: field(22)?,
        resident_pages: field(24)?,
    })
}

/// The start time of this process, in seconds since 1970.
fn started() -> Option<f64> {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + seconds(stat()?.start_ticks))
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks are longer than any machine has run")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[expect(clippy::cast_precision_loss, reason = "no process uses 2^53 of anything")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "7 (a ) R (b) S 1 7 7 0 -1 4194304 96 0 0 0 250 50 0 0 20 0 3 0 2319048 3133440 381 18446744073709551615";
        let stat = ProcessStat { cpu_ticks: 300, threads: 3, start_ticks: 2_319_048, resident_pages: 381 };
        assert_eq!(read(text), Some(stat));
        assert_eq!(read("7 (cut off) S 1"), None);
    }
}
