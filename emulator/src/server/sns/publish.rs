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
            (Some(arn), None) if arn.contains(":endpoint/") => {
                let reason = "TargetArn Reason: No endpoint found for the target arn specified";
                Err(SnsApiError::invalid(reason).into())
            }
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

    /// Checks that a structured message has its texts, before the rules of FIFO topics (recorded against AWS).
    fn check_structure(&self) -> Result<(), RequestError> {
        let text = self.message.as_deref().unwrap_or_default();
        Ok(self.structure()?.check(text)?)
    }

    /// The message; `position` is that of the batch's entry.
    fn into_request(
        self,
        target: PublishTarget,
        position: Option<usize>,
        context: &ActionContext<'_>,
    ) -> Result<PublishRequest, RequestError> {
        let body = self.message.filter(|message| !message.is_empty());
        Ok(PublishRequest {
            target,
            body: body.ok_or_else(|| SnsApiError::invalid("Empty message"))?,
            subject: self.subject,
            attributes: attribute::sns_values(self.message_attributes.unwrap_or_default(), position)?,
            group_id: self.message_group_id,
            deduplication_id: self.message_deduplication_id,
            trace_header: context.trace_header.clone(),
            endpoint: Some(context.authority.endpoint()),
        })
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
        Ok(context.sns.publish(self.into_request(target, None, context)?, structure)?)
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
        entries.iter().try_for_each(Publish::check_structure)?;
        if arn.is_fifo() {
            check_fifo(&entries, attributes.get("ContentBasedDeduplication").map(String::as_str))?;
        }
        let mut requests = Vec::with_capacity(entries.len());
        for (position, mut entry) in (1..).zip(entries) {
            let (id, structure) = (std::mem::take(&mut entry.id), entry.structure()?);
            let request = entry.into_request(PublishTarget::Topic(arn.clone()), Some(position), context)?;
            requests.push((id, request, structure));
        }
        let max = attributes.get("MaximumMessageSize").and_then(|bytes| bytes.parse().ok());
        check_size(
            requests.iter().map(|(_, request, _)| request.size_bytes()).sum(),
            max.unwrap_or(limits::TOPIC_MESSAGE_BYTES),
        )?;
        let mut result = PublishBatchResult::default();
        for (id, request, structure) in requests {
            match context.sns.publish(request, structure).map_err(RequestError::from) {
                Ok(published) => result.successful.push((id, published)),
                Err(error) => result.failed.push((id, error)),
            }
        }
        Ok(result)
    }
}

/// Refuses a batch for a FIFO topic if one entry lacks its group or its deduplication id (recorded against AWS).
fn check_fifo(entries: &[Publish], by_content: Option<&str>) -> Result<(), SnsApiError> {
    if entries.iter().any(|entry| entry.message_group_id.is_none()) {
        return Err(SnsApiError::no_group());
    }
    let has_id = entries.iter().all(|entry| entry.message_deduplication_id.is_some());
    if has_id || by_content == Some("true") { Ok(()) } else { Err(SnsApiError::no_deduplication_id()) }
}

/// Checks the number and the ids of the entries.
fn check_ids(entries: &[Publish]) -> Result<(), SnsApiError> {
    let distinct: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let (code, message) = match entries.len() {
        0 => (SnsErrorCode::EmptyBatchRequest, "The batch request doesn't contain any entries."),
        count if count > limits::BATCH_ENTRIES => (
            SnsErrorCode::TooManyEntriesInBatchRequest,
            "The batch request contains more entries than permissible.",
        ),
        count if distinct.len() < count => (
            SnsErrorCode::BatchEntryIdsNotDistinct,
            "Two or more batch entries in the request have the same Id.",
        ),
        _ => return entries.iter().try_for_each(|entry| check_id(&entry.id)),
    };
    Err(SnsApiError::new(code, message))
}

/// Checks the id of an entry; the messages are recorded.
fn check_id(id: &str) -> Result<(), SnsApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let problem = if id.len() > limits::ENTRY_ID_CHARS {
        "is too long"
    } else if id.is_empty() || !id.bytes().all(is_allowed) {
        "contains an impermissible character"
    } else {
        return Ok(());
    };
    let message = format!("The Id of a batch entry in the batch request {problem}: {id}");
    Err(SnsApiError::new(SnsErrorCode::InvalidBatchEntryId, message))
}

fn check_size(bytes: usize, max: usize) -> Result<(), SnsApiError> {
    let message = "The length of all the messages put together is more than the limit.";
    if bytes > max { Err(SnsApiError::new(SnsErrorCode::BatchRequestTooLong, message)) } else { Ok(()) }
}
