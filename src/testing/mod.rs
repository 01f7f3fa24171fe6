//! Tests of handlers and of whole workers, without a network and without waiting.
//!
//! [`outcome_of`] calls a handler with one message:
//!
//! ```
//! use longshore::{
//!     handler::{self, Outcome},
//!     testing,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let handler = handler::from_json(async |number: u64| if number > 9 { Err("too much") } else { Ok(()) });
//! assert_eq!(testing::outcome_of(&handler, testing::message("7")).await, Outcome::Done);
//! let outcome = testing::outcome_of(&handler, testing::message("10").attempt(3)).await;
//! assert_eq!(outcome, Outcome::Retry("too much".to_owned()));
//! # }
//! ```
//!
//! A [`TestQueue`] is a queue in memory that behaves like SQS, with a whole worker on it. On a paused clock
//! (`#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`) hours of retries take no time:
//!
//! ```
//! use longshore::{handler, testing::TestQueue};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let queue = TestQueue::new().max_receives(3);
//! queue.send("7");
//! queue.send("ten");
//! let worker = queue.start(handler::from_json(async |number: u64| println!("{number}")));
//! queue.emptied().await;
//! assert_eq!(queue.journal.runs_of("7").len(), 1);
//! assert_eq!(queue.journal.runs_of("ten").len(), 3);
//! assert_eq!(queue.dead_letters()[0].body, "ten");
//! worker.drain().await;
//! # }
//! ```
//!
//! Instead of returning an error everything here panics, which fails the test: for a message that SQS would refuse, a
//! worker that cannot start, or a wait that does not end.

mod builders;
mod journal;
mod queue;
mod worker;

pub use self::{
    builders::{TestContext, TestMessage, context, message},
    journal::{HandlerRun, Journal, RunEnd},
    queue::TestQueue,
    worker::TestWorker,
};
use crate::{
    handler::{Batch, BatchHandler, BatchItem, Handler, Outcome},
    message::Message,
};

/// Calls a handler with a message and a context of the same attempt.
///
/// For another context, call [`Handler::handle`] with one from [`context`].
pub async fn outcome_of(handler: &impl Handler, message: impl Into<Message>) -> Outcome {
    let BatchItem { message, context } = item(message.into());
    handler.handle(message, context).await
}

/// Calls a handler with messages in one batch; returns one outcome for each.
///
/// ```
/// use longshore::{
///     handler::{self, Batch, Context, Outcome, Outcomes},
///     testing,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let handler = handler::from_batch_fn(async |batch: Batch, _: Context| {
///     let is_short = |body: &str| if body.len() < 5 { Outcome::Done } else { Outcome::Reject("long".to_owned()) };
///     Outcomes::Each(batch.messages().map(|message| is_short(&message.body)).collect())
/// });
/// let outcomes = testing::outcomes_of(&handler, ["rope", "anchor"].map(testing::message)).await;
/// assert_eq!(outcomes, [Outcome::Done, Outcome::Reject("long".to_owned())]);
/// # }
/// ```
pub async fn outcomes_of<M: Into<Message>>(
    handler: &impl BatchHandler,
    messages: impl IntoIterator<Item = M>,
) -> Vec<Outcome> {
    let items: Vec<_> = messages.into_iter().map(|message| item(message.into())).collect();
    let count = items.len();
    match Batch::new(items) {
        Some(batch) => handler.handle_batch(batch, context().build()).await.spread(count),
        None => Vec::new(),
    }
}

fn item(message: Message) -> BatchItem {
    let context = context().attempt(message.receive_count).build();
    BatchItem { message: message.into(), context }
}
