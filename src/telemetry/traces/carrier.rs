//! The loop that takes spans to the collector, on a thread of its own.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::{
    runtime::Builder,
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{
    TracesError,
    exporter::{self, Reason},
    plan::{Batching, Plan},
    resource::Origin,
};
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

/// The spans that have ended and are not sent yet; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    batching: Batching,
    waiting: Mutex<Vec<SpanData>>,
    /// Fires at the first span that waits, and when a batch is full: a wake-up for each span would cost more than the span.
    changed: Notify,
    /// Spans lost since the last report.
    lost: AtomicU64,
}

impl Outbox {
    pub(super) fn new(batching: Batching) -> Self {
        let (waiting, changed, lost) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Self(Arc::new(Inner { batching, waiting, changed, lost }))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of spans that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    fn put(&self, span: SpanData) {
        let Batching { queue, batch, .. } = self.0.batching;
        let mut waiting = self.waiting();
        if waiting.len() >= queue {
            drop(waiting);
            return self.lose(1);
        }
        waiting.push(span);
        let len = waiting.len();
        drop(waiting);
        if len == 1 || len == batch {
            self.0.changed.notify_one();
        }
    }

    /// Waits until a batch is full, or its first span has waited for long enough.
    pub(super) async fn is_due(&self) {
        let Batching { batch, delay, .. } = self.0.batching;
        self.holds(1).await;
        // Either will do.
        drop(timeout(delay, self.holds(batch)).await);
    }

    async fn holds(&self, spans: usize) {
        while self.len() < spans {
            self.0.changed.notified().await;
        }
    }

    /// Takes as many spans as are sent at once, the oldest first.
    pub(super) fn take(&self) -> Vec<SpanData> {
        let mut waiting = self.waiting();
        let most = self.0.batching.batch.min(waiting.len());
        waiting.drain(..most).collect()
    }

    /// Counts spans that nobody will see.
    pub(super) fn lose(&self, spans: u64) {
        self.0.lost.fetch_add(spans, Ordering::Relaxed);
    }

    /// Takes the number of spans lost since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.0.lost.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for Outbox {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.put(span);
        }
    }

    /// Flushing is asynchronous here: see `Traces::flush`.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
