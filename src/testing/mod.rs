//! Tests of handlers and of whole workers, without a network and without waiting.
//!
//! A handler alone is given a message, and says how it ended:
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
//! A whole worker is a [`Scene`]: a queue in memory with the semantics of SQS, and a worker on it. On a paused clock
//! (`#[tokio::test(start_paused = true)]`, with tokio's feature `test-util`) hours of retries take no time:
//!
//! ```
//! use longshore::{handler, testing::Scene};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let scene = Scene::new().max_receives(3);
//! scene.send("7");
//! scene.send("ten");
//! let worker = scene.start(handler::from_json(async |number: u64| println!("{number}")));
//! scene.emptied().await;
//! assert_eq!(scene.journal.runs_of("7").len(), 1);
//! assert_eq!(scene.journal.runs_of("ten").len(), 3);
//! assert_eq!(scene.dead_letters()[0].body, "ten");
//! worker.drain().await;
//! # }
//! ```
//!
//! Whatever cannot be panics, and so fails its test: a message that SQS would not take, a worker that cannot start, a
//! wait for what does not come.

mod context;
mod journal;
mod message;
mod patience;
mod running;
mod scene;

pub use self::{
    context::{TestContext, context},
    journal::{End, Journal, Run},
    message::{TestMessage, message},
    running::Running,
    scene::Scene,
};
use crate::{
    handler::{Batch, BatchHandler, BatchItem, Handler, Outcome},
    message::Message,
};

/// Has a handler handle a message, in circumstances that fit it.
///
/// For others call [`Handler::handle`] with a [`context`] of your own.
pub async fn outcome_of(handler: &impl Handler, message: impl Into<Message>) -> Outcome {
    let BatchItem { message, context } = item(message.into());
    handler.handle(message, context).await
}

/// Has a handler handle messages in one batch; answers one outcome for each.
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
