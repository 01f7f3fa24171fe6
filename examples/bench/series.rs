//! Measures what the metrics of many queues cost: series, bytes and time of a scrape, memory.
//!
//! Usage: `bench_series [QUEUES]`. Each line is a process's registry at one state: queues that are open, that have done
//! some work, and that have seen everything there is. Prints a table in Markdown.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod usage;

use std::{error::Error, time::Duration};

use longshore::{
    Metrics,
    internals::{
        Action, CallMetrics, CallResult, ConsumerMetrics, Counts, Ending, FailureCause, GroupTally,
        HandlerKind, HandlerMetrics, InProgress, Label as _, LeaseMetrics, MetricScope, NotificationMetrics,
        Notified, Occasion, ProcessMetrics, ProcessState, PublishMetrics, QueueDepth, RunningCalls,
        SettleMetrics,
    },
};
use tokio::time::Instant;

use self::usage::status_kib;

const QUEUES: usize = 1000;
const SCRAPES: u32 = 20;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much of its metrics a queue has used.
#[derive(Clone, Copy)]
enum State {
    Open,
    Working,
    SeenAll,
}

fn main() -> Result<(), Box<dyn Error>> {
    let queues = std::env::args().nth(1).map_or(Ok(QUEUES), |text| text.parse())?;
    println!(
        "| {queues} queues | series | of each queue | a scrape | of each queue | encoded in | resident |"
    );
    println!("|---|---|---|---|---|---|---|");
    let (metrics, before) = (Metrics::new(), status_kib("VmRSS:"));
    for (name, state) in
        [("open", State::Open), ("at work", State::Working), ("seen everything", State::SeenAll)]
    {
        for number in 0..queues {
            let kind = HandlerKind::ALL[number % HandlerKind::ALL.len()];
            reach(&metrics.queue(&format!("queue-{number:04}"), "shop-production-queue"), kind, state);
        }
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
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    let resident_mib = (status_kib("VmRSS:").saturating_sub(before_kib)) / 1024;
    println!(
        "| {name} | {series} | {} | {} KiB | {} bytes | {} ms | {resident_mib} MiB |",
        series / queues,
        text.len() / 1024,
        text.len() / queues,
        encoding.as_millis(),
    );
}

fn reach(queue: &MetricScope, kind: HandlerKind, state: State) {
    match state {
        State::Open => {
            queue.group::<HandlerMetrics>().info.of(kind).set(1);
            queue.group::<LeaseMetrics>();
            queue.group::<SettleMetrics>().show(&InProgress::default());
            depth(queue).polled(Counts::default());
        }
        State::Working => {
            let metrics = queue.group::<ConsumerMetrics>();
            metrics.queue_wait.observe(0.3);
            metrics.process_time.of(Ending::Done).observe(0.2);
            metrics.process_time.of(Ending::Retry).observe(0.2);
            for action in [Action::Receive, Action::Delete, Action::GiveBack, Action::Attributes] {
                queue.group::<CallMetrics>().called(action, CallResult::Ok, Instant::now());
            }
        }
        State::SeenAll => see_all(queue),
    }
}

fn depth(queue: &MetricScope) -> QueueDepth {
    let depth = QueueDepth::in_scope(queue, 10, RunningCalls::in_scope(queue));
    depth.polls_every(Duration::from_secs(30));
    depth.kept_for(Duration::from_hours(96));
    depth
}

fn see_all(queue: &MetricScope) {
    drop(GroupTally::in_scope(queue).hold("tenant"));
    let depth = depth(queue);
    depth.polled(Counts::default());
    depth.dlq_polled(1);
    depth.worked(Some(1.0));
    for ending in Ending::ALL {
        queue.group::<ConsumerMetrics>().process_time.of(*ending).observe(1.0);
    }
    queue.group::<HandlerMetrics>().failures.begin(FailureCause::ALL);
    for occasion in Occasion::ALL {
        queue.group::<NotificationMetrics>().notifications.of(*occasion).of(Notified::Sent).inc();
    }
    queue.group::<ProcessMetrics>().processes.begin(ProcessState::ALL);
    for result in CallResult::ALL {
        queue.group::<PublishMetrics>().published(*result, Instant::now());
        for action in Action::ALL {
            queue.group::<CallMetrics>().called(*action, *result, Instant::now());
        }
    }
}
