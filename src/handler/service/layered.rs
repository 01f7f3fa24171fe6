//! Handlers behind `tower` layers, with all that they are beyond their calls.

use std::{fmt::Display, sync::Arc};

use tower::{Layer, Service};

use super::{
    BatchCall, Call, FromBatchService, FromService, IntoBatchService, IntoService, from_batch_service,
    from_service, into_batch_service, into_service,
};
use crate::{
    handler::{
        Batch, BatchHandler, Context, FailureCounter, Handler, IntoOutcome, IntoOutcomes, Outcome, Outcomes,
        Placement,
    },
    message::{Message, Wanted},
    telemetry::MetricScope,
};

/// Puts a handler behind a layer, or behind several of a `ServiceBuilder`.
///
/// Calls go through the layers, by the rules of [`from_service`]. A probe asks the layers and the handler; the
/// handler's end, its placement and what it wants of messages stay as they are.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use longshore::{Message, handler};
/// use tower::ServiceBuilder;
///
/// let print = handler::from_fn(async |message: Arc<Message>| println!("{}", message.body));
/// let layers = ServiceBuilder::new().concurrency_limit(2).timeout(Duration::from_secs(30));
/// let handler = handler::layered(print, layers);
/// # let _ = longshore::handler::AnyHandler::from(handler);
/// ```
pub fn layered<H, L>(handler: H, layer: L) -> Layered<H, L::Service>
where
    H: Handler,
    L: Layer<IntoService<H>>,
    L::Service: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    let service = into_service(handler);
    Layered { inner: service.0.clone(), outer: from_service(layer.layer(service)) }
}

/// The same for a handler that takes several messages a call.
pub fn layered_batches<H, L>(handler: H, layer: L) -> LayeredBatches<H, L::Service>
where
    H: BatchHandler,
    L: Layer<IntoBatchService<H>>,
    L::Service:
        Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    let service = into_batch_service(handler);
    LayeredBatches { inner: service.0.clone(), outer: from_batch_service(layer.layer(service)) }
}

/// A handler made by [`layered`].
pub struct Layered<H, S> {
    inner: Arc<H>,
    outer: FromService<S>,
}

/// A handler made by [`layered_batches`].
pub struct LayeredBatches<H, S> {
    inner: Arc<H>,
    outer: FromBatchService<S>,
}

impl<H, S> Handler for Layered<H, S>
where
    H: Handler,
    S: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        self.outer.handle(message, context).await
    }

    fn opened(&self, arn: &str) {
        self.inner.opened(arn);
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.inner.register_metrics(scope)
    }

    async fn probe(&self) -> Result<(), String> {
        self.outer.probe().await?;
        self.inner.probe().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn wanted(&self) -> Wanted {
        self.inner.wanted()
    }

    fn placement(&self) -> Placement {
        self.inner.placement()
    }
}

impl<H, S> BatchHandler for LayeredBatches<H, S>
where
    H: BatchHandler,
    S: Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    async fn handle_batch(&self, batch: Batch, context: Context) -> Outcomes {
        self.outer.handle_batch(batch, context).await
    }

    fn weigh(&self, message: &Message) -> usize {
        self.inner.weigh(message)
    }

    fn opened(&self, arn: &str) {
        self.inner.opened(arn);
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.inner.register_metrics(scope)
    }

    async fn probe(&self) -> Result<(), String> {
        self.outer.probe().await?;
        self.inner.probe().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    fn wanted(&self) -> Wanted {
        self.inner.wanted()
    }

    fn placement(&self) -> Placement {
        self.inner.placement()
    }
}
