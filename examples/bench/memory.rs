//! Measures the memory of a worker that holds messages, has many calls in flight, does nothing, or has many queues.
//!
//! Usage: `bench_memory [SECONDS]`, after
//! `cargo build --release --bin longshore --example bench_memory --example bench_bare_loop --example bench_worker`;
//! `make bench-memory` does both. The server is the embedded one, in a process of its own.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod program;
mod queues;
mod server;
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod usage;

use serde_json::Value;

use self::{
    program::{Failure, number, run},
    server::Server,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let seconds = std::env::args().nth(1).unwrap_or_else(|| "60".to_owned());
    let server = Server::start()?;
    let held = hold(&server, ("held", 10_000, 1024), &seconds).await?;
    print(&format!("held: 10,000 messages of 1 KiB for {seconds} s"), &held);
    let idle = hold(&server, ("idle", 0, 1024), &seconds).await?;
    print(&format!("idle: one empty queue for {seconds} s"), &idle);
    let calls = hold(&server, ("calls", 100_000, 100), &seconds).await?;
    print("calls: 100,000 in flight, of messages of 100 bytes", &calls);
    let kib_of_calls = number(&calls, "peak_kib") - number(&idle, "peak_kib");
    println!("  bytes a call{:>12.0}", kib_of_calls * 1024.0 / 1e5);
    let queue = server.queue("idle-bare", 0, 1024).await?;
    let bare = run("bench_bare_loop", &[&queue, "0", "8", "idle", &seconds], None)?;
    print(&format!("idle: the bare loop with eight pollers on an empty queue for {seconds} s"), &bare);
    queues::measure(&server, 1_000).await
}

/// Lets the worker hold so many messages of a size.
async fn hold(
    server: &Server,
    (name, messages, bytes): (&str, usize, usize),
    seconds: &str,
) -> Result<Value, Failure> {
    let queue = server.queue(name, messages, bytes).await?;
    let mode = if messages == 0 { "idle" } else { "held" };
    run("bench_worker", &[&queue, &messages.to_string(), mode, seconds], None)
}

fn print(name: &str, run: &Value) {
    println!("\n{name}");
    for (figure, value) in run.as_object().into_iter().flatten() {
        println!("  {figure:<12}{value:>12}");
    }
}
