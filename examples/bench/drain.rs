//! Measures the worker beside a bare SDK loop, in turn, against the embedded SQS server in a process of its own.
//!
//! Usage: `bench_drain [MESSAGES] [ROUNDS]`, after
//! `cargo build --release --bin longshore --example bench_drain --example bench_bare_loop --example bench_worker`;
//! `make bench` does both.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use longshore::{app, message::OutgoingMessage, queue::Queue};
use serde_json::Value;

type Failure = Box<dyn Error>;

const BODY_BYTES: usize = 100;

/// What is measured: a name for people, the program and its words.
const CONTENDERS: [(&str, &str, &[&str]); 4] = [
    ("bare loop, default SDK settings", "bench_bare_loop", &[]),
    ("bare loop, no retries, no stall guard", "bench_bare_loop", &["tuned"]),
    ("worker, no-op handler on the pump", "bench_worker", &["pump"]),
    ("worker, no-op handler on the caller's runtime", "bench_worker", &["caller"]),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let messages = numbers.next().unwrap_or(Ok(50_000))?;
    let rounds = numbers.next().unwrap_or(Ok(3))?;
    let server = Server::start()?;
    drain(&server, messages, rounds).await?;
    hold(&server, "held: 10,000 messages of 1 KiB for 60 s", 10_000, "held", "60").await?;
    hold(&server, "idle: one empty queue for 60 s", 0, "idle", "60").await
}

async fn drain(server: &Server, messages: usize, rounds: usize) -> Result<(), Failure> {
    println!("{messages} messages of {BODY_BYTES} bytes, {rounds} rounds, median of each figure\n");
    println!("{:<48}{:>10}{:>12}{:>14}{:>10}", "", "CPU us", "messages/s", "calls/1,000", "peak MB");
    let mut runs: Vec<Vec<Value>> = vec![Vec::new(); CONTENDERS.len()];
    for round in 0..rounds {
        for (contender, (_, program, words)) in CONTENDERS.iter().enumerate() {
            let queue = server.queue(&format!("drain-{round}-{contender}"), messages, BODY_BYTES).await?;
            let count = messages.to_string();
            let words: Vec<_> = [queue.as_str(), &count].into_iter().chain(words.iter().copied()).collect();
            runs[contender].push(run(program, &words)?);
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

async fn hold(
    server: &Server,
    name: &str,
    messages: usize,
    mode: &str,
    seconds: &str,
) -> Result<(), Failure> {
    let queue = server.queue(mode, messages, 1024).await?;
    let run = run("bench_worker", &[&queue, &messages.to_string(), mode, seconds])?;
    println!("\n{name}");
    for (figure, value) in run.as_object().into_iter().flatten() {
        println!("  {figure:<12}{value:>12}");
    }
    Ok(())
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
fn run(program: &str, words: &[&str]) -> Result<Value, Failure> {
    let output = Command::new(beside(program)?).args(words).output()?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {words:?} failed: {}\n{log}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The programs lie beside this one, and the server above.
fn beside(program: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().unwrap_or(Path::new(".")).join(program))
}

/// `longshore dev` in a process of its own.
struct Server {
    process: Child,
    base: String,
}

impl Server {
    fn start() -> Result<Self, Failure> {
        let mut process = Command::new(beside("../longshore")?)
            .args([
                "dev",
                "--sqs-listen",
                "127.0.0.1:0",
                "--api-listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let lines = BufReader::new(output).lines();
        let url =
            lines.map_while(Result::ok).find_map(|line| line.trim().strip_prefix("queue").map(str::to_owned));
        let url = url.ok_or("longshore dev did not say where its queue is")?;
        let base = url.trim().rsplit_once('/').ok_or("not a queue url")?.0.to_owned();
        Ok(Self { process, base })
    }

    /// Creates a queue and fills it.
    async fn queue(&self, name: &str, messages: usize, body_bytes: usize) -> Result<String, Failure> {
        let url = format!("{}/{name}", self.base);
        self.create(name).await?;
        let queue = app::open_queue(&url, &longshore::queue::sqs::Settings::default()).await?;
        let batch = vec![OutgoingMessage::new("x".repeat(body_bytes)); 10];
        for _ in 0..messages / 10 {
            send(&*queue, &batch).await?;
        }
        Ok(url)
    }

    async fn create(&self, name: &str) -> Result<(), Failure> {
        let origin = self.base.rsplit_once('/').ok_or("not a queue url")?.0;
        let address = origin.trim_start_matches("http://").to_owned();
        let body = format!("Action=CreateQueue&QueueName={name}");
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len(),
        );
        let mut stream = tokio::net::TcpStream::connect(&address).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await?;
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer.into()) }
    }
}

async fn send(queue: &dyn Queue, batch: &[OutgoingMessage]) -> Result<(), Failure> {
    for answer in queue.send(batch).await? {
        answer?;
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
