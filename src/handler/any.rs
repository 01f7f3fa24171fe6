//! A handler of either form behind a pointer, as the worker holds it.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use futures_util::future::BoxFuture;

use super::{Batch, BatchHandler, Context, FailureCounter, Handler, Outcomes, Placement};
use crate::{
    message::{Message, Wanted},
    telemetry::MetricScope,
};

/// A [`Handler`] or a [`BatchHandler`] behind a pointer.
///
/// Every [`Handler`] turns into it by itself; [`batched`] makes it of a [`BatchHandler`].
#[derive(Clone)]
pub struct AnyHandler {
    takes: Takes,
    handler: Arc<dyn Erased>,
}

/// How many messages a handler takes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// As many as the batch settings say.
    Several,
}

/// Makes the worker's form of a handler that takes several messages a call.
pub fn batched(handler: impl BatchHandler) -> AnyHandler {
    AnyHandler::taking(Takes::Several, handler)
}

impl<H: Handler> From<H> for AnyHandler {
    fn from(handler: H) -> Self {
        Self::taking(Takes::One, Single(handler))
    }
}

impl fmt::Debug for AnyHandler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnyHandler").field("takes", &self.takes).finish_non_exhaustive()
    }
}

impl AnyHandler {
    /// A handler that is given batches of no more than so many messages.
    pub(crate) fn taking(takes: Takes, handler: impl BatchHandler) -> Self {
        Self { takes, handler: Arc::new(handler) }
    }

    /// How many messages it takes a call.
    pub fn takes(&self) -> Takes {
        self.takes
    }

    /// See [`BatchHandler::handle_batch`]; a [`Handler`] is given the first message of the batch.
    pub fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        debug_assert!(self.takes == Takes::Several || batch.len() == 1, "settings are checked for this");
        self.handler.call(batch, context)
    }

    /// See [`BatchHandler::weigh`].
    pub fn weigh(&self, message: &Message) -> usize {
        self.handler.weigh(message)
    }

    /// See [`Handler::opened`].
    pub fn opened(&self, arn: &str) {
        self.handler.opened(arn);
    }

    /// See [`Handler::register_metrics`].
    pub fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.handler.register_metrics(scope)
    }

    /// See [`Handler::probe`].
    pub fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        self.handler.probe()
    }

    /// See [`Handler::close`].
    pub fn close(&self) -> BoxFuture<'_, ()> {
        self.handler.close()
    }

    /// See [`Handler::wanted`].
    pub fn wanted(&self) -> Wanted {
        self.handler.wanted()
    }

    /// See [`Handler::placement`].
    pub fn placement(&self) -> Placement {
        self.handler.placement()
    }
}

/// The form of a [`BatchHandler`] that can stand behind a pointer: its futures boxed.
trait Erased: Send + Sync + 'static {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes>;
    fn weigh(&self, message: &Message) -> usize;
    fn opened(&self, arn: &str);
    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter;
    fn probe(&self) -> BoxFuture<'_, Result<(), String>>;
    fn close(&self) -> BoxFuture<'_, ()>;
    fn wanted(&self) -> Wanted;
    fn placement(&self) -> Placement;
}

impl<H: BatchHandler> Erased for H {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.handle_batch(batch, context))
    }

    fn weigh(&self, message: &Message) -> usize {
        // The user's code outside of any call: a panic in it would end the worker.
        let weight = catch_unwind(AssertUnwindSafe(|| BatchHandler::weigh(self, message)));
        weight.unwrap_or_else(|_| message.size_bytes())
    }

    fn opened(&self, arn: &str) {
        BatchHandler::opened(self, arn);
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        BatchHandler::register_metrics(self, scope)
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(BatchHandler::probe(self))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(BatchHandler::close(self))
    }

    fn wanted(&self) -> Wanted {
        BatchHandler::wanted(self)
    }

    fn placement(&self) -> Placement {
        BatchHandler::placement(self)
    }
}

/// A [`Handler`] that is given batches of one.
struct Single<H>(H);

impl<H: Handler> BatchHandler for Single<H> {
    async fn handle_batch(&self, batch: Batch, _: Context) -> Outcomes {
        let Some(item) = batch.into_iter().next() else { return Outcomes::Each(Vec::new()) };
        Outcomes::Each(vec![self.0.handle(item.message, item.context).await])
    }

    fn opened(&self, arn: &str) {
        self.0.opened(arn);
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.0.register_metrics(scope)
    }

    async fn probe(&self) -> Result<(), String> {
        self.0.probe().await
    }

    async fn close(&self) {
        self.0.close().await;
    }

    fn wanted(&self) -> Wanted {
        self.0.wanted()
    }

    fn placement(&self) -> Placement {
        self.0.placement()
    }
}
