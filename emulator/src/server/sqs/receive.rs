//! `ReceiveMessage`, and received messages in the form of both protocols.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    checksum,
    server::{
        action::{ActionContext, SqsAction, SqsResult},
        attribute::{AttributeSelection, WireAttribute},
        error::RequestError,
        xml::XmlWriter,
    },
    sqs::{self, DeliveredMessage, ReceiveOptions, SqsApiError},
};

/// `ReceiveMessage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: Option<String>,
    /// The older name of `MessageSystemAttributeNames`; the response has the attributes of both lists.
    #[serde(alias = "AttributeName")]
    attribute_names: Option<Vec<String>>,
    #[serde(alias = "MessageSystemAttributeName")]
    message_system_attribute_names: Option<Vec<String>>,
    #[serde(alias = "MessageAttributeName")]
    message_attribute_names: Option<Vec<String>>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    receive_request_attempt_id: Option<String>,
}

impl ReceiveMessage {
    fn options(&self) -> Result<ReceiveOptions, RequestError> {
        let max = self.max_number_of_messages.unwrap_or(1);
        let max = usize::try_from(max).map_err(|_| {
            SqsApiError::invalid_parameter(
                "MaxNumberOfMessages",
                max,
                "Must be between 1 and 10, if provided.",
            )
        })?;
        let seconds = |name, value: Option<i64>| value.map(|value| sqs::seconds(name, value)).transpose();
        Ok(ReceiveOptions {
            max,
            wait: seconds("WaitTimeSeconds", self.wait_time_seconds)?,
            visibility: seconds("VisibilityTimeout", self.visibility_timeout)?,
            attempt_id: self.receive_request_attempt_id.clone(),
        })
    }
}

impl SqsAction for ReceiveMessage {
    const NAME: &'static str = "ReceiveMessage";
    type Output = ReceiveMessageResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<ReceiveMessageResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        let receiving = context.sqs.receive(&queue, self.options()?);
        // A dropped receive takes no message, so neither a shutdown nor a client that disconnects hides one.
        let received = tokio::select! {
            biased;
            received = receiving => received?,
            () = context.shutdown.begun() => Vec::new(),
        };
        let system = [self.attribute_names, self.message_system_attribute_names];
        Ok(ReceiveMessageResult {
            received,
            system: AttributeSelection::new(system.into_iter().flatten().flatten()),
            attributes: AttributeSelection::new(self.message_attribute_names.into_iter().flatten()),
        })
    }
}

/// The messages of a receive, with the selection of their attributes.
#[derive(Debug)]
pub(super) struct ReceiveMessageResult {
    received: Vec<DeliveredMessage>,
    system: AttributeSelection,
    attributes: AttributeSelection,
}

/// A message in a response; the names are those of the JSON protocol.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireMessage<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, WireAttribute>,
}

impl ReceiveMessageResult {
    fn wire<'a>(&'a self, received: &'a DeliveredMessage) -> WireMessage<'a> {
        let content = &received.content;
        let mut system = BTreeMap::new();
        if !self.system.is_empty() {
            system.extend(
                received.system_attributes().into_iter().filter(|(name, _)| self.system.contains(name)),
            );
        }
        let attributes = content.attributes.iter().map(|(name, value)| (name.as_str(), value));
        let attributes = attributes.filter(|(name, _)| self.attributes.contains(name));
        WireMessage {
            message_id: &content.id,
            receipt_handle: &received.receipt_handle,
            md5_of_body: &content.md5_of_body,
            body: &content.body,
            attributes: system,
            // Of the selected attributes only, because the SDKs verify them.
            md5_of_attributes: checksum::md5_of_attributes(attributes.clone()),
            message_attributes: attributes.map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

impl Serialize for ReceiveMessageResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct MessagesJson<'a> {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            messages: Vec<WireMessage<'a>>,
        }
        let messages = self.received.iter().map(|received| self.wire(received)).collect();
        MessagesJson { messages }.serialize(serializer)
    }
}

impl SqsResult for ReceiveMessageResult {
    fn xml(&self, xml: &mut XmlWriter) {
        for received in &self.received {
            xml.element("Message", |xml| self.wire(received).xml(xml));
        }
    }
}

impl WireMessage<'_> {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("MessageId", self.message_id);
        xml.text("ReceiptHandle", self.receipt_handle);
        xml.text("MD5OfBody", self.md5_of_body);
        xml.text("Body", self.body);
        xml.pairs("Attribute", "Name", &self.attributes);
        xml.optional("MD5OfMessageAttributes", self.md5_of_attributes.as_deref());
        for (name, attribute) in &self.message_attributes {
            xml.element("MessageAttribute", |xml| {
                xml.text("Name", name);
                xml.element("Value", |xml| attribute.xml(xml));
            });
        }
    }
}
