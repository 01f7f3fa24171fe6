//! Measures the worker beside a bare SDK loop, in turn, against the embedded SQS server in a process of its own.
//!
//! Usage: `bench_drain [MESSAGES] [ROUNDS] [CORE]`, after
//! `cargo build --release --bin longshore --example bench_drain --example bench_bare_loop --example bench_worker`;
//! `make bench` does both. With a CORE every contender is
//! pinned to it by `taskset`, so that each has the same processor and none has two; pin the benchmark itself elsewhere.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod server;

use std::{error::Error, process::Command};

use serde_json::Value;

use self::server::{Server, beside};

type Failure = Box<dyn Error + Send + Sync>;

const BODY_BYTES: usize = 200;
/// The time for which messages are held, and an empty queue is polled.
const SECONDS: &str = "60";

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
    drain(&server, messages, rounds, core).await?;
    hold(&server, "held: 10,000 messages of 1 KiB for 60 s", 10_000, "held").await?;
    hold(&server, "idle: one empty queue for 60 s", 0, "idle").await?;
    let queue = server.queue("idle-bare", 0, BODY_BYTES).await?;
    let bare = run("bench_bare_loop", &[&queue, "0", "8", "idle", SECONDS], core)?;
    print("idle: the bare loop with eight pollers on an empty queue for 60 s", &bare);
    Ok(())
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

async fn hold(server: &Server, name: &str, messages: usize, mode: &str) -> Result<(), Failure> {
    let queue = server.queue(mode, messages, 1024).await?;
    print(name, &run("bench_worker", &[&queue, &messages.to_string(), mode, SECONDS], None)?);
    Ok(())
}

fn print(name: &str, run: &Value) {
    println!("\n{name}");
    for (figure, value) in run.as_object().into_iter().flatten() {
        println!("  {figure:<12}{value:>12}");
    }
}

fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or(f64::NAN)
}

fn median(runs: &[Value], figure: impl Fn(&Value) -> f64) -> f64 {
    let mut figures: Vec<_> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Runs a program of this benchmark and reads the line of JSON it prints.
fn run(program: &str, words: &[&str], core: Option<usize>) -> Result<Value, Failure> {
    let path = beside(program)?;
    let mut command = match core {
        None => Command::new(path),
        Some(core) => {
            let mut pinned = Command::new("taskset");
            pinned.args(["--cpu-list", &core.to_string()]).arg(path);
            pinned
        }
    };
    let output = command.args(words).output()?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {words:?} failed: {}\n{log}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
