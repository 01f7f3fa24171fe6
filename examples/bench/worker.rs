//! The worker that `bench_drain` and `make bench-peers` measure, with a handler that does nothing, or nothing but sleep.
//!
//! Usage: `bench_worker QUEUE_URL MESSAGES engine|caller` drains so many messages with a no-op handler on the
//! engine's thread or on the caller's runtime; `bench_worker QUEUE_URL MESSAGES held SECONDS` holds so many messages
//! in sleeping handlers for that long; `bench_worker QUEUE_URL 0 idle SECONDS` polls an empty queue. Each prints one line of JSON.
//! `bench_worker QUEUE_URL CONCURRENCY body` sleeps for as long as each message says, `{"sleep_ms": 10}`, until it is ended.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod usage;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::{
    Consumer, Message, Metrics, Stop, Worker,
    handler::{self, AnyHandler, Context, Handler, Outcome},
};
use tokio::{sync::Notify, time::Instant};

use self::usage::{Usage, cpu_time, status_kib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counts calls, and says when all have been.
struct NoOp {
    left: AtomicUsize,
    over: Arc<Notify>,
    nap: Duration,
}

impl Handler for NoOp {
    const BODY_ONLY: bool = true;

    async fn handle(&self, _message: Arc<Message>, _context: Context) -> Outcome {
        if !self.nap.is_zero() {
            tokio::time::sleep(self.nap).await;
        }
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.over.notify_one();
        }
        Outcome::Done
    }
}

#[derive(serde::Deserialize)]
struct Body {
    sleep_ms: u64,
}

async fn sleep_as_the_body_says(Body { sleep_ms }: Body) {
    if sleep_ms > 0 {
        tokio::time::sleep(Duration::from_millis(sleep_ms)).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().collect();
    let [_, url, messages, mode, seconds @ ..] = arguments.as_slice() else {
        return Err("usage: bench_worker QUEUE_URL MESSAGES engine|caller|held|idle|body [SECONDS]".into());
    };
    // As the binary logs: what it costs to have the spans counts, too.
    longshore::internals::LogSettings::default().init()?;
    let messages: usize = messages.parse()?;
    let seconds = Duration::from_secs(seconds.first().map_or(Ok(0), |text| text.parse())?);
    match mode.as_str() {
        "engine" => drain(url, messages, AnyHandler::on_engine_thread).await,
        "caller" => drain(url, messages, |handler| handler).await,
        "held" | "idle" => hold(url, messages, seconds).await,
        "body" => {
            let consumer = Consumer::new(url, handler::from_json(sleep_as_the_body_says))
                .named("bench")
                .concurrency(messages);
            Worker::new().consumer(consumer).run().await?;
            Ok(())
        }
        _ => Err("the mode is engine, caller, held, idle or body".into()),
    }
}

/// Drains the queue as fast as it can.
async fn drain(
    url: &str,
    messages: usize,
    placed: fn(AnyHandler) -> AnyHandler,
) -> Result<(), Box<dyn Error>> {
    let over = Arc::new(Notify::new());
    let handler = NoOp { left: AtomicUsize::new(messages), over: over.clone(), nap: Duration::ZERO };
    let worker =
        Worker::new().consumer(Consumer::new(url, placed(handler.into())).named("bench").concurrency(64));
    let (metrics, stop, began) = (worker.metrics(), Stop::new(), Instant::now());
    let halt = async {
        over.notified().await;
        stop.drain();
        // The stop waits for the long polls under way.
        began.elapsed()
    };
    let (ended, took) = tokio::join!(worker.run_until(stop.clone()), halt);
    ended?;
    println!("{}", Usage::of_this_process(messages, calls(&metrics), took));
    Ok(())
}

/// Holds the messages in sleeping handlers, and says what that costs once all of them are held.
async fn hold(url: &str, messages: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let over = Arc::new(Notify::new());
    let handler = NoOp { left: AtomicUsize::new(messages), over, nap: Duration::from_hours(1) };
    let consumer = Consumer::new(url, handler).named("bench").concurrency(messages.max(1));
    let worker = Worker::new().consumer(consumer).drain_limit(Duration::ZERO);
    let (metrics, stop) = (worker.metrics(), Stop::new());
    let watch = async {
        while metrics.count("longshore_messages_running", &[]) < messages as u64 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (cpu, before) = (cpu_time(), calls(&metrics));
        tokio::time::sleep(time).await;
        let (cpu, calls) = (cpu_time().saturating_sub(cpu), calls(&metrics) - before);
        let count = |metric| metrics.count(metric, &[]);
        let (held, received) =
            (count("longshore_messages_held"), count("messaging_client_consumed_messages_total"));
        let (extended, lost) =
            (count("longshore_lease_extensions_total"), count("longshore_leases_lost_total"));
        let peak = status_kib(std::process::id(), "VmHWM:");
        println!(
            r#"{{"held":{held},"received":{received},"extended":{extended},"lost":{lost},"calls":{calls},"cpu_us":{},"peak_kib":{peak}}}"#,
            cpu.as_micros(),
        );
        stop.drain();
    };
    let (ended, ()) = tokio::join!(worker.run_until(stop.clone()), watch);
    ended?;
    Ok(())
}

fn calls(metrics: &Metrics) -> u64 {
    metrics.count("longshore_api_calls_total", &[])
}
