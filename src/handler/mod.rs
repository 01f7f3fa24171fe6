//! Handlers: the traits, the outcomes, and the built-in kinds.

mod any;
mod call_clock;
#[cfg(any(feature = "exec", feature = "http", feature = "lambda"))]
mod call_trace;
#[cfg(feature = "admin")]
mod conditions;
mod context;
#[cfg(feature = "exec")]
pub mod exec;
mod from_fn;
mod from_json;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "lambda")]
pub mod lambda;
pub(crate) mod metrics;
mod outcome;
#[cfg(feature = "cli")]
mod route;
#[cfg(feature = "tower")]
mod services;
#[cfg(feature = "cli")]
mod settings;
#[cfg(feature = "sns")]
pub mod sns;
#[cfg(any(feature = "http", feature = "lambda"))]
mod sqs_event;
#[cfg(any(feature = "exec", feature = "http"))]
mod timestamp;

use std::{future::Future, ops::Deref, sync::Arc};

use crate::message::Message;

#[cfg(feature = "payload")]
pub(crate) use self::any::FetchedForm;
pub(crate) use self::call_clock::CallClock;
#[cfg(feature = "admin")]
pub(crate) use self::conditions::Conditions;
#[cfg(feature = "tower")]
pub use self::services::{
    BatchCall, BatchHandlerService, Call, FromBatchService, FromService, HandlerService, from_batch_service,
    from_service, into_batch_service, into_service, layered, layered_batches,
};
#[cfg(any(feature = "http", feature = "lambda"))]
pub use self::sqs_event::Source;
pub use self::{
    any::{AnyHandler, batched},
    context::Context,
    from_fn::{FromBatchFn, FromFn, FromFnWith, from_batch_fn, from_fn, from_fn_with},
    from_json::{BadBody, FromJson, FromJsonWith, from_json, from_json_with},
    outcome::{IntoOutcome, IntoOutcomes, Outcome, Outcomes},
};
pub(crate) use self::{
    any::{CallSize, CallWrapper, Placement},
    context::{CallContext, LeaseTime},
    metrics::{FailureCounter, with_cause},
    outcome::Unavailable,
};
#[cfg(feature = "cli")]
pub(crate) use self::{
    route::{Routes, RoutingHandler},
    settings::Settings,
};

/// The user's work: one call per message.
///
/// # Contract
///
/// - The message stays hidden from every other consumer for as long as the call runs, hours if need be.
/// - The future is dropped at the time limit, and a second after the lease is lost or the drain limit is over.
///   [`Context::cancelled`] fires first, so that the call can clean up and stop what it has spawned.
/// - A panic is caught and counts as a retry.
/// - SQS delivers at least once: the same message may come again even after [`Outcome::Done`], so the work
///   should be safe to repeat.
/// - Up to `concurrency` calls run at once, on the runtime that the worker was started on.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{Context, Handler, Outcome},
/// };
///
/// struct Print;
///
/// impl Handler for Print {
///     async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
///         println!("{} (attempt {})", message.body, context.attempt);
///         Outcome::Done
///     }
/// }
/// # let _ = longshore::handler::AnyHandler::from(Print);
/// ```
pub trait Handler: Send + Sync + 'static {
    /// True for a handler that reads only the body of a message, so that receives ask SQS for nothing else.
    #[doc(hidden)]
    const BODY_ONLY: bool = false;

    /// Does the work for one message and returns its outcome.
    fn handle(&self, message: Arc<Message>, context: Context) -> impl Future<Output = Outcome> + Send;

    /// Returns `Err` with a short reason while the handler can take no message.
    ///
    /// Called before the first receive, and repeatedly while polling is paused by [`Outcome::Down`] or
    /// [`Outcome::ShortOfResources`]: polling starts or resumes with the first `Ok`.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the handler's background work, such as its own processes.
    ///
    /// Called once, at the end of a stop, when no call runs and every outcome is settled; it has a few seconds.
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// The user's work on several messages a call, with an outcome for each of them.
///
/// [`batched`] converts it into an [`AnyHandler`].
///
/// # Contract
///
/// As for [`Handler`], and:
///
/// - `context` belongs to the call: it is cancelled when the leases of all its messages are lost, or when the drain
///   limit is near. [`BatchItem::context`] belongs to one message.
/// - A panic, and a call that takes too long, is a retry of the whole batch, and of no other message.
/// - On a FIFO queue the messages of a group are in the group's order. After the first of a group that is not done or
///   rejected, the later ones of that group come again, whatever their outcomes.
pub trait BatchHandler: Send + Sync + 'static {
    /// Does the work for the messages and returns an outcome for each.
    fn handle_batch(&self, batch: Batch, context: Context) -> impl Future<Output = Outcomes> + Send;

    /// Returns `Err` with a short reason while the handler can take no message; see [`Handler::probe`].
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the handler's background work; see [`Handler::close`].
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// One message of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchItem {
    /// The message.
    pub message: Arc<Message>,
    /// The message's own attempt and lease, and a cancellation that fires when that lease is lost.
    pub context: Context,
}

impl BatchItem {
    /// A message with its own context.
    pub fn new(message: impl Into<Arc<Message>>, context: Context) -> Self {
        Self { message: message.into(), context }
    }
}

/// The messages of one call, in the order of their receives; never empty.
///
/// The messages of one FIFO group are in the group's order.
#[derive(Clone, Debug)]
pub struct Batch(Vec<BatchItem>);

impl Batch {
    /// A batch of these messages; `None` if there are none.
    pub fn new(items: Vec<BatchItem>) -> Option<Self> {
        (!items.is_empty()).then_some(Self(items))
    }

    /// Starts the clocks of a call that waits for nothing.
    fn start_clocks(&mut self) {
        for item in &mut self.0 {
            item.context.start_clock();
        }
    }

    /// The messages alone.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &Arc<Message>> {
        self.0.iter().map(|item| &item.message)
    }
}

impl From<BatchItem> for Batch {
    fn from(item: BatchItem) -> Self {
        Self(vec![item])
    }
}

impl Deref for Batch {
    type Target = [BatchItem];

    fn deref(&self) -> &[BatchItem] {
        &self.0
    }
}

impl IntoIterator for Batch {
    type Item = BatchItem;
    type IntoIter = std::vec::IntoIter<BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a BatchItem;
    type IntoIter = std::slice::Iter<'a, BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
