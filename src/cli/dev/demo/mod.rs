//! The demonstration: sends sample traffic through the ingest API and checks the end of every message.

mod handler;
mod report;

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use self::{
    handler::DemoAction,
    report::{DemoCounts, DemoRecord, DemoReport, evaluate},
};
use super::{DevServers, internal_error, show, worker};
use crate::{
    cli::{
        output::{self, Exit, Failure},
        runtime::{self, Exporters},
    },
    config::Settings,
    duration::Span,
    handler::Routes,
    message::{MessageId, Wanted},
    queue::{Queue, QueueError, ReceiveRequest, limits},
    sns::notifications,
    stop::Stop,
    tasks,
    telemetry::Metrics,
    worker::{Signals, end_of_task},
};

pub(crate) use self::handler::{DemoHandler, DemoStep};

/// The visibility of the demonstration, far shorter than its longest task.
const VISIBILITY: Duration = Duration::from_secs(10);
/// The interval of progress lines.
const PROGRESS: Duration = Duration::from_secs(2);
/// The interval between reads of the queue's counts.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// The longest demonstration; it needs less than 40 s.
const LIMIT: Duration = Duration::from_mins(2);

/// Changes the settings for the demonstration: a visibility far shorter than its longest task, and quick retries.
///
/// An interruption does not wait for the tasks, which only sleep.
pub(super) fn adjust(settings: &mut Settings) {
    settings.drain.limit = Some(Span::secs(0));
    for queue in settings.queues.values_mut() {
        (queue.handler, queue.route) = (None, Routes::default());
        queue.notify = notifications::Settings::default();
        queue.consumer.visibility = Span(VISIBILITY);
        queue.consumer.visibility_max = None;
        queue.consumer.retry.initial = Duration::from_secs(1);
        queue.consumer.retry.max = Duration::from_secs(2);
    }
}

/// Runs the demonstration; fails unless every message ends where it should.
pub(super) async fn run(
    servers: &DevServers,
    exporters: &Exporters,
    signals: Option<Signals>,
) -> Result<(), Failure> {
    let (record, stop) = (DemoRecord::default(), Stop::new());
    let recorded = record.clone();
    let worker = worker(servers, move |step| {
        recorded.add(step);
        let is_quick = step.action == DemoAction::Done && step.receive_count == 1;
        if !is_quick {
            show(step);
        }
    })?;
    let worker = runtime::with_signals(exporters.export(worker)?, signals);
    let demo = Demo {
        api: servers.api,
        queue: servers.queue.clone(),
        dlq: servers.open_dlq().await?,
        metrics: worker.metrics(),
        record,
    };
    let working = tasks::detach("worker", worker.run_with(stop.clone()));
    let report = tokio::select! {
        report = demo.run() => report.map_err(internal_error),
        () = stop.draining() => Err(Failure::new(Exit::Unfinished, "the demonstration was interrupted")),
    };
    stop.drain();
    let ended = runtime::exit_result(end_of_task("worker", working.await));
    let report = report?;
    output::print(&format!("\n{report}"))?;
    ended?;
    if report.is_good() { Ok(()) } else { Err(Failure::new(Exit::Internal, "the demonstration failed")) }
}

/// The servers and the worker that the demonstration uses.
struct Demo {
    /// The address of the ingest API.
    api: SocketAddr,
    /// The queue behind the API.
    queue: Arc<dyn Queue>,
    /// Its DLQ.
    dlq: Arc<dyn Queue>,
    /// The worker's metrics.
    metrics: Metrics,
    /// The runs of the demo handler.
    record: DemoRecord,
}

/// The error of a demonstration that could not be finished.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    /// The ingest API did not accept a message.
    #[error("the ingest api did not accept a message: {0}")]
    Send(String),
    /// The queue did not answer.
    #[error("the queue did not answer: {0}")]
    Queue(#[from] QueueError),
}

/// A sample message that was sent.
struct SentSample {
    id: MessageId,
    expected: ExpectedEnd,
}

impl Demo {
    /// Sends the samples, waits for their end, and compares it with the expected one.
    async fn run(&self) -> Result<DemoReport, DemoError> {
        let began = Instant::now();
        let sent = self.send_all().await?;
        show(format_args!("sent {} messages through the ingest api", sent.len()));
        let is_over = self.watch(began, sent.len()).await?;
        let dead = self.dead_letters().await?;
        let left = self.queue.describe().await?;
        let left = usize::try_from(left.visible + left.in_flight + left.delayed).unwrap_or(usize::MAX);
        Ok(evaluate(&sent, &self.record, &dead, self.counts(left, is_over)))
    }

    /// Sends the longest task first, so that the demonstration takes no longer than that one.
    async fn send_all(&self) -> Result<Vec<SentSample>, DemoError> {
        let mut sent = Vec::new();
        for sample in special() {
            let id = send(self.api, &sample.body).await.map_err(DemoError::Send)?;
            sent.push(SentSample { id: MessageId::new(id), expected: sample.expected });
        }
        for samples in quick().chunks(limits::BATCH_ENTRIES) {
            let bodies: Vec<_> = samples.iter().map(|sample| sample.body.as_str()).collect();
            let ids = send_batch(self.api, &bodies).await.map_err(DemoError::Send)?;
            let with_expected = |(id, sample): (String, &SampleMessage)| SentSample {
                id: MessageId::new(id),
                expected: sample.expected,
            };
            sent.extend(ids.into_iter().zip(samples).map(with_expected));
        }
        Ok(sent)
    }

    /// Shows progress until the queue is empty; returns false if the limit came first.
    async fn watch(&self, began: Instant, sent: usize) -> Result<bool, DemoError> {
        let mut shown = began;
        while began.elapsed() < LIMIT {
            let (queue, dlq) = (self.queue.describe().await?, self.dlq.describe().await?);
            let open = queue.visible + queue.in_flight + queue.delayed;
            if shown.elapsed() >= PROGRESS || open == 0 {
                shown = Instant::now();
                let (done, running) = (self.record.done(), self.count("longshore_messages_running"));
                let (extended, seconds) =
                    (self.count("longshore_lease_extensions_total"), began.elapsed().as_secs());
                show(format_args!(
                    "{seconds:>3} s: {done} of {sent} done, {running} running, {open} on the queue, {} in the dlq, {extended} lease extensions",
                    dlq.visible,
                ));
            }
            if open == 0 {
                return Ok(true);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(false)
    }

    /// The ids of the messages in the DLQ, which this receive hides for a few seconds.
    async fn dead_letters(&self) -> Result<Vec<MessageId>, DemoError> {
        let request = ReceiveRequest {
            max: limits::BATCH_ENTRIES,
            wait: Duration::ZERO,
            visibility: Duration::from_secs(5),
            wanted: Wanted::Body,
            attempt_id: None,
        };
        let mut ids = Vec::new();
        loop {
            let messages = self.dlq.receive(request.clone()).await?;
            if messages.is_empty() {
                return Ok(ids);
            }
            ids.extend(messages.into_iter().map(|message| message.id));
        }
    }

    fn count(&self, metric: &str) -> u64 {
        self.metrics.count(metric, &[])
    }

    fn counts(&self, left: usize, is_over: bool) -> DemoCounts {
        DemoCounts {
            retried: self.metrics.count("longshore_messages_ended_total", &[("ending", "retry")]),
            extensions: self.count("longshore_lease_extensions_total"),
            received_again: self.count("longshore_messages_duplicate_total"),
            left,
            is_over,
        }
    }
}

/// The number of quick messages.
const QUICK: usize = 200;

/// A sample message.
struct SampleMessage {
    body: String,
    expected: ExpectedEnd,
}

/// The expected end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpectedEnd {
    /// Done, in this many runs.
    Done { runs: u32 },
    /// In the DLQ.
    DeadLetter,
}

impl fmt::Display for ExpectedEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { runs } => write!(formatter, "done in {runs} runs"),
            Self::DeadLetter => formatter.write_str("in the dlq"),
        }
    }
}

/// The three messages that are not quick: one longer than any API waits, one that fails once, one that always fails.
fn special() -> Vec<SampleMessage> {
    [
        (r#"{"sleep_ms": 35000}"#, ExpectedEnd::Done { runs: 1 }),
        (r#"{"fail": "once"}"#, ExpectedEnd::Done { runs: 2 }),
        (r#"{"fail": "always"}"#, ExpectedEnd::DeadLetter),
    ]
    .map(|(body, expected)| SampleMessage { body: body.to_owned(), expected })
    .into()
}

/// The quick messages.
fn quick() -> Vec<SampleMessage> {
    let sample = |number| SampleMessage {
        body: format!(r#"{{"job": {number}}}"#),
        expected: ExpectedEnd::Done { runs: 1 },
    };
    (1..=QUICK).map(sample).collect()
}

/// Sends one message; returns its id.
async fn send(api: SocketAddr, body: &str) -> Result<String, String> {
    let answer = post(api, "/v1/messages", body).await?;
    id_of(&answer)
}

/// Sends up to ten messages; returns their ids in order.
async fn send_batch(api: SocketAddr, bodies: &[&str]) -> Result<Vec<String>, String> {
    let entries: Vec<_> = bodies.iter().map(|body| json!({ "body": body })).collect();
    let answer = post(api, "/v1/messages/batch", &Value::from(entries).to_string()).await?;
    let sent = answer["successful"].as_array().ok_or_else(|| format!("an unexpected answer: {answer}"))?;
    sent.iter().map(id_of).collect()
}

fn id_of(answer: &Value) -> Result<String, String> {
    let id = answer["messageId"].as_str().map(str::to_owned);
    id.ok_or_else(|| format!("an answer without a message id: {answer}"))
}

/// Posts JSON; any status but 202 is an error.
async fn post(api: SocketAddr, path: &str, body: &str) -> Result<Value, String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {api}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
    );
    let answer = exchange(api, &request).await.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "202" {
        return Err(format!("status {status}: {body}"));
    }
    serde_json::from_str(body).map_err(|error| error.to_string())
}

async fn exchange(api: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(api).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
