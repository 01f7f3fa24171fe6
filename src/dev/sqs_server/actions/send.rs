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
    queue::memory::{self, Code, Fault, Sent},
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
        refuse_ungrouped(&queue, &outgoing)?;
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
        self.message.as_ref().map_or(0, memory::message_bytes)
    }
}

/// A FIFO queue refuses the whole batch for one entry without a group, as recorded against AWS.
fn refuse_ungrouped(queue: &str, outgoing: &[Outgoing]) -> Result<(), Refusal> {
    let ungrouped = |entry: &Outgoing| entry.message.as_ref().is_ok_and(|message| message.group_id.is_none());
    let is_fifo = queue.strip_suffix(".fifo").is_some();
    if is_fifo && outgoing.iter().any(ungrouped) {
        let message = "The request must contain the parameter MessageGroupId.";
        return Err(Fault::new(Code::InvalidParameterValue, message).into());
    }
    Ok(())
}
