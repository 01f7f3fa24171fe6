//! The demonstration: sends sample traffic through the ingest API and checks the end of every message.

mod handler;
mod report;
mod traffic;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

pub(crate) use self::handler::{DemoHandler, DemoStep};
use self::{
    handler::DemoAction,
    report::{DemoCounts, DemoRecord, DemoReport, judge},
    traffic::{ExpectedEnd, SampleMessage},
};
use super::{DevServers, internal_error, show, show_welcome, worker};
use crate::{
    cli::{
        failure::{Exit, Failure},
        output, runtime,
    },
    config::Settings,
    duration::Span,
    message::{MessageId, Wanted},
    queue::{Queue, QueueError, ReceiveRequest, limits},
    sns::notifications,
    stop::Stop,
    tasks,
    telemetry::Metrics,
};

/// The visibility of the demonstration, far shorter than its longest task.
const VISIBILITY: Duration = Duration::from_secs(10);
/// The interval of progress lines.
const PROGRESS: Duration = Duration::from_secs(2);
/// The interval of looks at the queue.
const LOOK: Duration = Duration::from_millis(200);
/// The longest demonstration; it needs less than 40 s.
const LIMIT: Duration = Duration::from_mins(2);

/// Changes the settings for the demonstration: a visibility far shorter than its longest task, and quick retries.
///
/// An interruption does not wait for the tasks, which only sleep.
pub(super) fn adjust(settings: &mut Settings) {
    settings.drain.limit = Some(Span::secs(0));
    for queue in settings.queues.values_mut() {
        queue.handler = None;
        queue.notify = notifications::Settings::default();
        queue.consumer.visibility = Span(VISIBILITY);
        queue.consumer.visibility_max = None;
        queue.consumer.retry.initial = Duration::from_secs(1);
        queue.consumer.retry.max = Duration::from_secs(2);
    }
}

/// Runs the demonstration; fails unless every message ends where it should.
pub(super) async fn run(servers: &DevServers) -> Result<(), Failure> {
    show_welcome(servers)?;
    let (record, stop) = (DemoRecord::default(), Stop::new());
    let recorded = record.clone();
    let worker = worker(servers, move |step| {
        recorded.add(step);
        let is_quick = step.action == DemoAction::Done && step.receive_count == 1;
        if !is_quick {
            show(step);
        }
    })?;
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
    let ended = runtime::verdict(working.await.map_err(internal_error)?);
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
        Ok(judge(&sent, &self.record, &dead, self.counts(left, is_over)))
    }

    /// Sends the longest task first, so that the demonstration takes no longer than that one.
    async fn send_all(&self) -> Result<Vec<SentSample>, DemoError> {
        let mut sent = Vec::new();
        for sample in traffic::special() {
            let id = traffic::send(self.api, &sample.body).await.map_err(DemoError::Send)?;
            sent.push(SentSample { id: MessageId::new(id), expected: sample.expected });
        }
        for samples in traffic::quick().chunks(limits::BATCH_ENTRIES) {
            let bodies: Vec<_> = samples.iter().map(|sample| sample.body.as_str()).collect();
            let ids = traffic::send_batch(self.api, &bodies).await.map_err(DemoError::Send)?;
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
            tokio::time::sleep(LOOK).await;
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
