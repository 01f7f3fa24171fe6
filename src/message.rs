//! Messages, their attributes and ids.

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    fmt, fs,
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// The id SQS gave a message when it was sent; the same in every receive.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// Wraps an id as SQS spells it.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as SQS spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Borrow<str> for MessageId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The receipt handle of one receive, which deletes a message or changes its visibility.
///
/// It works like a credential: `Debug` hides it and it is never logged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Receipt(Arc<str>);

impl Receipt {
    /// Wraps a receipt handle as SQS spells it.
    pub fn new(handle: impl Into<Arc<str>>) -> Self {
        Self(handle.into())
    }

    /// The handle as SQS spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Receipt(…)")
    }
}

/// One message as one receive returned it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The id, the same in every receive.
    pub id: MessageId,
    /// The handle of this receive.
    pub receipt: Receipt,
    /// The body, exactly as it was sent.
    pub body: String,
    /// The file that has the body instead; only for handlers that take one.
    pub(crate) body_file: Option<Arc<BodyFile>>,
    /// The number of receives of the message, this one included (`ApproximateReceiveCount`).
    pub receive_count: u32,
    /// When the message was sent (`SentTimestamp`).
    pub sent_at: Option<SystemTime>,
    /// The user's attributes; empty if the handler reads only bodies.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// SQS's own attributes of the message; empty if the handler reads only bodies.
    pub system: OptionalSystemAttributes,
}

impl Message {
    /// A message as its first receive would return it, for tests of handlers; change the fields as needed.
    ///
    /// ```
    /// let mut message = longshore::Message::new("5fea7756-0ea4-451a-a703-a558b933e274", "{}");
    /// message.receive_count = 3;
    /// ```
    pub fn new(id: impl Into<Arc<str>>, body: impl Into<String>) -> Self {
        let id = MessageId::new(id);
        Self {
            receipt: Receipt::new(format!("receipt of {id}")),
            id,
            body: body.into(),
            body_file: None,
            receive_count: 1,
            sent_at: None,
            attributes: BTreeMap::new(),
            system: OptionalSystemAttributes::default(),
        }
    }

    /// The size in bytes as SQS counts it: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + sizes_bytes(&self.attributes)
    }

    /// The size in bytes of the body, wherever it is.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_file.as_ref().map_or(self.body.len() as u64, |file| file.bytes)
    }

    /// The time since it was sent, where that is known.
    ///
    /// Zero if this clock is behind SQS's, so that messages which did not wait are still measured.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.age_at(SystemTime::now())
    }

    /// The time since it was sent, at this time.
    pub(crate) fn age_at(&self, now: SystemTime) -> Option<Duration> {
        self.sent_at.map(|sent_at| now.duration_since(sent_at).unwrap_or_default())
    }
}

fn sizes_bytes(attributes: &BTreeMap<String, AttributeValue>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// A file with a body; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct BodyFile {
    path: PathBuf,
    bytes: u64,
}

impl BodyFile {
    /// Takes over a file of this size.
    #[cfg(any(test, feature = "payload"))]
    pub(crate) fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// The path.
    #[cfg(any(feature = "exec", feature = "http"))]
    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The size in bytes.
    #[cfg(feature = "http")]
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        // It may be gone already, and is removed with its directory at the latest.
        drop(fs::remove_file(&self.path));
    }
}

/// The parts of a message that a receive asks SQS for.
///
/// Other parts are neither sent, parsed nor stored: a handler that reads only the body
/// saves about a third of the memory of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The ids, the body, the receive count, the time of sending and the message group.
    Body,
    /// Those of [`Wanted::Body`], the user's attributes and every system attribute.
    #[default]
    Everything,
}

/// The value of one message attribute with its data type.
///
/// The type is `String`, `Number` or `Binary`, with an optional suffix of the user's (`Number.int`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeValue {
    /// `String`, `Number` or `Binary`, with the user's suffix, if any.
    pub data_type: String,
    /// The value itself.
    pub content: AttributeContent,
}

impl AttributeValue {
    /// A value of type `String`.
    pub fn string(text: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), content: AttributeContent::Text(text.into()) }
    }

    /// A value of type `Number`, in SQS's notation.
    pub fn number(digits: impl Into<String>) -> Self {
        Self { data_type: "Number".to_owned(), content: AttributeContent::Text(digits.into()) }
    }

    /// A value of type `Binary`.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self { data_type: "Binary".to_owned(), content: AttributeContent::Bytes(bytes.into()) }
    }

    /// The text of a `String` or `Number` value.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            AttributeContent::Text(text) => Some(text),
            AttributeContent::Bytes(_) => None,
        }
    }

    /// The size in bytes that SQS counts towards the message: the data type and the value.
    pub fn size_bytes(&self) -> usize {
        let content_bytes = match &self.content {
            AttributeContent::Text(text) => text.len(),
            AttributeContent::Bytes(bytes) => bytes.len(),
        };
        self.data_type.len() + content_bytes
    }
}

/// The two ways SQS carries an attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeContent {
    /// `StringValue`, for `String` and `Number`.
    Text(String),
    /// `BinaryValue`, for `Binary`.
    Bytes(Vec<u8>),
}

/// The system attributes of a received message, each present only when SQS sent it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemAttributes {
    /// `SenderId`: the principal that sent the message.
    pub sender_id: Option<String>,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: Option<SystemTime>,
    /// `MessageGroupId`: the FIFO group, or the tenant on a standard queue.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`, FIFO queues only.
    pub deduplication_id: Option<String>,
    /// `SequenceNumber`, FIFO queues only.
    pub sequence_number: Option<String>,
    /// `AWSTraceHeader`, in X-Ray's format.
    pub trace_header: Option<String>,
    /// `DeadLetterQueueSourceArn`: the queue a redrive policy moved the message from.
    pub dead_letter_source_arn: Option<String>,
}

impl SystemAttributes {
    /// Those of a message for which SQS sent none.
    const NONE: Self = Self {
        sender_id: None,
        first_received_at: None,
        group_id: None,
        deduplication_id: None,
        sequence_number: None,
        trace_header: None,
        dead_letter_source_arn: None,
    };
}

/// The system attributes of a message, which needs no memory for them while it has none.
///
/// It is used like [`SystemAttributes`]: `message.system.group_id` reads one, and an assignment sets it.
#[derive(Clone, Default)]
pub struct OptionalSystemAttributes(Option<Box<SystemAttributes>>);

impl OptionalSystemAttributes {
    /// The attributes themselves.
    pub fn into_inner(self) -> SystemAttributes {
        self.0.map_or(SystemAttributes::NONE, |some| *some)
    }
}

impl From<SystemAttributes> for OptionalSystemAttributes {
    fn from(attributes: SystemAttributes) -> Self {
        Self((attributes != SystemAttributes::NONE).then(|| Box::new(attributes)))
    }
}

impl Deref for OptionalSystemAttributes {
    type Target = SystemAttributes;

    fn deref(&self) -> &SystemAttributes {
        self.0.as_deref().unwrap_or(&SystemAttributes::NONE)
    }
}

impl DerefMut for OptionalSystemAttributes {
    fn deref_mut(&mut self) -> &mut SystemAttributes {
        self.0.get_or_insert_default()
    }
}

impl fmt::Debug for OptionalSystemAttributes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

/// A message to be sent.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OutgoingMessage {
    /// The body; SQS takes 1 byte to 1 MiB, attributes included, of XML 1.0 characters.
    pub body: String,
    /// The user's attributes, ten at most.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The delay before the message becomes visible, whole seconds up to 900; `None` leaves it to the queue.
    pub delay: Option<Duration>,
    /// The FIFO group, or the tenant on a standard queue.
    pub group_id: Option<String>,
    /// The deduplication id, FIFO queues only.
    pub deduplication_id: Option<String>,
    /// `AWSTraceHeader`, which does not count towards the ten attributes.
    pub trace_header: Option<String>,
}

impl From<&str> for OutgoingMessage {
    fn from(body: &str) -> Self {
        Self::new(body)
    }
}

impl From<String> for OutgoingMessage {
    fn from(body: String) -> Self {
        Self::new(body)
    }
}

impl OutgoingMessage {
    /// A message with this body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The size in bytes as SQS counts it: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + sizes_bytes(&self.attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_system_attributes_has_no_room_for_them() {
        // 160 bytes where a handler reads only bodies.
        assert!(size_of::<Message>() <= 120, "{}", size_of::<Message>());
        let mut message = Message::new("m", "");
        assert_eq!(message.system.group_id, None);
        message.system = SystemAttributes::default().into();
        assert!(message.system.0.is_none());
        message.system.group_id = Some("g".to_owned());
        let inner = message.system.clone().into_inner();
        assert_eq!((&*message.system, inner.group_id.as_deref()), (&inner, Some("g")));
    }

    #[test]
    fn a_message_sent_in_the_future_by_this_clock_has_no_age() {
        let sent_at = |sent_at| Message { sent_at, ..Message::new("m", "") };
        assert_eq!(sent_at(Some(SystemTime::now() + Duration::from_mins(2))).age(), Some(Duration::ZERO));
        assert!(
            sent_at(Some(SystemTime::now() - Duration::from_mins(2))).age() >= Some(Duration::from_mins(2))
        );
        assert_eq!(sent_at(None).age(), None);
    }
}
