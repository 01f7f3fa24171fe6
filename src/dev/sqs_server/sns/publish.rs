//! The actions that publish.

use std::collections::HashSet;

use serde::Deserialize;

use super::{Action, Answer, required};
use crate::{
    dev::sqs_server::{
        attribute::{self, WireAttributes},
        call::Call,
        refusal::{Blame, Refusal},
        xml::Xml,
    },
    sns::{
        Publication, Target, TopicArn, limits,
        memory::{Code, Fault, Published, Structure},
    },
};

/// The longest id of a batch entry.
const ENTRY_ID_CHARS: usize = 80;

/// `Publish`, or an entry of a batch, which has an id instead of the target.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Publish {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    phone_number: Option<String>,
    #[serde(default)]
    id: String,
    message: Option<String>,
    subject: Option<String>,
    message_structure: Option<String>,
    message_attributes: Option<WireAttributes>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

impl Publish {
    fn target(&self) -> Result<Target, Refusal> {
        match (self.topic_arn.as_deref().or(self.target_arn.as_deref()), &self.phone_number) {
            (Some(arn), None) => Ok(Target::Topic(topic_arn(arn)?)),
            (None, Some(number)) => {
                let reason = || format!("PhoneNumber Reason: {number} is not valid to publish to");
                Ok(Target::Phone(number.parse().map_err(|_| Fault::invalid(reason()))?))
            }
            _ => Err(Fault::invalid("TopicArn or TargetArn Reason: no value for required parameter").into()),
        }
    }

    fn structure(&self) -> Result<Structure, Refusal> {
        match self.message_structure.as_deref() {
            None | Some("") => Ok(Structure::Plain),
            Some("json") => Ok(Structure::Json),
            Some(_) => Err(Fault::invalid("MessageStructure").into()),
        }
    }

    fn into_publication(self, target: Target) -> Result<Publication, Refusal> {
        let body = self.message.filter(|message| !message.is_empty());
        Ok(Publication {
            target,
            body: body.ok_or_else(|| Fault::invalid("Empty message"))?,
            subject: self.subject,
            attributes: attribute::values(self.message_attributes.unwrap_or_default())?,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
        })
    }

    /// The size of the body, for the sum of a batch: attributes that cannot be read fail their entry alone.
    fn body_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, String::len)
    }
}

fn topic_arn(arn: &str) -> Result<TopicArn, Refusal> {
    let parts = arn.split(':').count();
    let reason = || format!("TopicArn Reason: An ARN must have at least 6 elements, not {parts}");
    Ok(arn.parse().map_err(|_| Fault::invalid(reason()))?)
}

impl Answer for Published {
    fn xml(&self, xml: &mut Xml) {
        xml.text("MessageId", &self.id);
        xml.optional("SequenceNumber", self.sequence_number.as_deref());
    }
}

impl Action for Publish {
    const NAME: &'static str = "Publish";
    type Answer = Published;

    fn run(self, call: &Call<'_>) -> Result<Published, Refusal> {
        let (target, structure) = (self.target()?, self.structure()?);
        Ok(call.topics.send(self.into_publication(target)?, structure)?)
    }
}

/// `PublishBatch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublishBatch {
    topic_arn: Option<String>,
    publish_batch_request_entries: Option<Vec<Publish>>,
}

/// What became of each entry.
#[derive(Default)]
pub(super) struct BatchAnswer {
    successful: Vec<(String, Published)>,
    failed: Vec<(String, Refusal)>,
}

impl Answer for BatchAnswer {
    fn xml(&self, xml: &mut Xml) {
        xml.members("Successful", &self.successful, |xml, (id, published)| {
            xml.text("Id", id);
            published.xml(xml);
        });
        xml.members("Failed", &self.failed, |xml, (id, refusal)| {
            xml.text("Id", id);
            xml.text("Code", refusal.code());
            xml.text("Message", &refusal.to_string());
            let is_senders = refusal.blame() == Blame::Sender;
            xml.text("SenderFault", if is_senders { "true" } else { "false" });
        });
    }
}

impl Action for PublishBatch {
    const NAME: &'static str = "PublishBatch";
    type Answer = BatchAnswer;

    fn run(self, call: &Call<'_>) -> Result<BatchAnswer, Refusal> {
        let arn = topic_arn(&required(self.topic_arn, "TopicArn")?)?;
        let attributes = call.topics.attributes(arn.as_str())?;
        let entries = self.publish_batch_request_entries.unwrap_or_default();
        check_ids(&entries)?;
        if arn.is_fifo() {
            refuse_unordered(&entries, attributes.get("ContentBasedDeduplication").map(String::as_str))?;
        }
        let most = attributes.get("MaximumMessageSize").and_then(|bytes| bytes.parse().ok());
        check_size(entries.iter().map(Publish::body_bytes).sum(), most.unwrap_or(limits::MESSAGE_BYTES))?;
        let mut answer = BatchAnswer::default();
        for mut entry in entries {
            let id = std::mem::take(&mut entry.id);
            let publish = || {
                let structure = entry.structure()?;
                let publication = entry.into_publication(Target::Topic(arn.clone()))?;
                Ok::<_, Refusal>(call.topics.send(publication, structure)?)
            };
            match publish() {
                Ok(published) => answer.successful.push((id, published)),
                Err(refusal) => answer.failed.push((id, refusal)),
            }
        }
        Ok(answer)
    }
}

/// A FIFO topic refuses the whole batch for one entry whose place in the order is not told, as recorded against AWS;
/// every other rule for a message fails its entry alone.
fn refuse_unordered(entries: &[Publish], by_content: Option<&str>) -> Result<(), Fault> {
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(Fault::no_group());
    }
    let is_told = entries.iter().all(|entry| entry.message_deduplication_id.is_some());
    if is_told || by_content == Some("true") { Ok(()) } else { Err(Fault::no_deduplication_id()) }
}

/// The rules for the entries' ids.
fn check_ids(entries: &[Publish]) -> Result<(), Fault> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_id = |id: &str| (1..=ENTRY_ID_CHARS).contains(&id.len()) && id.bytes().all(is_allowed);
    let distinct: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let (code, words) = match entries.len() {
        0 => (Code::EmptyBatchRequest, "The batch request doesn't contain any entries."),
        count if count > limits::BATCH_ENTRIES => {
            (Code::TooManyEntriesInBatchRequest, "The batch request contains more entries than permissible.")
        }
        _ if !distinct.iter().all(|id| is_id(id)) => (
            Code::InvalidBatchEntryId,
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        ),
        count if distinct.len() < count => {
            (Code::BatchEntryIdsNotDistinct, "Two or more batch entries in the request have the same Id.")
        }
        _ => return Ok(()),
    };
    Err(Fault::new(code, words))
}

fn check_size(bytes: usize, most: usize) -> Result<(), Fault> {
    let words = "The length of all the batch messages put together is more than the limit.";
    if bytes > most { Err(Fault::new(Code::BatchRequestTooLong, words)) } else { Ok(()) }
}
