//! The rules for messages of standard and FIFO queues, and the response to a send.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    MessageContent, SendResult, SqsApiError, SqsErrorCode,
    attributes::{DeduplicationSource, FifoAttributes},
    receipt::MessageKey,
    validate,
};
use crate::{
    checksum,
    message::{MessageAttributeValue, NewMessage},
};

const NOT_FOR_THIS_TYPE: &str = "The request include parameter that is not valid for this queue type.";

/// The content and delay of a message for a standard queue, which may have a delay of its own.
pub(super) fn standard(
    message: NewMessage,
    queue_delay: Duration,
) -> Result<(MessageContent, Duration), SqsApiError> {
    if let Some(id) = &message.deduplication_id {
        return Err(SqsApiError::invalid_parameter("MessageDeduplicationId", id, NOT_FOR_THIS_TYPE));
    }
    let delay = message.delay.unwrap_or(queue_delay);
    validate::check_duration("DelaySeconds", delay)?;
    Ok((content(message), delay))
}

/// The content of a message for a FIFO queue, which needs a group and a deduplication id and has no delay of its own.
pub(super) fn fifo(
    mut message: NewMessage,
    fifo: FifoAttributes,
    key: MessageKey,
) -> Result<MessageContent, SqsApiError> {
    if let Some(delay) = message.delay.filter(|delay| !delay.is_zero()) {
        return Err(SqsApiError::invalid_parameter("DelaySeconds", delay.as_secs(), NOT_FOR_THIS_TYPE));
    }
    check_fifo(&message, fifo)?;
    if message.deduplication_id.is_none() {
        message.deduplication_id = Some(checksum::hexadecimal(&Sha256::digest(message.body.as_bytes())));
    }
    Ok(MessageContent { sequence_number: Some(sequence_number(key)), ..content(message) })
}

/// Checks that a message has a group, and a deduplication id unless the queue derives one.
pub(super) fn check_fifo(message: &NewMessage, fifo: FifoAttributes) -> Result<(), SqsApiError> {
    if message.group_id.is_none() {
        return Err(SqsApiError::missing_parameter("MessageGroupId"));
    }
    if message.deduplication_id.is_none() && fifo.deduplication == DeduplicationSource::Id {
        let reason = "The queue should either have ContentBasedDeduplication enabled or \
                      MessageDeduplicationId provided explicitly";
        return Err(SqsApiError::new(SqsErrorCode::InvalidParameterValue, reason));
    }
    Ok(())
}

/// The sequence number of a message: twenty digits that grow with the key, and begin as AWS's do.
pub(super) fn sequence_number(key: MessageKey) -> String {
    (18_849_496_460_467_696_128_u128 + u128::from(key)).to_string()
}

/// A new message id: random, UUID version 4.
pub(super) fn new_id() -> Arc<str> {
    let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
    id.hyphenated().to_string().into()
}

fn content(message: NewMessage) -> MessageContent {
    MessageContent {
        id: new_id(),
        md5_of_body: checksum::md5_of_body(&message.body),
        body: message.body,
        attributes: message.attributes,
        sender_id: Arc::default(),
        sent_at: std::time::UNIX_EPOCH,
        group_id: message.group_id.map(Into::into),
        deduplication_id: message.deduplication_id,
        sequence_number: None,
        trace_header: message.trace_header,
    }
}

/// The response to the send of this message.
pub(super) fn result(content: &MessageContent) -> SendResult {
    let attributes = content.attributes.iter().map(|(name, value)| (name.as_str(), value));
    let trace_header = content.trace_header.as_deref().map(MessageAttributeValue::string);
    let system = trace_header.iter().map(|value| ("AWSTraceHeader", value));
    SendResult {
        id: content.id.clone(),
        md5_of_body: content.md5_of_body.clone(),
        md5_of_attributes: checksum::md5_of_attributes(attributes),
        md5_of_system_attributes: checksum::md5_of_attributes(system),
        sequence_number: content.sequence_number.clone(),
    }
}
