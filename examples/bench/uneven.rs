//! Measures a worker whose handlers are uneven: one message in ten takes a second, the others ten milliseconds.
//!
//! Usage: `bench_uneven [SECONDS]`, after `cargo build --release --bin longshore --example bench_uneven`;
//! `make bench-kinds` does both. Prints a table in Markdown.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod far;
mod server;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use longshore::{
    Consumer, DeadLetters, Message, Metrics, Stop, Worker,
    handler::{AnyHandler, Context, Handler, Outcome},
    internals::{AwsAccess, open_queue},
};
use tokio::time::sleep;

use self::{far::Far, server::Server};

type Failure = Box<dyn Error + Send + Sync>;

const CONCURRENCIES: [u32; 3] = [10, 16, 64];
const ROUND_TRIPS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(20)];
const QUICK: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_secs(1);
/// One message in so many is slow.
const BLOCK: u32 = 10;
/// How long it runs before it counts.
const WARM_UP: Duration = Duration::from_secs(5);

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sleeps, in every ten calls in one of them for long, at a place that differs from ten to ten.
#[derive(Default)]
struct Uneven(AtomicU64);

impl Handler for Uneven {
    async fn handle(&self, _message: Arc<Message>, _context: Context) -> Outcome {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let (block, place) = (number / u64::from(BLOCK), number % u64::from(BLOCK));
        let is_slow = fastrand::Rng::with_seed(block).u64(0..u64::from(BLOCK)) == place;
        sleep(if is_slow { SLOW } else { QUICK }).await;
        Outcome::Done
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let seconds = std::env::args().nth(1).map_or(Ok(30), |text| text.parse())?;
    longshore::internals::LogSettings::default().init()?;
    let server = Server::start()?;
    println!(
        "| concurrency | round trip | messages/s | of the ideal | calls per 1,000 | receives | deletes |"
    );
    println!("|---|---|---|---|---|---|---|");
    for round_trip in ROUND_TRIPS {
        for concurrency in CONCURRENCIES {
            let scene = Scene { concurrency, round_trip, time: Duration::from_secs(seconds) };
            println!("{}", scene.row(&server).await?);
        }
    }
    Ok(())
}

struct Scene {
    concurrency: u32,
    /// What is added to that of the loopback.
    round_trip: Duration,
    time: Duration,
}

impl Scene {
    async fn row(&self, server: &Server) -> Result<String, Failure> {
        let Counts { done, calls, receives, deletes } = self.measure(server).await?;
        let per_second = done / self.time.as_secs_f64();
        let per_thousand = |calls: f64| calls / done * 1e3;
        let round_trip = match self.round_trip {
            Duration::ZERO => "loopback".to_owned(),
            more => format!("{more:?} more"),
        };
        Ok(format!(
            "| {} | {round_trip} | {per_second:.0} | {:.1} % | {:.0} | {:.0} | {:.0} |",
            self.concurrency,
            per_second / self.ideal() * 100.0,
            per_thousand(calls),
            per_thousand(receives),
            per_thousand(deletes),
        ))
    }

    /// Messages a second if every slot were always busy.
    fn ideal(&self) -> f64 {
        let mean = (QUICK * (BLOCK - 1) + SLOW) / BLOCK;
        f64::from(self.concurrency) / mean.as_secs_f64()
    }

    /// What is counted in the time, out of a queue that is never empty.
    async fn measure(&self, server: &Server) -> Result<Counts, Failure> {
        let name = format!("uneven-{}-{}", self.concurrency, self.round_trip.as_millis());
        let url = server.queue(&name, self.enough(), 100).await?;
        let queue = Far::by(self.round_trip, open_queue(&url, AwsAccess::default()).await?);
        let consumer =
            Consumer::of("uneven", Arc::new(queue), AnyHandler::from(Uneven::default()).on_engine_thread())
                .concurrency(usize::try_from(self.concurrency)?)
                .dead_letters(DeadLetters::Nowhere);
        let worker = Worker::new().consumer(consumer);
        let (metrics, stop) = (worker.metrics(), Stop::new());
        let watch = async {
            sleep(WARM_UP).await;
            let before = Counts::of(&metrics);
            sleep(self.time).await;
            let counted = Counts::of(&metrics).since(&before);
            stop.drain();
            counted
        };
        let (ended, counted) = tokio::join!(worker.run_until(stop.clone()), watch);
        ended?;
        Ok(counted)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no benchmark sends so many")]
    fn enough(&self) -> usize {
        (self.ideal() * (self.time + 2 * WARM_UP).as_secs_f64()) as usize
    }
}

/// Messages done, and calls made.
struct Counts {
    done: f64,
    calls: f64,
    receives: f64,
    deletes: f64,
}

impl Counts {
    /// All so far.
    fn of(metrics: &Metrics) -> Self {
        let calls = |labels: &[(&str, &str)]| number(metrics.count("longshore_api_calls_total", labels));
        Self {
            done: number(metrics.count("longshore_messages_settled_total", &[("action", "delete")])),
            calls: calls(&[]),
            receives: calls(&[("action", "receive")]),
            deletes: calls(&[("action", "delete")]),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            done: self.done - before.done,
            calls: self.calls - before.calls,
            receives: self.receives - before.receives,
            deletes: self.deletes - before.deletes,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no benchmark counts so far")]
fn number(count: u64) -> f64 {
    count as f64
}
