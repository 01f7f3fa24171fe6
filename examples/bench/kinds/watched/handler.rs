//! The handler whose calls are noted.

use std::sync::atomic::Ordering;

use longshore::{
    Message,
    handler::{AnyHandler, Batch, BatchHandler, Context, FailureCounter, Outcomes, Placement},
    message::Wanted,
    telemetry::MetricScope,
};

use super::Watch;

/// A handler that is watched.
pub(super) struct WatchedHandler {
    pub(super) handler: AnyHandler,
    pub(super) watch: Watch,
}

impl BatchHandler for WatchedHandler {
    async fn handle_batch(&self, batch: Batch, context: Context) -> Outcomes {
        self.watch.note(|stamps, now| stamps.started = now);
        let outcomes = self.handler.call(batch, context).await;
        self.watch.note(|stamps, now| stamps.ended = now);
        self.watch.0.calls.fetch_add(1, Ordering::Relaxed);
        outcomes
    }

    fn weigh(&self, message: &Message) -> usize {
        self.handler.weigh(message)
    }

    fn opened(&self, arn: &str) {
        self.handler.opened(arn);
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.handler.register_metrics(scope)
    }

    async fn probe(&self) -> Result<(), String> {
        self.handler.probe().await
    }

    async fn close(&self) {
        self.handler.close().await;
    }

    fn wanted(&self) -> Wanted {
        self.handler.wanted()
    }

    fn placement(&self) -> Placement {
        self.handler.placement()
    }
}
