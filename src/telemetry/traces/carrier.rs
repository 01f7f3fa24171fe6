//! The loop that takes spans to the collector, on a thread of its own.

use std::{io, thread, time::Duration};

use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanExporter},
};
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{TracesError, client::Reason, exporter, outbox::Outbox, plan::Plan, resource::Origin};
use crate::telemetry::events;

/// The interval between reports of lost spans: a collector that is down affects every batch.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Asks for everything that waits to be sent; answered when it is, or given up.
pub(super) type Flushes = mpsc::UnboundedSender<oneshot::Sender<()>>;

/// Starts the thread; it ends when nobody can ask for a flush any more.
pub(super) fn start(plan: &Plan, outbox: Outbox, origin: Origin) -> Result<Flushes, TracesError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(TracesError::System)?;
    let reason = Reason::default();
    let exporter = {
        let _here = runtime.enter();
        exporter::build(plan, &reason)?
    };
    let (flushes, asked) = mpsc::unbounded_channel();
    let limit = plan.batching.timeout;
    let carrier = Carrier { exporter, reason, outbox, asked, limit, trouble: Trouble::default() };
    let carry = move || runtime.block_on(carrier.run(origin));
    spawn(carry).map_err(TracesError::System)?;
    Ok(flushes)
}

fn spawn(carry: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("longshore-traces".to_owned()).spawn(carry).map(drop)
}

/// The state of the loop.
struct Carrier<E> {
    exporter: E,
    /// The details that the exporter's own errors leave out.
    reason: Reason,
    outbox: Outbox,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    /// The time limit of one batch.
    limit: Duration,
    trouble: Trouble,
}

impl<E: SpanExporter> Carrier<E> {
    async fn run(mut self, origin: Origin) {
        // Spans wait meanwhile: they are exported with the resource that they come from.
        let resource: Resource = origin.resource().await;
        self.exporter.set_resource(&resource);
        loop {
            let asked = tokio::select! {
                asked = self.asked.recv() => match asked {
                    Some(asked) => Some(asked),
                    None => return,
                },
                () = self.outbox.is_due() => None,
            };
            self.send_all().await;
            if asked.is_some_and(|asked| asked.send(()).is_err()) {
                events::FlushUnawaited {}.emit();
            }
        }
    }

    /// Sends all that waits now; what comes meanwhile waits for the next time.
    async fn send_all(&mut self) {
        let mut left = self.outbox.len();
        while left > 0 {
            let batch = self.outbox.take();
            left = left.saturating_sub(batch.len().max(1));
            let failure = self.send(batch).await;
            self.trouble.note(failure.as_deref(), &self.outbox);
        }
    }

    /// Answers why a batch was not sent, if it was not.
    async fn send(&self, batch: Vec<SpanData>) -> Option<String> {
        let spans = batch.len() as u64;
        let failure = match timeout(self.limit, self.exporter.export(batch)).await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => self.reason.take().unwrap_or_else(|| error.to_string()),
            Err(_) => format!("no answer within {:?}", self.limit),
        };
        self.outbox.lose(spans);
        Some(failure)
    }
}

/// Reports lost spans.
#[derive(Debug, Default)]
struct Trouble {
    /// Lost and not reported.
    lost: u64,
    reported_at: Option<Instant>,
    state: ExportState,
}

/// The result of the last batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ExportState {
    #[default]
    Good,
    Failing,
}

impl Trouble {
    fn note(&mut self, failure: Option<&str>, outbox: &Outbox) {
        self.lost += outbox.take_lost();
        let state = if failure.is_some() { ExportState::Failing } else { ExportState::Good };
        let is_over = self.state == ExportState::Failing && state == ExportState::Good;
        self.state = state;
        let is_time = self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if self.lost > 0 && (is_time || is_over) {
            self.report(failure.unwrap_or("more spans ended than could be sent"));
        }
        if is_over {
            events::CollectorBack {}.emit();
        }
    }

    fn report(&mut self, reason: &str) {
        events::SpansLost { spans: self.lost, reason }.emit();
        self.lost = 0;
        self.reported_at = Some(Instant::now());
    }
}
