//! Handlers made of closures.

use std::{future::Future, marker::PhantomData, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Context, Handler, IntoOutcome, Outcome};
use crate::message::{Message, Wanted};

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

/// Makes a handler of `async |value: T| …`, with `T` read from the body as JSON.
///
/// A body that cannot be read as `T` is retried, so that the redrive policy moves it to the DLQ; the
/// reason names the place in the JSON.
///
/// ```
/// use longshore::handler;
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// let handler = handler::from_json(|order: Order| async move {
///     if order.id == 0 { Err("order 0 does not exist") } else { Ok(()) }
/// });
/// # let _ = handler;
/// ```
pub fn from_json<T, F, A>(function: F) -> FromJson<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    FromJson { function, value: PhantomData }
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

/// A handler made by [`from_json`].
pub struct FromJson<T, F> {
    function: F,
    value: PhantomData<fn(T)>,
}

impl<T, F, A> Handler for FromJson<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Fn(T) -> A + Send + Sync + 'static,
    A: Future<Output: IntoOutcome> + Send,
{
    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        match serde_json::from_str(&message.body) {
            Ok(value) => (self.function)(value).await.into_outcome(),
            Err(error) => Outcome::Retry(not_the_json(&error)),
        }
    }

    fn wanted(&self) -> Wanted {
        Wanted::Body
    }
}

/// Says where and how the JSON is wrong, but not in serde's words: they quote the body, and reasons are logged.
fn not_the_json(error: &serde_json::Error) -> String {
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
    use crate::message::{MessageId, Receipt, SystemAttributes};

    fn message(body: &str) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::new("1"),
            receipt: Receipt::new("r"),
            body: body.to_owned(),
            receive_count: 1,
            sent_at: None,
            attributes: std::collections::BTreeMap::new(),
            system: SystemAttributes::default(),
        })
    }

    async fn outcome_of(handler: impl Handler, body: &str) -> Outcome {
        let context = Context::new("q".into(), Instant::now(), CancellationToken::new());
        handler.handle(message(body), context).await
    }

    #[tokio::test]
    async fn an_error_is_a_retry_with_its_words() {
        let handler = from_fn(async |_: Arc<Message>| Err::<(), _>("no such customer"));
        assert_eq!(outcome_of(handler, "").await, Outcome::Retry("no such customer".to_owned()));
    }

    #[tokio::test]
    async fn json_is_read_into_the_closures_type() {
        let handler = from_json(async |numbers: Vec<u8>| assert_eq!(numbers, [1, 2]));
        assert_eq!(outcome_of(handler, "[1,2]").await, Outcome::Done);
    }

    #[tokio::test]
    async fn a_reason_never_quotes_the_body() {
        let handler = from_json(async |_: u64| ());
        let Outcome::Retry(reason) = outcome_of(handler, "\"secret\"").await else { panic!("not a retry") };
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[tokio::test]
    async fn a_body_that_is_not_the_json_is_retried_and_says_where() {
        let handler = from_json(async |_: Vec<u8>| ());
        let Outcome::Retry(reason) = outcome_of(handler, "[1,").await else { panic!("not a retry") };
        assert!(reason.contains("column 3"), "{reason}");
    }
}
