//! The demonstration: sample traffic through the front door, watched until every message is where it should be.

mod client;
mod record;
mod report;
mod traffic;
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::time::Instant;
pub use self::{record::Record, report::Report};
use self::{
    report::{Counts, judge},
    traffic::{Expected, Sample},
};
use crate::{
    message::{MessageId, Wanted},
    queue::{Queue, QueueError, ReceiveRequest, limits},
    telemetry::{Ending, QueueMetrics},
};

/// The visibility under which the demonstration runs, far shorter than its longest task.
pub const VISIBILITY: Duration = Duration::from_secs(10);
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(2);
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long the demonstration may take; it needs less than 40 s.
const LIMIT: Duration = Duration::from_mins(2);

/// What the demonstration runs against.
pub struct Demo {
    /// Where the front door listens.
    pub api: SocketAddr,
    /// The queue behind the door.
    pub queue: Arc<dyn Queue>,
    /// Its DLQ.
    pub dlq: Arc<dyn Queue>,
    /// The worker's counts of that queue.
    pub metrics: Arc<QueueMetrics>,
    /// What the demo handler did.
    pub record: Record,
    /// Shows a line of progress.
    pub say: Say,
}

/// Shows a line.
pub type Say = Box<dyn Fn(&dyn fmt::Display) + Send + Sync>;

/// Why the demonstration could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The front door did not take a message.
    #[error("the front door did not take a message: {0}")]
    Send(String),
    /// The queue could not be looked at.
    #[error("the queue could not be looked at: {0}")]
    Look(#[from] QueueError),
}

/// A sample message that was sent.
struct Sent {
    id: MessageId,
    expected: Expected,
}

impl Demo {
    /// Sends the samples, waits until they have ended, and judges where they ended.
    pub async fn run(&self) -> Result<Report, DemoError> {
        let began = Instant::now();
        let sent = self.send_all().await?;
        (self.say)(&format_args!("sent {} messages through the front door", sent.len()));
        let is_over = self.watch(began, sent.len()).await?;
        let dead = self.dead_letters().await?;
        let left = self.queue.describe().await?;
        let left = usize::try_from(left.visible + left.in_flight + left.delayed).unwrap_or(usize::MAX);
        Ok(judge(&sent, &self.record, &dead, self.counts(left, is_over)))
    }

    /// Longest first, so that the demonstration takes no longer than its longest task.
    async fn send_all(&self) -> Result<Vec<Sent>, DemoError> {
        let mut sent = Vec::new();
        for sample in traffic::special() {
            let id = client::send(self.api, &sample.body).await.map_err(DemoError::Send)?;
            sent.push(Sent { id: MessageId::new(id), expected: sample.expected });
        }
        for samples in traffic::quick().chunks(limits::BATCH_ENTRIES) {
            let bodies: Vec<_> = samples.iter().map(|sample| sample.body.as_str()).collect();
            let ids = client::send_batch(self.api, &bodies).await.map_err(DemoError::Send)?;
            let with_expected =
                |(id, sample): (String, &Sample)| Sent { id: MessageId::new(id), expected: sample.expected };
            sent.extend(ids.into_iter().zip(samples).map(with_expected));
        }
        Ok(sent)
    }

    /// Shows progress until the queue is empty; false when the limit came first.
    async fn watch(&self, began: Instant, sent: usize) -> Result<bool, DemoError> {
        let mut shown = began;
        while began.elapsed() < LIMIT {
            let (queue, dlq) = (self.queue.describe().await?, self.dlq.describe().await?);
            let open = queue.visible + queue.in_flight + queue.delayed;
            if shown.elapsed() >= PROGRESS || open == 0 {
                shown = Instant::now();
                let (done, running) = (self.record.done(), self.metrics.running.get());
                let (extended, seconds) = (self.metrics.extensions.get(), began.elapsed().as_secs());
                (self.say)(&format_args!(
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

    /// The ids of the messages in the DLQ, which are hidden for a moment by the look at them.
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

    fn counts(&self, left: usize, is_over: bool) -> Counts {
        let metrics = &self.metrics;
        Counts {
            retried: metrics.ended.of(Ending::Retry).get(),
            extensions: metrics.extensions.get(),
            received_again: metrics.duplicates.get(),
            left,
            is_over,
        }
    }
}
