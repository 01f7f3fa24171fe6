//! The bounded queue of spans that wait for the exporter.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::{sync::Notify, time::timeout};

use super::plan::Batching;

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
