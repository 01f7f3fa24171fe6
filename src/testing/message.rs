//! Messages for tests, as SQS would deliver them or to be sent.

use std::sync::Arc;

use uuid::Uuid;

use crate::message::{AttributeValue, Message, MessageId, OutgoingMessage};

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

/// A message that is being built, to be handled or to be sent.
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
        Self {
            body: message.body,
            attributes: message.attributes,
            delay: None,
            group_id: message.system.group_id,
            deduplication_id: message.system.deduplication_id,
            trace_header: message.system.trace_header,
        }
    }
}
