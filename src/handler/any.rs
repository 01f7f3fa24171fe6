//! The type-erased handler that the engine calls, and its properties.

use std::{fmt, sync::Arc};

use futures_util::future::{self, BoxFuture, FutureExt as _, TryFutureExt as _};

use super::{
    Batch, BatchHandler, BatchItem, Context, FailureCounter, Handler, Outcome, Outcomes, Unavailable,
};
use crate::{
    message::{Message, Wanted},
    telemetry::MetricScope,
};

/// Any handler behind a pointer; clones share it.
///
/// A [`Handler`] and the built-in kinds convert into it; [`batched`] converts a [`BatchHandler`].
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{self, AnyHandler},
/// };
///
/// let print = handler::from_fn(async |message: Arc<Message>| println!("{}", message.body));
/// let handler = AnyHandler::from(print);
/// # let _ = handler;
/// ```
#[derive(Clone)]
pub struct AnyHandler {
    handler: Arc<dyn ErasedHandler>,
    /// The layers around the handler, the innermost first.
    wrappers: Vec<Arc<dyn CallWrapper>>,
    profile: HandlerProfile,
}

/// The properties of a handler on which its calls depend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandlerProfile {
    /// The number of messages that a call takes.
    pub(crate) takes: CallSize,
    /// The thread that the calls run on.
    pub(crate) placement: Placement,
    /// The parts of each message that a receive asks SQS for.
    pub(crate) wanted: Wanted,
    /// The form of a body that does not come with its message.
    pub(crate) fetched: FetchedForm,
    /// True if a call may wait for an instance to run on; its time limit counts from there, by [`Context::clock`].
    pub(crate) starts_late: bool,
}

/// The form in which a handler takes a body that does not come with its message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FetchedForm {
    /// Text, in memory.
    #[default]
    Text,
    /// A file, which need not be text.
    #[cfg_attr(
        not(any(feature = "exec", feature = "http", feature = "payload")),
        expect(dead_code, reason = "only handlers of these kinds take files")
    )]
    File,
}

/// The number of messages that a handler takes in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallSize {
    /// One message.
    One,
    /// As many as the batch settings allow.
    Batch,
}

/// The thread on which a handler's calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The runtime that started the worker, so that a call that blocks cannot delay a lease.
    CallerRuntime,
    /// The engine's own thread: saves a hop between threads, for handlers that never block for more than a few
    /// milliseconds.
    EngineThread,
}

/// The object behind an [`AnyHandler`]; the built-in kinds implement it directly.
pub(crate) trait ErasedHandler: Send + Sync + 'static {
    /// See [`BatchHandler::handle_batch`]; a handler of [`CallSize::One`] receives batches of one.
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes>;

    /// See [`Handler::probe`]; while the worker is short of resources it tries what a call takes.
    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        future::ready(Ok(())).boxed()
    }

    /// Returns what a call may fail for although the probe succeeds; for `longshore check`, which calls no handler.
    #[cfg(feature = "cli")]
    fn doubt(&self) -> BoxFuture<'_, Option<String>> {
        future::ready(None).boxed()
    }

    /// See [`Handler::close`].
    fn close(&self) -> BoxFuture<'_, ()> {
        future::ready(()).boxed()
    }

    /// The bytes that a message adds to a batch: body and attributes as SQS counts them, unless overridden.
    fn weigh(&self, message: &Message) -> usize {
        message.size_bytes()
    }

    /// Receives the queue's ARN as SQS reports it, before any other call.
    ///
    /// Not called if the worker lacks the permission to read the queue's attributes.
    fn opened(&self, _arn: &str) {}

    /// Notes the most calls that run at once from now on; not called for the concurrency of the start.
    fn concurrency_changed(&self, _concurrency: usize) {}

    /// Registers the handler's own metrics, once and before the first message.
    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        FailureCounter::of_code(scope)
    }
}

/// A layer around the calls of a handler, which the layer owns.
pub(crate) trait CallWrapper: Send + Sync + 'static {
    /// Handles the messages of one call, as a rule by calling the handler.
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes>;

    /// Returns `Err` while the layer itself can take no call; the handler is probed afterwards.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        future::ready(Ok(())).boxed()
    }
}

/// Converts a handler of batches into an [`AnyHandler`].
///
/// A call has as many messages as the consumer's batch options allow.
pub fn batched(handler: impl BatchHandler) -> AnyHandler {
    let profile = HandlerProfile { takes: CallSize::Batch, ..HandlerProfile::default() };
    AnyHandler::built_in(Batched(handler), profile)
}

impl Default for HandlerProfile {
    fn default() -> Self {
        Self {
            takes: CallSize::One,
            placement: Placement::CallerRuntime,
            wanted: Wanted::Everything,
            fetched: FetchedForm::Text,
            starts_late: false,
        }
    }
}

impl<H: Handler> From<H> for AnyHandler {
    fn from(handler: H) -> Self {
        let wanted = if H::BODY_ONLY { Wanted::Body } else { Wanted::Everything };
        Self::built_in(Single(handler), HandlerProfile { wanted, ..HandlerProfile::default() })
    }
}

impl fmt::Debug for AnyHandler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnyHandler").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl AnyHandler {
    /// A built-in handler, with its properties.
    pub(crate) fn built_in(handler: impl ErasedHandler, profile: HandlerProfile) -> Self {
        Self { handler: Arc::new(handler), wrappers: Vec::new(), profile }
    }

    /// Wraps the handler in a layer that makes its calls.
    pub(crate) fn wrapped<W: CallWrapper>(mut self, takes: CallSize, wrap: impl FnOnce(Self) -> W) -> Self {
        let wrapper = Arc::new(wrap(self.clone()));
        self.wrappers.push(wrapper);
        self.profile.takes = takes;
        // A layer may read the body.
        self.profile.fetched = FetchedForm::Text;
        self
    }

    /// Handles the messages of one call; see [`BatchHandler::handle_batch`].
    ///
    /// A handler of single messages must be given a batch of one: it leaves any further message without an outcome.
    pub fn call(&self, mut batch: Batch, mut context: Context) -> BoxFuture<'_, Outcomes> {
        debug_assert!(self.takes() == CallSize::Batch || batch.len() == 1, "a single message a call");
        match self.wrappers.last() {
            None => {
                if !self.profile.starts_late {
                    batch.start_clocks();
                    context.start_clock();
                }
                self.handler.call(batch, context)
            }
            Some(outermost) => outermost.call(batch, context),
        }
    }

    /// Handles one message.
    pub async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        let batch = BatchItem { message, context: context.clone() }.into();
        self.call(batch, context).await.into_single()
    }

    /// Returns `Err` with a reason while the handler can take no message; see [`Handler::probe`].
    pub async fn probe(&self) -> Result<(), String> {
        self.availability().await.map_err(Unavailable::into_reason)
    }

    /// Probes the handler, and distinguishes a handler that is down from a worker that is short of resources.
    pub(crate) async fn availability(&self) -> Result<(), Unavailable> {
        for wrapper in self.wrappers.iter().rev() {
            wrapper.probe().await?;
        }
        self.handler.probe().await
    }

    /// Returns what a call may fail for although the probe succeeds.
    #[cfg(feature = "cli")]
    pub(crate) fn doubt(&self) -> BoxFuture<'_, Option<String>> {
        self.handler.doubt()
    }

    /// Ends the handler's background work; see [`Handler::close`].
    pub fn close(&self) -> BoxFuture<'_, ()> {
        self.handler.close()
    }

    /// The number of messages that a call takes.
    pub(crate) fn takes(&self) -> CallSize {
        self.profile.takes
    }

    /// The bytes that a message adds to a batch.
    #[doc(hidden)]
    pub fn weigh(&self, message: &Message) -> usize {
        self.handler.weigh(message)
    }

    /// Passes the queue's ARN, as SQS reports it, to the handler.
    #[doc(hidden)]
    pub fn opened(&self, arn: &str) {
        self.handler.opened(arn);
    }

    /// Passes a changed concurrency to the handler.
    pub(crate) fn concurrency_changed(&self, concurrency: usize) {
        self.handler.concurrency_changed(concurrency);
    }

    /// Registers the handler's own metrics.
    #[doc(hidden)]
    pub fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        self.handler.register_metrics(scope)
    }

    /// The parts of each message that a receive asks SQS for.
    pub(crate) fn wanted(&self) -> Wanted {
        self.profile.wanted
    }

    /// The form of a body that does not come with its message.
    #[cfg(feature = "payload")]
    pub(crate) fn fetched(&self) -> FetchedForm {
        self.profile.fetched
    }

    /// True if a call may wait for an instance to run on.
    pub(crate) fn starts_late(&self) -> bool {
        self.profile.starts_late
    }

    /// The thread that the calls run on.
    pub(crate) fn placement(&self) -> Placement {
        self.profile.placement
    }

    /// Runs the calls on the engine's thread; only for benchmarks, which compare the two.
    #[doc(hidden)]
    #[must_use]
    pub fn on_engine_thread(mut self) -> Self {
        self.profile.placement = Placement::EngineThread;
        self
    }
}

/// Handles the message of a batch of one; the future, of which there may be very many, has no room for the batch.
pub(super) fn handle_single<'a, F>(
    batch: Batch,
    handle: impl FnOnce(Arc<Message>, Context) -> F,
) -> BoxFuture<'a, Outcomes>
where
    F: Future<Output = Outcome> + Send + 'a,
{
    match batch.into_iter().next() {
        Some(BatchItem { message, context }) => handle(message, context).map(Outcomes::All).boxed(),
        None => future::ready(Outcomes::Each(Vec::new())).boxed(),
    }
}

/// A user's [`Handler`], called with batches of one.
struct Single<H>(H);

impl<H: Handler> ErasedHandler for Single<H> {
    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        handle_single(batch, |message, context| self.0.handle(message, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.0.probe().map_err(Unavailable::from))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }
}

/// A user's [`BatchHandler`].
struct Batched<H>(H);

impl<H: BatchHandler> ErasedHandler for Batched<H> {
    fn call(&self, batch: Batch, context: Context) -> BoxFuture<'_, Outcomes> {
        Box::pin(self.0.handle_batch(batch, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.0.probe().map_err(Unavailable::from))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }
}
