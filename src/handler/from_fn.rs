//! Handlers from closures that take the whole message.

use std::{future::Future, sync::Arc};

use super::{Batch, BatchHandler, Context, Handler, IntoOutcome, IntoOutcomes, Outcome, Outcomes};
use crate::message::Message;

/// Makes a handler of `async |message| …`, which answers `()`, an [`Outcome`] or a `Result` of either.
///
/// ```
/// use longshore::handler;
///
/// let handler = handler::from_fn(|message: std::sync::Arc<longshore::Message>| async move {
///     println!("{}", message.body);
/// });
/// # let _ = handler;
/// ```
pub fn from_fn<F, A>(function: F) -> FromFn<F>
where
    F: Fn(Arc<Message>) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    FromFn(function)
}

/// Makes a handler of `async |message, context| …`, for long work that ends early when it is cancelled.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{self, Context},
/// };
///
/// let handler = handler::from_fn_with(async |message: Arc<Message>, context: Context| {
///     for line in message.body.lines() {
///         if context.is_cancelled() {
///             return Err("stopped");
///         }
///         println!("{line}");
///     }
///     Ok(())
/// });
/// # let _ = handler;
/// ```
pub fn from_fn_with<F, A>(function: F) -> FromFnWith<F>
where
    F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    FromFnWith(function)
}

/// A handler made by [`from_fn`].
pub struct FromFn<F>(F);

impl<F, A> Handler for FromFn<F>
where
    F: Fn(Arc<Message>) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        (self.0)(message).await.into_outcome()
    }
}

/// A handler made by [`from_fn_with`].
pub struct FromFnWith<F>(F);

impl<F, A> Handler for FromFnWith<F>
where
    F: Fn(Arc<Message>, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        (self.0)(message, context).await.into_outcome()
    }
}

/// Makes a batch handler of `async |batch, context| …`, which answers [`Outcomes`] or one outcome for all.
///
/// ```
/// use longshore::handler::{self, Batch, Context, Outcome, Outcomes};
///
/// let handler = handler::from_batch_fn(async |batch: Batch, _: Context| {
///     let each = batch.messages().map(|message| match message.body.parse::<u32>() {
///         Ok(_) => Outcome::Done,
///         Err(error) => Outcome::Reject(error.to_string()),
///     });
///     Outcomes::Each(each.collect())
/// });
/// # let _ = handler;
/// ```
pub fn from_batch_fn<F, A>(function: F) -> FromBatchFn<F>
where
    F: Fn(Batch, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcomes> + Send,
{
    FromBatchFn(function)
}

/// A batch handler made by [`from_batch_fn`].
pub struct FromBatchFn<F>(F);

impl<F, A> BatchHandler for FromBatchFn<F>
where
    F: Fn(Batch, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcomes> + Send,
{
    async fn handle_batch(&self, batch: Batch, context: Context) -> Outcomes {
        (self.0)(batch, context).await.into_outcomes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn outcome_of(handler: impl Handler, cancellation: CancellationToken) -> Outcome {
        let context = Context::new("q".into(), Instant::now(), cancellation);
        handler.handle(Arc::new(Message::new("1", "body")), context).await
    }

    #[tokio::test]
    async fn an_error_is_a_retry_with_its_message() {
        let handler = from_fn(async |_: Arc<Message>| Err::<(), _>("no such customer"));
        let outcome = outcome_of(handler, CancellationToken::new()).await;
        assert_eq!(outcome, Outcome::Retry("no such customer".to_owned()));
    }

    #[tokio::test]
    async fn a_closure_with_the_context_can_wait_for_its_cancellation() {
        let cancellation = CancellationToken::new();
        cancellation.cancel();
        let handler = from_fn_with(async |message: Arc<Message>, context: Context| {
            context.cancelled().await;
            assert_eq!(message.body, "body");
        });
        assert_eq!(outcome_of(handler, cancellation).await, Outcome::Done);
    }
}
