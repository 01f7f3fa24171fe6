//! The actions that send messages.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    dev::sqs_server::{
        attribute::{self, WireAttributes},
        batch::{Batch, BatchAnswer, Entry, Success},
        call::{Action, Answer, Call},
        refusal::Refusal,
        xml::Xml,
    },
    message::OutgoingMessage,
    queue::{
        is_fifo,
        memory::{self, Fault, Sent},
    },
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

impl Entry for SendMessage {
    fn id(&self) -> &str {
        &self.id
    }
}

impl SendMessage {
    fn into_message(self) -> Result<OutgoingMessage, Refusal> {
        let delay = self.delay_seconds.map(|seconds| memory::seconds("DelaySeconds", seconds)).transpose()?;
        Ok(OutgoingMessage {
            body: required(self.message_body, "MessageBody")?,
            attributes: attribute::values(self.message_attributes.unwrap_or_default())?,
            delay,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            trace_header: trace_header(self.message_system_attributes.unwrap_or_default())?,
        })
    }
}

fn trace_header(attributes: WireAttributes) -> Result<Option<String>, Refusal> {
    let mut header = None;
    for (name, attribute) in attributes {
        if name != TRACE_HEADER {
            let reason = format!("The only system attribute that can be sent is {TRACE_HEADER}.");
            return Err(Fault::invalid_parameter("MessageSystemAttributes", name, &reason).into());
        }
        header = attribute.into_text();
    }
    Ok(header)
}

/// A message that was sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendAnswer {
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

impl SendAnswer {
    fn new(id: Option<String>, sent: Sent) -> Self {
        Self {
            id,
            message_id: sent.id.as_str().to_owned(),
            md5_of_body: sent.md5_of_body,
            md5_of_attributes: sent.md5_of_attributes,
            md5_of_system_attributes: sent.md5_of_system_attributes,
            sequence_number: sent.sequence_number,
        }
    }

    fn elements(&self, xml: &mut Xml) {
        xml.optional("Id", self.id.as_deref());
        xml.text("MessageId", &self.message_id);
        xml.text("MD5OfMessageBody", &self.md5_of_body);
        xml.optional("MD5OfMessageAttributes", self.md5_of_attributes.as_deref());
        xml.optional("MD5OfMessageSystemAttributes", self.md5_of_system_attributes.as_deref());
        xml.optional("SequenceNumber", self.sequence_number.as_deref());
    }
}

impl Answer for SendAnswer {
    fn xml(&self, xml: &mut Xml) {
        self.elements(xml);
    }
}

impl Success for SendAnswer {
    const ELEMENT: &'static str = "SendMessageBatchResultEntry";

    fn xml(&self, xml: &mut Xml) {
        self.elements(xml);
    }
}

impl Action for SendMessage {
    const NAME: &'static str = "SendMessage";
    type Answer = SendAnswer;

    async fn run(self, call: &Call<'_>) -> Result<SendAnswer, Refusal> {
        // What is missing is told before the queue is looked for, as recorded against AWS.
        required(self.message_body.as_ref(), "MessageBody")?;
        let queue = call.queue_name(self.queue_url.as_deref())?;
        let sent = call.account.send(&queue, self.into_message()?)?;
        Ok(SendAnswer::new(None, sent))
    }
}

/// `SendMessageBatch`.
pub(super) type SendMessageBatch = Batch<SendMessage>;

impl Action for SendMessageBatch {
    const NAME: &'static str = "SendMessageBatch";
    type Answer = BatchAnswer<SendAnswer>;

    async fn run(self, call: &Call<'_>) -> Result<Self::Answer, Refusal> {
        let (queue, entries) = self.checked(call)?;
        let mut outgoing = Vec::with_capacity(entries.len());
        for mut entry in entries {
            let id = std::mem::take(&mut entry.id);
            outgoing.push(Outgoing { id, message: entry.into_message() });
        }
        memory::batch_bytes(outgoing.iter().map(Outgoing::size_bytes).sum())?;
        refuse_unordered(call, &queue, &outgoing)?;
        Ok(BatchAnswer::of(outgoing, |entry| {
            let sent = call.account.send(&queue, entry.message?)?;
            Ok(SendAnswer::new(Some(entry.id), sent))
        }))
    }
}

/// An entry of a batch, decoded as far as it can be.
#[derive(Debug)]
struct Outgoing {
    id: String,
    message: Result<OutgoingMessage, Refusal>,
}

impl Entry for Outgoing {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Outgoing {
    fn size_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, OutgoingMessage::size_bytes)
    }
}

/// A FIFO queue refuses the whole batch for one entry whose place in the order is not told, as recorded
/// against AWS; every other rule for a message fails its entry alone.
fn refuse_unordered(call: &Call<'_>, queue: &str, outgoing: &[Outgoing]) -> Result<(), Refusal> {
    if !is_fifo(queue) {
        return Ok(());
    }
    let mut messages = outgoing.iter().filter_map(|entry| entry.message.as_ref().ok());
    if messages.clone().any(|message| message.group_id.is_none()) {
        return Err(Refusal::invalid("The request must contain the parameter MessageGroupId."));
    }
    let is_told = messages.all(|message| message.deduplication_id.is_some());
    if is_told || deduplicates_by_content(call, queue)? {
        return Ok(());
    }
    Err(Refusal::invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    ))
}

fn deduplicates_by_content(call: &Call<'_>, queue: &str) -> Result<bool, Refusal> {
    let name = "ContentBasedDeduplication";
    let attributes = call.account.attributes(queue, &[name.to_owned()])?;
    Ok(attributes.get(name).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::sqs_server::form::Form;

    #[test]
    fn both_protocols_read_the_same_batch() {
        let json = r#"{"QueueUrl":"u","Entries":[{"Id":"a","MessageBody":"x & y","DelaySeconds":5,
            "MessageAttributes":{"n":{"DataType":"Number","StringValue":"1"},
                "b":{"DataType":"Binary","BinaryValue":"AP8="}},
            "MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1"}},
            "MessageGroupId":"g","MessageDeduplicationId":"d"}]}"#;
        let json: SendMessageBatch = serde_json::from_str(json).unwrap();
        let mut form = Form::default();
        form.read(b"QueueUrl=u");
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
            form.read(format!("SendMessageBatchRequestEntry.1.{parameter}").as_bytes());
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
