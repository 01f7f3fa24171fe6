//! Handlers from closures that take the body deserialized from JSON.

use std::{future::Future, marker::PhantomData, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Context, Handler, IntoOutcome, Outcome};
use crate::message::Message;

/// Makes a handler of `async |value: T| …`, with `T` read from the body as JSON.
///
/// A body that cannot be read as `T` is retried, unless [`on_bad_body`](FromJson::on_bad_body) sets another outcome,
/// so that the redrive policy moves it to the DLQ; the reason has the line and column of the error.
///
/// ```
/// use longshore::handler::{self, BadBody};
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// let handler = handler::from_json(|order: Order| async move {
///     if order.id == 0 { Err("order 0 does not exist") } else { Ok(()) }
/// })
/// .on_bad_body(BadBody::Reject);
/// # let _ = handler;
/// ```
pub fn from_json<T, F, A>(function: F) -> FromJson<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    FromJson { function, bad_body: BadBody::default(), value: PhantomData }
}

/// Makes a handler of `async |value: T, message, context| …`, for work that also needs the attributes.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{self, Context},
/// };
///
/// let handler = handler::from_json_with(async |numbers: Vec<u64>, message: Arc<Message>, context: Context| {
///     println!("{numbers:?} of {}, {:?} left", message.id, context.time_left());
/// });
/// # let _ = handler;
/// ```
pub fn from_json_with<T, F, A>(function: F) -> FromJsonWith<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T, Arc<Message>, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    FromJsonWith { function, bad_body: BadBody::default(), value: PhantomData }
}

/// The outcome of a body that cannot be parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadBody {
    /// It is tried again: a newer version of the program may be able to read it.
    #[default]
    Retry,
    /// It goes to the DLQ at once, like [`Outcome::Reject`].
    Reject,
}

impl BadBody {
    fn outcome(self, reason: String) -> Outcome {
        match self {
            Self::Retry => Outcome::Retry(reason),
            Self::Reject => Outcome::Reject(reason),
        }
    }

    fn read<T: DeserializeOwned>(self, body: &str) -> Result<T, Outcome> {
        serde_json::from_str(body).map_err(|error| self.outcome(bad_body_reason(&error)))
    }
}

/// A handler made by [`from_json`].
pub struct FromJson<T, F> {
    function: F,
    bad_body: BadBody,
    value: PhantomData<fn(T)>,
}

impl<T, F> FromJson<T, F> {
    /// Sets the outcome of a body that cannot be read (default: a retry).
    #[must_use]
    pub fn on_bad_body(self, bad_body: BadBody) -> Self {
        Self { bad_body, ..self }
    }
}

impl<T, F, A> Handler for FromJson<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    const BODY_ONLY: bool = true;

    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        match self.bad_body.read(&message.body) {
            Ok(value) => (self.function)(value).await.into_outcome(),
            Err(outcome) => outcome,
        }
    }
}

/// A handler made by [`from_json_with`].
pub struct FromJsonWith<T, F> {
    function: F,
    bad_body: BadBody,
    value: PhantomData<fn(T)>,
}

impl<T, F> FromJsonWith<T, F> {
    /// Sets the outcome of a body that cannot be read (default: a retry).
    #[must_use]
    pub fn on_bad_body(self, bad_body: BadBody) -> Self {
        Self { bad_body, ..self }
    }
}

impl<T, F, A> Handler for FromJsonWith<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T, Arc<Message>, Context) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        match self.bad_body.read(&message.body) {
            Ok(value) => (self.function)(value, message, context).await.into_outcome(),
            Err(outcome) => outcome,
        }
    }
}

/// Describes the error and its position without serde's message, which quotes the body: reasons are logged.
fn bad_body_reason(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        Category::Io | Category::Syntax => "not json",
        Category::Eof => "json that ends too early",
        Category::Data => "json of another shape than expected",
    };
    format!("the body is {kind}: line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;

    async fn outcome_of(handler: impl Handler, body: &str) -> Outcome {
        let context = Context::new("q".into(), Instant::now(), CancellationToken::new());
        handler.handle(Arc::new(Message::new("1", body)), context).await
    }

    #[tokio::test]
    async fn json_is_read_into_the_closures_type() {
        let handler = from_json(async |numbers: Vec<u8>| assert_eq!(numbers, [1, 2]));
        assert_eq!(outcome_of(handler, "[1,2]").await, Outcome::Done);
    }

    #[tokio::test]
    async fn the_message_and_the_context_come_with_the_value() {
        let handler = from_json_with(async |number: u8, message: Arc<Message>, context: Context| {
            assert_eq!((number, message.id.as_str(), &*context.queue), (7, "1", "q"));
        });
        assert_eq!(outcome_of(handler, "7").await, Outcome::Done);
    }

    #[tokio::test]
    async fn a_reason_never_quotes_the_body() {
        let handler = from_json(async |_: u64| ());
        let Outcome::Retry(reason) = outcome_of(handler, "\"secret\"").await else { panic!("not a retry") };
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[tokio::test]
    async fn a_body_that_is_not_the_expected_json_is_retried_with_its_position() {
        let handler = from_json(async |_: Vec<u8>| ());
        let Outcome::Retry(reason) = outcome_of(handler, "[1,").await else { panic!("not a retry") };
        assert!(reason.contains("column 3"), "{reason}");
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_read_is_rejected_if_configured() {
        let plain = from_json(async |_: u8| ()).on_bad_body(BadBody::Reject);
        assert!(matches!(outcome_of(plain, "[").await, Outcome::Reject(_)));
        let with = from_json_with(async |_: u8, _: Arc<Message>, _: Context| ()).on_bad_body(BadBody::Reject);
        assert!(matches!(outcome_of(with, "[").await, Outcome::Reject(_)));
    }
}
