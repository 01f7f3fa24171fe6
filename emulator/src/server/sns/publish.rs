//! The actions that publish.

use std::collections::HashSet;

use serde::Deserialize;

use super::{SnsAction, SnsResult, required};
use crate::{
    limits,
    server::{
        action::ActionContext,
        attribute::{self, WireAttributes},
        error::{ErrorType, RequestError},
        xml::XmlWriter,
    },
    sns::{
        MessageStructure, PublishRequest, PublishResult, PublishTarget, SnsApiError, SnsErrorCode,
        SnsTopicArn,
    },
};

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
    fn target(&self) -> Result<PublishTarget, RequestError> {
        match (self.topic_arn.as_deref().or(self.target_arn.as_deref()), &self.phone_number) {
            (Some(arn), None) => Ok(PublishTarget::Topic(arn.parse()?)),
            (None, Some(number)) => Ok(PublishTarget::Phone(number.parse()?)),
            _ => {
                Err(SnsApiError::invalid("TopicArn or TargetArn Reason: no value for required parameter")
                    .into())
            }
        }
    }

    fn structure(&self) -> Result<MessageStructure, RequestError> {
        match self.message_structure.as_deref() {
            None | Some("") => Ok(MessageStructure::Plain),
            Some("json") => Ok(MessageStructure::Json),
            Some(_) => Err(SnsApiError::invalid("MessageStructure").into()),
        }
    }

    fn into_request(self, target: PublishTarget) -> Result<PublishRequest, RequestError> {
        let body = self.message.filter(|message| !message.is_empty());
        Ok(PublishRequest {
            target,
            body: body.ok_or_else(|| SnsApiError::invalid("Empty message"))?,
            subject: self.subject,
            attributes: attribute::values(self.message_attributes.unwrap_or_default())?,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
        })
    }

    /// The size of the body, for the size of a batch; attributes that cannot be read fail their entry only.
    fn body_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, String::len)
    }
}

impl SnsResult for PublishResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("MessageId", &self.id);
        xml.optional("SequenceNumber", self.sequence_number.as_deref());
    }
}

impl SnsAction for Publish {
    const NAME: &'static str = "Publish";
    type Output = PublishResult;

    fn run(self, context: &ActionContext<'_>) -> Result<PublishResult, RequestError> {
        let (target, structure) = (self.target()?, self.structure()?);
        Ok(context.sns.publish(self.into_request(target)?, structure)?)
    }
}

/// `PublishBatch`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PublishBatch {
    topic_arn: Option<String>,
    publish_batch_request_entries: Option<Vec<Publish>>,
}

/// The results of the entries.
#[derive(Default)]
pub(super) struct PublishBatchResult {
    successful: Vec<(String, PublishResult)>,
    failed: Vec<(String, RequestError)>,
}

impl SnsResult for PublishBatchResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.members("Successful", &self.successful, |xml, (id, published)| {
            xml.text("Id", id);
            published.xml(xml);
        });
        xml.members("Failed", &self.failed, |xml, (id, error)| {
            xml.text("Id", id);
            xml.text("Code", error.code());
            xml.text("Message", &error.to_string());
            let is_senders = error.error_type() == ErrorType::Sender;
            xml.text("SenderFault", if is_senders { "true" } else { "false" });
        });
    }
}

impl SnsAction for PublishBatch {
    const NAME: &'static str = "PublishBatch";
    type Output = PublishBatchResult;

    fn run(self, context: &ActionContext<'_>) -> Result<PublishBatchResult, RequestError> {
        let arn: SnsTopicArn = required(self.topic_arn, "TopicArn")?.parse()?;
        let attributes = context.sns.topic_attributes(arn.as_str())?;
        let entries = self.publish_batch_request_entries.unwrap_or_default();
        check_ids(&entries)?;
        if arn.is_fifo() {
            check_fifo(&entries, attributes.get("ContentBasedDeduplication").map(String::as_str))?;
        }
        let max = attributes.get("MaximumMessageSize").and_then(|bytes| bytes.parse().ok());
        check_size(
            entries.iter().map(Publish::body_bytes).sum(),
            max.unwrap_or(limits::TOPIC_MESSAGE_BYTES),
        )?;
        let mut result = PublishBatchResult::default();
        for mut entry in entries {
            let id = std::mem::take(&mut entry.id);
            let publish = || {
                let structure = entry.structure()?;
                let request = entry.into_request(PublishTarget::Topic(arn.clone()))?;
                Ok::<_, RequestError>(context.sns.publish(request, structure)?)
            };
            match publish() {
                Ok(published) => result.successful.push((id, published)),
                Err(error) => result.failed.push((id, error)),
            }
        }
        Ok(result)
    }
}

/// Refuses a batch for a FIFO topic if one entry lacks its group or its deduplication id (recorded against AWS).
///
/// Every other rule for a message fails its entry only.
fn check_fifo(entries: &[Publish], by_content: Option<&str>) -> Result<(), SnsApiError> {
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(SnsApiError::no_group());
    }
    let has_id = entries.iter().all(|entry| entry.message_deduplication_id.is_some());
    if has_id || by_content == Some("true") { Ok(()) } else { Err(SnsApiError::no_deduplication_id()) }
}

/// Checks the number and the ids of the entries.
fn check_ids(entries: &[Publish]) -> Result<(), SnsApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_id = |id: &str| (1..=limits::ENTRY_ID_CHARS).contains(&id.len()) && id.bytes().all(is_allowed);
    let distinct: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let (code, message) = match entries.len() {
        0 => (SnsErrorCode::EmptyBatchRequest, "The batch request doesn't contain any entries."),
        count if count > limits::BATCH_ENTRIES => (
            SnsErrorCode::TooManyEntriesInBatchRequest,
            "The batch request contains more entries than permissible.",
        ),
        _ if !distinct.iter().all(|id| is_id(id)) => (
            SnsErrorCode::InvalidBatchEntryId,
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        ),
        count if distinct.len() < count => (
            SnsErrorCode::BatchEntryIdsNotDistinct,
            "Two or more batch entries in the request have the same Id.",
        ),
        _ => return Ok(()),
    };
    Err(SnsApiError::new(code, message))
}

fn check_size(bytes: usize, max: usize) -> Result<(), SnsApiError> {
    let message = "The length of all the batch messages put together is more than the limit.";
    if bytes > max { Err(SnsApiError::new(SnsErrorCode::BatchRequestTooLong, message)) } else { Ok(()) }
}
