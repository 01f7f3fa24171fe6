//! Services as handlers.

use std::{fmt::Display, sync::Arc};

use tower::Service;

use super::{BatchCall, Call, CallError, Shared, not_ready};
use crate::{
    handler::{Batch, BatchHandler, Context, Handler, IntoOutcome, IntoOutcomes, Outcome, Outcomes},
    message::Message,
};

/// Makes a handler of a service, which answers what [`IntoOutcome`] takes.
///
/// - Every call is made on a clone of its own. Whatever is to hold for all calls together (a rate limit, a limit of
///   calls at once) must be shared by the clones, as `Buffer` and `ConcurrencyLimit` share it.
/// - A service that is not ready makes its message wait, with the lease kept, the slot taken and the time limit
///   running: back-pressure reaches the queue as fewer receives.
/// - An error of `poll_ready` is [`Outcome::Down`]: the message did not run, and polling pauses until a clone becomes
///   ready. An error of the call is a retry in the error's words.
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
    FromService(Shared::new(service))
}

/// The same of a service that takes several messages a call, for [`batched`](crate::handler::batched).
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
    FromBatchService(Shared::new(service))
}

/// A handler made by [`from_service`].
pub struct FromService<S>(Shared<S>);

/// A handler made by [`from_batch_service`].
pub struct FromBatchService<S>(Shared<S>);

impl<S> Handler for FromService<S>
where
    S: Service<Call, Response: IntoOutcome, Error: Display, Future: Send> + Clone + Send + 'static,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        match self.0.call(Call { message, context }).await {
            Ok(answer) => answer.into_outcome(),
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
            Ok(answer) => answer.into_outcomes(),
            Err(error) => error.outcome().into(),
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.0.probe().await
    }
}

impl<E: Display> CallError<E> {
    fn outcome(self) -> Outcome {
        match self {
            Self::NotReady(error) => Outcome::Down(not_ready(&error)),
            Self::Failed(error) => Outcome::Retry(format!("{error:#}")),
        }
    }
}
