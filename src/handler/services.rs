//! Converts handlers into `tower` services, and services into handlers.
//!
//! | from | to | with |
//! |---|---|---|
//! | a service of [`Call`] | a [`Handler`] | [`from_service`] |
//! | a service of [`BatchCall`] | a [`BatchHandler`] | [`from_batch_service`] |
//! | any handler | a service of [`Call`] | [`into_service`] |
//! | any handler | a service of [`BatchCall`] | [`into_batch_service`] |
//! | any handler and a `tower` layer | that handler behind the layer | [`layered`], [`layered_batches`] |

use std::{
    convert::Infallible,
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as TaskContext, Poll},
};

use futures_util::future::BoxFuture;
use tower::{Layer, Service, ServiceExt as _};

use super::{
    AnyHandler, Batch, BatchHandler, Context, Handler, IntoOutcome, IntoOutcomes, Outcome, Outcomes,
    any::{CallSize, CallWrapper, handle_single},
};
use crate::message::Message;

/// One call of a handler, as the request of a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The message.
    pub message: Arc<Message>,
    /// The context of the call.
    pub context: Context,
}

/// One call of a handler that takes several messages, as the request of a service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchCall {
    /// The messages, each with its own context.
    pub batch: Batch,
    /// The context of the call as a whole.
    pub context: Context,
}

impl Call {
    /// A call for one message.
    pub fn new(message: impl Into<Arc<Message>>, context: Context) -> Self {
        Self { message: message.into(), context }
    }
}

impl BatchCall {
    /// A call for several messages.
    pub fn new(batch: Batch, context: Context) -> Self {
        Self { batch, context }
    }
}

/// Makes a handler of a service, whose response is anything that converts by [`IntoOutcome`].
///
/// - Every call is made on a clone of the service. A limit on all calls together (of their rate or concurrency) must be
///   shared by the clones, as `Buffer` and `ConcurrencyLimit` do.
/// - While a service is not ready its message waits, with its lease extended, its permit taken and its time limit
///   running: back-pressure reaches the queue as fewer receives.
/// - An error of `poll_ready` is [`Outcome::Down`]: the message did not run, and polling pauses until a clone becomes
///   ready. An error of the call is a retry with the error as the reason.
///
/// ```
/// use longshore::handler::{self, Call, Outcome};
/// use tower::{ServiceBuilder, service_fn};
///
/// let ship = service_fn(async |call: Call| match call.message.body.as_str() {
///     "" => Ok(Outcome::Reject("nothing to ship".to_owned())),
///     "late" => Err("the ship has left"),
///     _ => Ok(Outcome::Done),
/// });
/// let handler = handler::from_service(ServiceBuilder::new().concurrency_limit(4).service(ship));
/// # let _ = longshore::handler::AnyHandler::from(handler);
/// ```
pub fn from_service<S>(service: S) -> FromService<S>
where
    S: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    FromService(SharedService::new(service))
}

/// Makes a batch handler of a service, for [`batched`](crate::handler::batched); see [`from_service`].
///
/// ```
/// use longshore::handler::{self, BatchCall, Outcomes};
/// use tower::service_fn;
///
/// let store = service_fn(async |call: BatchCall| {
///     println!("{} messages", call.batch.len());
///     Ok::<_, std::convert::Infallible>(())
/// });
/// let handler = handler::batched(handler::from_batch_service(store));
/// # let _ = handler;
/// ```
pub fn from_batch_service<S>(service: S) -> FromBatchService<S>
where
    S: Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    FromBatchService(SharedService::new(service))
}

/// Makes a service of a handler; it is always ready, and never fails.
///
/// The service makes only the handler's calls. To put a handler behind layers and keep its probe and close, use
/// [`layered`].
pub fn into_service(handler: impl Into<AnyHandler>) -> HandlerService {
    HandlerService(handler.into())
}

/// Makes a service of a handler that takes several messages a call; see [`into_service`].
pub fn into_batch_service(handler: impl Into<AnyHandler>) -> BatchHandlerService {
    BatchHandlerService(handler.into())
}

/// Puts a handler behind a layer, or behind several of a `ServiceBuilder`.
///
/// Calls go through the layers, by the rules of [`from_service`]. A probe checks the layers and then the handler; the
/// handler's other methods are called directly.
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
/// # let _ = handler;
/// ```
pub fn layered<L>(handler: impl Into<AnyHandler>, layer: L) -> AnyHandler
where
    L: Layer<HandlerService>,
    L::Service: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    let wrap = |inner| from_service(layer.layer(HandlerService(inner)));
    handler.into().wrapped(CallSize::One, wrap)
}

/// Puts a handler behind a layer that sees whole batches; see [`layered`].
///
/// ```
/// use std::time::Duration;
///
/// use longshore::handler::{self, Batch, Context};
/// use tower::ServiceBuilder;
///
/// let count = handler::from_batch_fn(async |batch: Batch, _: Context| println!("{} messages", batch.len()));
/// let layers = ServiceBuilder::new().timeout(Duration::from_secs(30));
/// let handler = handler::layered_batches(handler::batched(count), layers);
/// # let _ = handler;
/// ```
pub fn layered_batches<L>(handler: impl Into<AnyHandler>, layer: L) -> AnyHandler
where
    L: Layer<BatchHandlerService>,
    L::Service:
        Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    let handler = handler.into();
    let wrap = |inner| from_batch_service(layer.layer(BatchHandlerService(inner)));
    handler.clone().wrapped(handler.takes(), wrap)
}

/// A handler made by [`from_service`].
pub struct FromService<S>(SharedService<S>);

/// A handler made by [`from_batch_service`].
pub struct FromBatchService<S>(SharedService<S>);

impl<S> Handler for FromService<S>
where
    S: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        match self.0.call(Call { message, context }).await {
            Ok(response) => response.into_outcome(),
            Err(error) => error.outcome(),
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.0.probe().await
    }
}

impl<S> BatchHandler for FromBatchService<S>
where
    S: Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    async fn handle_batch(&self, batch: Batch, context: Context) -> Outcomes {
        match self.0.call(BatchCall { batch, context }).await {
            Ok(response) => response.into_outcomes(),
            Err(error) => error.outcome().into(),
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.0.probe().await
    }
}

impl<S> CallWrapper for FromService<S>
where
    S: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        handle_single(batch, |message, context| self.handle(message, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.probe())
    }
}

impl<S> CallWrapper for FromBatchService<S>
where
    S: Service<BatchCall, Response: IntoOutcomes, Error: Display, Future: Send> + Clone + Send + 'static,
{
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.handle_batch(batch, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.0.probe())
    }
}

/// A service made by [`into_service`]; clones share one handler.
#[derive(Clone, Debug)]
pub struct HandlerService(AnyHandler);

/// A service made by [`into_batch_service`]; clones share one handler.
#[derive(Clone, Debug)]
pub struct BatchHandlerService(AnyHandler);

impl Service<Call> for HandlerService {
    type Response = Outcome;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcome, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Call { message, context }: Call) -> Self::Future {
        let handler = self.0.clone();
        Box::pin(async move { Ok(handler.handle(message, context).await) })
    }
}

impl Service<BatchCall> for BatchHandlerService {
    type Response = Outcomes;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Outcomes, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, BatchCall { batch, context }: BatchCall) -> Self::Future {
        let handler = self.0.clone();
        Box::pin(async move { Ok(handler.call(batch, context).await) })
    }
}

/// Clones its service for every call, which is how `tower` services are shared.
///
/// Behind a lock, because many services are `Send` but not `Sync`.
struct SharedService<S>(Mutex<S>);

/// The error of a service that gave no response.
enum ServiceError<E> {
    /// It could not become ready, so the call was not made.
    NotReady(E),
    /// The call failed.
    Failed(E),
}

impl<S: Clone> SharedService<S> {
    fn new(service: S) -> Self {
        Self(Mutex::new(service))
    }

    fn clone_service(&self) -> S {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a clone is ready, and calls it.
    async fn call<R>(&self, request: R) -> Result<S::Response, ServiceError<S::Error>>
    where
        S: Service<R>,
    {
        let mut service = self.clone_service();
        service.ready().await.map_err(ServiceError::NotReady)?;
        service.call(request).await.map_err(ServiceError::Failed)
    }

    /// Waits until a clone is ready, and drops it.
    async fn probe<R>(&self) -> Result<(), String>
    where
        S: Service<R, Error: Display>,
    {
        match self.clone_service().ready().await {
            Ok(_) => Ok(()),
            Err(error) => Err(not_ready(&error)),
        }
    }
}

impl<E: Display> ServiceError<E> {
    fn outcome(self) -> Outcome {
        match self {
            Self::NotReady(error) => Outcome::Down(not_ready(&error)),
            Self::Failed(error) => Outcome::Retry(format!("{error:#}")),
        }
    }
}

fn not_ready(error: &impl Display) -> String {
    format!("the service does not become ready: {error:#}")
}

#[cfg(test)]
mod tests {
    use tower::ServiceBuilder;

    use super::*;
    use crate::{
        handler::{
            Placement,
            any::{ErasedHandler, HandlerProfile},
        },
        message::Wanted,
    };

    /// A built-in handler whose properties are not the defaults.
    struct CustomProfile;

    impl ErasedHandler for CustomProfile {
        fn call(&self, _: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
            Box::pin(async { Outcomes::All(Outcome::Done) })
        }

        fn weigh(&self, _: &Message) -> usize {
            7
        }
    }

    #[test]
    fn a_layer_leaves_placement_wanted_attributes_and_weight_of_its_handler_alone() {
        let profile = HandlerProfile {
            takes: CallSize::Batch,
            placement: Placement::EngineThread,
            wanted: Wanted::Body,
            ..HandlerProfile::default()
        };
        let handler = AnyHandler::built_in(CustomProfile, profile);
        let single = layered(handler.clone(), ServiceBuilder::new());
        let batches = layered_batches(handler, ServiceBuilder::new());
        for layered in [&single, &batches] {
            assert_eq!((layered.wanted(), layered.placement()), (Wanted::Body, Placement::EngineThread));
            assert_eq!(layered.weigh(&Message::new("id", "body")), 7);
        }
        assert_eq!((single.takes(), batches.takes()), (CallSize::One, CallSize::Batch));
    }
}
