//! Builders of messages and contexts for calls of a handler.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    handler::Context,
    message::{AttributeValue, Message, MessageId, OutgoingMessage},
};

/// A message with this body, as its first receive would return it.
///
/// ```
/// use longshore::{Message, testing};
///
/// let message: Message = testing::message("{}").attribute("kind", "gift").group("customer-7").attempt(3).into();
/// assert_eq!(message.attributes["kind"].text(), Some("gift"));
/// assert_eq!(message.receive_count, 3);
/// ```
pub fn message(body: impl Into<String>) -> TestMessage {
    TestMessage(Message::new(Uuid::new_v4().to_string(), body))
}

/// Builds a message to handle or to send.
#[derive(Clone, Debug)]
pub struct TestMessage(Message);

impl TestMessage {
    /// Sets the id (default: random); without effect on a message that is sent.
    #[must_use]
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.0.id = MessageId::new(id);
        self
    }

    /// Adds an attribute of type `String`.
    #[must_use]
    pub fn attribute(self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.attribute_value(name, AttributeValue::string(text))
    }

    /// Adds an attribute of any type.
    #[must_use]
    pub fn attribute_value(mut self, name: impl Into<String>, value: AttributeValue) -> Self {
        self.0.attributes.insert(name.into(), value);
        self
    }

    /// Sets the FIFO group, or the tenant on a standard queue.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.0.system.group_id = Some(group.into());
        self
    }

    /// Sets the deduplication id of a FIFO queue; without one, a [`TestQueue`](super::TestQueue) deduplicates by the body.
    #[must_use]
    pub fn deduplication_id(mut self, id: impl Into<String>) -> Self {
        self.0.system.deduplication_id = Some(id.into());
        self
    }

    /// Sets the receive count (1), this receive included; without effect on a message that is sent.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.0.receive_count = attempt;
        self
    }

    /// The message, whose fields can be changed further.
    pub fn build(self) -> Message {
        self.0
    }
}

impl From<TestMessage> for Message {
    fn from(message: TestMessage) -> Self {
        message.0
    }
}

impl From<TestMessage> for Arc<Message> {
    fn from(message: TestMessage) -> Self {
        message.0.into()
    }
}

impl From<TestMessage> for OutgoingMessage {
    fn from(TestMessage(message): TestMessage) -> Self {
        let system = message.system.into_inner();
        Self {
            body: message.body,
            attributes: message.attributes,
            delay: None,
            group_id: system.group_id,
            deduplication_id: system.deduplication_id,
            trace_header: system.trace_header,
        }
    }
}

/// The context of a first attempt on the queue `orders`, with a lease of 30 s and no time limit.
///
/// ```
/// use std::sync::Arc;
///
/// use longshore::{
///     Message,
///     handler::{self, Context, Handler as _, Outcome},
///     testing,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let handler = handler::from_fn_with(async |_: Arc<Message>, context: Context| {
///     if context.is_cancelled() { Err("cancelled") } else { Ok(()) }
/// });
/// let context = testing::context().cancelled().build();
/// let outcome = handler.handle(testing::message("{}").into(), context).await;
/// assert_eq!(outcome, Outcome::Retry("cancelled".to_owned()));
/// # }
/// ```
pub fn context() -> TestContext {
    TestContext {
        queue: "orders".into(),
        attempt: 1,
        last_attempt: None,
        lease: Duration::from_secs(30),
        time_limit: None,
        cancellation: CancellationToken::new(),
    }
}

/// Builds a context.
#[derive(Clone, Debug)]
pub struct TestContext {
    queue: Arc<str>,
    attempt: u32,
    last_attempt: Option<NonZeroU32>,
    lease: Duration,
    time_limit: Option<Duration>,
    cancellation: CancellationToken,
}

impl TestContext {
    /// Sets the queue's name.
    #[must_use]
    pub fn queue(self, queue: impl Into<Arc<str>>) -> Self {
        Self { queue: queue.into(), ..self }
    }

    /// Sets the number of the attempt.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Sets the number of the last attempt before the DLQ; 0 for none.
    #[must_use]
    pub fn last_attempt(self, last_attempt: u32) -> Self {
        Self { last_attempt: NonZeroU32::new(last_attempt), ..self }
    }

    /// Sets the remaining time of the lease, from the call of `build` on.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Sets the time limit, from the call of `build` on; nothing enforces it.
    #[must_use]
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit: Some(time_limit), ..self }
    }

    /// Cancels the call.
    #[must_use]
    pub fn cancelled(self) -> Self {
        self.cancellation.cancel();
        self
    }

    /// Cancels the call when this token is cancelled.
    #[must_use]
    pub fn cancellation(self, cancellation: CancellationToken) -> Self {
        Self { cancellation, ..self }
    }

    /// Builds the context; its lease and time limit begin now.
    pub fn build(self) -> Context {
        let now = Instant::now();
        let deadline = self.time_limit.map(|limit| now + limit);
        Context::new(self.queue, now + self.lease, self.cancellation)
            .with_attempt(self.attempt)
            .with_last_attempt(self.last_attempt)
            .with_deadline(deadline)
    }
}

impl From<TestContext> for Context {
    fn from(context: TestContext) -> Self {
        context.build()
    }
}
