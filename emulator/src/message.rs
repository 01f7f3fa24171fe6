//! A message as a client sends it, and the values of its attributes.

use std::{collections::BTreeMap, time::Duration};

/// Names and values as AWS spells them: attributes or tags.
pub type StringMap = BTreeMap<String, String>;

/// A message to be sent to a queue.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// `MessageBody`: 1 byte to 1 MiB of XML 1.0 characters, attributes included.
    pub body: String,
    /// `MessageAttributes`, ten at most.
    pub attributes: BTreeMap<String, MessageAttributeValue>,
    /// `DelaySeconds`, whole seconds up to 900; absent, the queue's.
    pub delay: Option<Duration>,
    /// `MessageGroupId`: the FIFO group, or the tenant on a standard queue.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`, FIFO queues only.
    pub deduplication_id: Option<String>,
    /// `AWSTraceHeader`, the one system attribute that can be sent.
    pub trace_header: Option<String>,
}

impl NewMessage {
    /// A message with a body and nothing else.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// The size in bytes as SQS counts it: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        self.body.len() + attributes_bytes(&self.attributes)
    }
}

impl From<&str> for NewMessage {
    fn from(body: &str) -> Self {
        Self::new(body)
    }
}

impl From<String> for NewMessage {
    fn from(body: String) -> Self {
        Self::new(body)
    }
}

/// The size in bytes of attributes as SQS and SNS count it.
pub(crate) fn attributes_bytes(attributes: &BTreeMap<String, MessageAttributeValue>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// The value of one message attribute with its data type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAttributeValue {
    /// `DataType`: `String`, `Number` or `Binary`, with an optional suffix (`Number.int`).
    pub data_type: String,
    /// The value.
    pub content: AttributeData,
}

/// The two forms in which AWS transmits the value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeData {
    /// `StringValue`, for `String` and `Number`.
    Text(String),
    /// `BinaryValue`, for `Binary`.
    Bytes(Vec<u8>),
}

impl MessageAttributeValue {
    /// A value of type `String`.
    pub fn string(text: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), content: AttributeData::Text(text.into()) }
    }

    /// A value of type `Number`, in SQS's own spelling.
    pub fn number(digits: impl Into<String>) -> Self {
        Self { data_type: "Number".to_owned(), content: AttributeData::Text(digits.into()) }
    }

    /// A value of type `Binary`.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self { data_type: "Binary".to_owned(), content: AttributeData::Bytes(bytes.into()) }
    }

    /// The text of a `String` or `Number` value.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            AttributeData::Text(text) => Some(text),
            AttributeData::Bytes(_) => None,
        }
    }

    /// The size in bytes that counts towards the message: the data type and the value.
    pub fn size_bytes(&self) -> usize {
        let content_bytes = match &self.content {
            AttributeData::Text(text) => text.len(),
            AttributeData::Bytes(bytes) => bytes.len(),
        };
        self.data_type.len() + content_bytes
    }
}
