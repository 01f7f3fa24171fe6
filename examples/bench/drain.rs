//! Measures the worker beside a bare SDK loop, in turn, against the embedded SQS server in a process of its own.
//!
//! Usage: `bench_drain [MESSAGES] [ROUNDS] [CORE]`, after
//! `cargo build --release --bin longshore --example bench_drain --example bench_bare_loop --example bench_worker`;
//! `make bench` does both. With a CORE every contender is
//! pinned to it by `taskset`, so that each has the same processor and none has two; pin the benchmark itself elsewhere.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod program;
mod server;

use serde_json::Value;

use self::{
    program::{Failure, number, run},
    server::Server,
};

const BODY_BYTES: usize = 200;

/// The contenders: name, program and arguments.
///
/// All of them are saturated: a bare loop with one poller sleeps between its calls, costs up to twice as much a message, and
/// would flatter the worker.
const CONTENDERS: [(&str, &str, &[&str]); 4] = [
    ("bare loop, eight pollers, default SDK settings", "bench_bare_loop", &["8"]),
    ("bare loop, eight pollers, no retries, no stall guard", "bench_bare_loop", &["8", "tuned"]),
    ("worker, no-op handler on the engine's thread", "bench_worker", &["engine"]),
    ("worker, no-op handler on the caller's runtime", "bench_worker", &["caller"]),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let messages = numbers.next().unwrap_or(Ok(50_000))?;
    let rounds = numbers.next().unwrap_or(Ok(3))?;
    let core = numbers.next().transpose()?;
    let server = Server::start()?;
    drain(&server, messages, rounds, core).await
}

async fn drain(server: &Server, messages: usize, rounds: usize, core: Option<usize>) -> Result<(), Failure> {
    println!("{messages} messages of {BODY_BYTES} bytes, {rounds} rounds, median of each figure\n");
    println!("{:<48}{:>10}{:>12}{:>14}{:>10}", "", "CPU us", "messages/s", "calls/1,000", "peak MB");
    let mut runs: Vec<Vec<Value>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..rounds {
        for (contender, (_, program, words)) in CONTENDERS.iter().enumerate() {
            let queue = server.queue(&format!("drain-{round}-{contender}"), messages, BODY_BYTES).await?;
            let count = messages.to_string();
            let words: Vec<_> = [queue.as_str(), &count].into_iter().chain(words.iter().copied()).collect();
            runs[contender].push(run(program, &words, core)?);
        }
    }
    for ((name, _, _), runs) in CONTENDERS.iter().zip(&runs) {
        let per_message = |run: &Value| number(run, "cpu_us") / number(run, "messages");
        let per_second = |run: &Value| number(run, "messages") / number(run, "wall_us") * 1e6;
        let calls = |run: &Value| number(run, "calls") / number(run, "messages") * 1e3;
        let peak = |run: &Value| number(run, "peak_kib") / 1024.0;
        println!(
            "{name:<48}{:>10.1}{:>12.0}{:>14.0}{:>10.1}",
            median(runs, per_message),
            median(runs, per_second),
            median(runs, calls),
            median(runs, peak),
        );
    }
    Ok(())
}

fn median(runs: &[Value], figure: impl Fn(&Value) -> f64) -> f64 {
    let mut figures: Vec<_> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
