//! Handlers that take several messages a call.

use std::{fmt::Display, future::Future};

use super::{Batch, Context, FailureCounter, IntoOutcome, Outcome, Outcomes, Placement};
use crate::{
    message::{Message, Wanted},
    telemetry::MetricScope,
};

/// The user's work on several messages a call, which says of each how it ended.
///
/// # Contract
///
/// As that of [`Handler`](super::Handler), and:
///
/// - `context` is that of the call: it is cancelled when the leases of all its messages are lost, or when the drain
///   limit is near. [`BatchItem::context`](super::BatchItem::context) is that of one message.
/// - A panic, and a call that takes too long, is a retry of the whole batch, and of no other message.
/// - On a FIFO queue the messages of a group stand in the group's order. After the first of a group that is not done or
///   rejected, the later ones of that group come again, whatever is said of them.
pub trait BatchHandler: Send + Sync + 'static {
    /// Does the work for the messages and says how it ended for each.
    fn handle_batch(&self, batch: Batch, context: Context) -> impl Future<Output = Outcomes> + Send;

    /// What a message weighs in bytes towards the most that a batch may: body and attributes as SQS counts them.
    fn weigh(&self, message: &Message) -> usize {
        message.size_bytes()
    }

    /// See [`Handler::opened`](super::Handler::opened).
    fn opened(&self, _arn: &str) {}

    /// See [`Handler::register_metrics`](super::Handler::register_metrics).
    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        FailureCounter::of_code(scope)
    }

    /// See [`Handler::probe`](super::Handler::probe).
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// See [`Handler::close`](super::Handler::close).
    fn close(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// See [`Handler::wanted`](super::Handler::wanted).
    fn wanted(&self) -> Wanted {
        Wanted::Everything
    }

    /// See [`Handler::placement`](super::Handler::placement).
    fn placement(&self) -> Placement {
        Placement::Caller
    }
}

/// What a closure may answer for a batch: [`Outcomes`], a `Result` of them, or what [`IntoOutcome`] takes, for all
/// messages alike.
pub trait IntoOutcomes {
    /// The outcomes meant by the answer.
    fn into_outcomes(self) -> Outcomes;
}

impl IntoOutcomes for Outcomes {
    fn into_outcomes(self) -> Outcomes {
        self
    }
}

/// `Err` is a retry of every message, with the error's words as the reason.
impl<E: Display> IntoOutcomes for Result<Outcomes, E> {
    fn into_outcomes(self) -> Outcomes {
        self.unwrap_or_else(|error| Outcomes::All(Outcome::Retry(format!("{error:#}"))))
    }
}

impl<A: IntoOutcome> IntoOutcomes for A {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::All(self.into_outcome())
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
