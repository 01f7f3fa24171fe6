//! The actions that send messages.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    message::NewMessage,
    server::{
        action::{ActionContext, SqsAction, SqsResult},
        attribute::{self, WireAttributes},
        batch::{BatchActionResult, BatchEntry, BatchRequest, BatchResultEntry},
        error::RequestError,
        xml::XmlWriter,
    },
    sqs::{self, SendResult, SqsApiError},
};

/// The one system attribute that a sender may set.
const TRACE_HEADER: &str = "AWSTraceHeader";

/// `SendMessage`, or an entry of its batch, which has an id instead of the URL.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    queue_url: Option<String>,
    #[serde(default)]
    id: String,
    message_body: Option<String>,
    delay_seconds: Option<i64>,
    #[serde(alias = "MessageAttribute")]
    message_attributes: Option<WireAttributes>,
    #[serde(alias = "MessageSystemAttribute")]
    message_system_attributes: Option<WireAttributes>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl BatchEntry for SendMessage {
    fn id(&self) -> &str {
        &self.id
    }
}

impl SendMessage {
    /// The message; without a system attribute of its own it has the trace header of the request.
    fn into_message(self, context: &ActionContext<'_>) -> Result<NewMessage, RequestError> {
        let delay = self.delay_seconds.map(|seconds| sqs::seconds("DelaySeconds", seconds)).transpose()?;
        Ok(NewMessage {
            body: required(self.message_body, "MessageBody")?,
            attributes: attribute::values(self.message_attributes.unwrap_or_default())?,
            delay,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            trace_header: trace_header(self.message_system_attributes.unwrap_or_default())?
                .or_else(|| context.trace_header.clone()),
        })
    }
}

fn trace_header(attributes: WireAttributes) -> Result<Option<String>, RequestError> {
    let mut header = None;
    for (name, attribute) in attributes {
        if name != TRACE_HEADER {
            let reason = format!("The only system attribute that can be sent is {TRACE_HEADER}.");
            return Err(SqsApiError::invalid_parameter("MessageSystemAttributes", name, &reason).into());
        }
        header = attribute.into_text();
    }
    Ok(header)
}

/// The result of `SendMessage`, or of an entry of its batch.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessageResult {
    /// The entry's id, in batches only.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_system_attributes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

impl SendMessageResult {
    fn new(id: Option<String>, sent: SendResult) -> Self {
        Self {
            id,
            message_id: sent.id.to_string(),
            md5_of_body: sent.md5_of_body,
            md5_of_attributes: sent.md5_of_attributes,
            md5_of_system_attributes: sent.md5_of_system_attributes,
            sequence_number: sent.sequence_number,
        }
    }

    fn elements(&self, xml: &mut XmlWriter) {
        xml.optional("Id", self.id.as_deref());
        xml.text("MessageId", &self.message_id);
        xml.text("MD5OfMessageBody", &self.md5_of_body);
        xml.optional("MD5OfMessageAttributes", self.md5_of_attributes.as_deref());
        xml.optional("MD5OfMessageSystemAttributes", self.md5_of_system_attributes.as_deref());
        xml.optional("SequenceNumber", self.sequence_number.as_deref());
    }
}

impl SqsResult for SendMessageResult {
    fn xml(&self, xml: &mut XmlWriter) {
        self.elements(xml);
    }
}

impl BatchResultEntry for SendMessageResult {
    const ELEMENT: &'static str = "SendMessageBatchResultEntry";

    fn xml(&self, xml: &mut XmlWriter) {
        self.elements(xml);
    }
}

impl SqsAction for SendMessage {
    const NAME: &'static str = "SendMessage";
    type Output = SendMessageResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<SendMessageResult, RequestError> {
        // A missing body is reported before a missing queue (recorded against AWS).
        required(self.message_body.as_ref(), "MessageBody")?;
        let queue = context.queue_name(self.queue_url.as_deref())?;
        let sent = context.sqs.send(&queue, self.into_message(context)?)?;
        Ok(SendMessageResult::new(None, sent))
    }
}

/// `SendMessageBatch`.
pub(super) type SendMessageBatch = BatchRequest<SendMessage>;

impl SqsAction for SendMessageBatch {
    const NAME: &'static str = "SendMessageBatch";
    type Output = BatchActionResult<SendMessageResult>;

    async fn run(self, context: &ActionContext<'_>) -> Result<Self::Output, RequestError> {
        let (queue, entries) = self.checked(context)?;
        let mut outgoing = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let id = std::mem::take(&mut entry.id);
            outgoing.push(DecodedEntry { id, message: entry.into_message(context) });
        }
        sqs::batch_bytes(outgoing.iter().map(DecodedEntry::size_bytes).sum())?;
        check_fifo(context, &queue, &outgoing)?;
        Ok(BatchActionResult::of(outgoing, |entry| {
            let sent = context.sqs.send(&queue, entry.message?)?;
            Ok(SendMessageResult::new(Some(entry.id), sent))
        }))
    }
}

/// An entry of a batch with its message, or the error in it.
#[derive(Debug)]
struct DecodedEntry {
    id: String,
    message: Result<NewMessage, RequestError>,
}

impl BatchEntry for DecodedEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

impl DecodedEntry {
    fn size_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, NewMessage::size_bytes)
    }
}

/// Refuses a batch for a FIFO queue if one entry lacks its group or its deduplication id (recorded against AWS).
///
/// Every other rule for a message fails its entry only.
fn check_fifo(
    context: &ActionContext<'_>,
    queue: &str,
    outgoing: &[DecodedEntry],
) -> Result<(), RequestError> {
    if queue.strip_suffix(".fifo").is_none() {
        return Ok(());
    }
    let mut messages = outgoing.iter().filter_map(|entry| entry.message.as_ref().ok());
    if messages.clone().any(|message| message.group_id.is_none()) {
        return Err(RequestError::invalid("The request must contain the parameter MessageGroupId."));
    }
    let has_id = messages.all(|message| message.deduplication_id.is_some());
    if has_id || deduplicates_by_content(context, queue)? {
        return Ok(());
    }
    Err(RequestError::invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ))
}

fn deduplicates_by_content(context: &ActionContext<'_>, queue: &str) -> Result<bool, RequestError> {
    let name = "ContentBasedDeduplication";
    let attributes = context.sqs.attributes(queue, &[name.to_owned()])?;
    Ok(attributes.get(name).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::form::QueryForm;

    #[test]
    fn both_protocols_read_the_same_batch() {
        let json = r#"{"QueueUrl":"u","Entries":[{"Id":"a","MessageBody":"x & y","DelaySeconds":5,
            "MessageAttributes":{"n":{"DataType":"Number","StringValue":"1"},
                "b":{"DataType":"Binary","BinaryValue":"AP8="}},
            "MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1"}},
            "MessageGroupId":"g","MessageDeduplicationId":"d"}]}"#;
        let json: SendMessageBatch = serde_json::from_str(json).unwrap();
        let mut form = QueryForm::default();
        form.read(b"QueueUrl=u").unwrap();
        for parameter in [
            "Id=a",
            "MessageBody=x+%26+y",
            "DelaySeconds=5",
            "MessageAttribute.1.Name=n",
            "MessageAttribute.1.Value.DataType=Number",
            "MessageAttribute.1.Value.StringValue=1",
            "MessageAttribute.2.Name=b",
            "MessageAttribute.2.Value.DataType=Binary",
            "MessageAttribute.2.Value.BinaryValue=AP8%3D",
            "MessageSystemAttribute.1.Name=AWSTraceHeader",
            "MessageSystemAttribute.1.Value.DataType=String",
            "MessageSystemAttribute.1.Value.StringValue=Root%3D1",
            "MessageGroupId=g",
            "MessageDeduplicationId=d",
        ] {
            form.read(format!("SendMessageBatchRequestEntry.1.{parameter}").as_bytes()).unwrap();
        }
        let form: SendMessageBatch = form.decode().unwrap();
        assert_eq!(format!("{form:?}"), format!("{json:?}"));
    }

    #[test]
    fn only_the_trace_header_is_sent_as_a_system_attribute() {
        let attributes = |name: &str| {
            let json = format!(r#"{{"{name}":{{"DataType":"String","StringValue":"x"}}}}"#);
            serde_json::from_str(&json).unwrap()
        };
        assert_eq!(trace_header(attributes("AWSTraceHeader")), Ok(Some("x".to_owned())));
        assert_eq!(trace_header(attributes("SenderId")).unwrap_err().code(), "InvalidParameterValue");
    }
}
