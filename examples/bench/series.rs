//! Measures what the metrics of many queues cost: series, bytes and time of a scrape, memory.
//!
//! Usage: `bench_series [QUEUES]`. Each line is a process's registry at one state: queues that are open, that have done
//! some work, and that have seen everything there is. Prints a table in Markdown.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod queue_use;
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod usage;

use std::error::Error;

use longshore::Metrics;
use tokio::time::Instant;

use self::{
    queue_use::{QueueUse, reach_all, series},
    usage::status_kib,
};

const QUEUES: usize = 1000;
const SCRAPES: u32 = 20;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let queues = std::env::args().nth(1).map_or(Ok(QUEUES), |text| text.parse())?;
    println!(
        "| {queues} queues | series | of each queue | a scrape | of each queue | encoded in | resident |"
    );
    println!("|---|---|---|---|---|---|---|");
    let (metrics, before) = (Metrics::new(), status_kib(std::process::id(), "VmRSS:"));
    for (name, state) in
        [("open", QueueUse::Open), ("at work", QueueUse::Working), ("seen everything", QueueUse::SeenAll)]
    {
        reach_all(&metrics, queues, state);
        report(name, &metrics, queues, before);
    }
    Ok(())
}

fn report(name: &str, metrics: &Metrics, queues: usize, before_kib: u64) {
    let text = metrics.text();
    let began = Instant::now();
    for _ in 0..SCRAPES {
        drop(metrics.text());
    }
    let encoding = began.elapsed() / SCRAPES;
    let series = series(&text);
    let resident_mib = (status_kib(std::process::id(), "VmRSS:").saturating_sub(before_kib)) / 1024;
    println!(
        "| {name} | {series} | {} | {} KiB | {} bytes | {} ms | {resident_mib} MiB |",
        series / queues,
        text.len() / 1024,
        text.len() / queues,
        encoding.as_millis(),
    );
}
