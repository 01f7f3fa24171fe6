//! Converts between the SDK's types and Longshore's.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    num::NonZeroU32,
    time::{Duration, SystemTime},
};

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{
        BatchResultErrorEntry, Message as SdkMessage, MessageAttributeValue, MessageSystemAttributeName,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use serde::Deserialize;

use super::diagnosis::SqsPlace;
use crate::{
    aws::{self, AccessError, CallFailure, CredentialsFault, FailureKind, NO_CREDENTIALS},
    message::{
        AttributeContent, AttributeValue, Message, MessageId, OutgoingMessage, Receipt, SystemAttributes,
    },
    queue::{EntryError, QueueAttributes, QueueError, RedrivePolicy, RetryClass, is_fifo},
};

/// A received message; `None` for one without an id or a receipt, which SQS never sends.
pub(super) fn message(sdk: SdkMessage) -> Option<Message> {
    let (mut receive_count, mut sent_at, mut system) = (None, None, SystemAttributes::default());
    for (name, value) in sdk.attributes.unwrap_or_default() {
        match name {
            MessageSystemAttributeName::ApproximateReceiveCount => receive_count = value.parse().ok(),
            MessageSystemAttributeName::SentTimestamp => sent_at = timestamp(&value),
            name => set(&mut system, &name, value),
        }
    }
    Some(Message {
        id: MessageId::new(sdk.message_id?),
        receipt: Receipt::new(sdk.receipt_handle?),
        body: sdk.body.unwrap_or_default(),
        body_file: None,
        receive_count: receive_count.unwrap_or(1),
        sent_at,
        attributes: attributes(sdk.message_attributes.unwrap_or_default()),
        system: system.into(),
    })
}

fn set(system: &mut SystemAttributes, name: &MessageSystemAttributeName, value: String) {
    match name {
        MessageSystemAttributeName::ApproximateFirstReceiveTimestamp => {
            system.first_received_at = timestamp(&value);
        }
        MessageSystemAttributeName::SenderId => system.sender_id = Some(value),
        MessageSystemAttributeName::MessageGroupId => system.group_id = Some(value),
        MessageSystemAttributeName::MessageDeduplicationId => system.deduplication_id = Some(value),
        MessageSystemAttributeName::SequenceNumber => system.sequence_number = Some(value),
        MessageSystemAttributeName::AwsTraceHeader => system.trace_header = Some(value),
        MessageSystemAttributeName::DeadLetterQueueSourceArn => system.dead_letter_source_arn = Some(value),
        _ => {}
    }
}

/// SQS writes times as milliseconds since 1970.
fn timestamp(millis: &str) -> Option<SystemTime> {
    let millis = millis.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
}

fn attributes(sdk: HashMap<String, MessageAttributeValue>) -> BTreeMap<String, AttributeValue> {
    sdk.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(sdk: MessageAttributeValue) -> AttributeValue {
    let content = match (sdk.string_value, sdk.binary_value) {
        (Some(text), _) => AttributeContent::Text(text),
        (None, Some(blob)) => AttributeContent::Bytes(blob.into_inner()),
        (None, None) => AttributeContent::Text(String::new()),
    };
    AttributeValue { data_type: sdk.data_type, content }
}

/// One entry of a batch send; its id is its position.
pub(super) fn send_entry(
    position: usize,
    message: &OutgoingMessage,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(position.to_string())
        .message_body(&message.body)
        .set_delay_seconds(message.delay.map(seconds))
        .set_message_group_id(message.group_id.clone())
        .set_message_deduplication_id(message.deduplication_id.clone());
    for (name, value) in &message.attributes {
        entry = entry.message_attributes(name, sdk_attribute(value)?);
    }
    if let Some(header) = &message.trace_header {
        let value =
            MessageSystemAttributeValue::builder().data_type("String").string_value(header).build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build()
}

fn sdk_attribute(value: &AttributeValue) -> Result<MessageAttributeValue, BuildError> {
    let builder = MessageAttributeValue::builder().data_type(&value.data_type);
    match &value.content {
        AttributeContent::Text(text) => builder.string_value(text),
        AttributeContent::Bytes(bytes) => builder.binary_value(Blob::new(bytes.clone())),
    }
    .build()
}

/// Whole seconds for the wire, rounded up so that nothing comes back early.
pub(super) fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// A queue's attributes; missing or unreadable ones keep their defaults.
///
/// SQS always answers the ARN, so an answer without one is not from SQS and proves nothing. A FIFO queue is one by its
/// attribute or by its name, which SQS demands to end in `.fifo`: in order where either says so.
pub(super) fn description(
    attributes: &HashMap<QueueAttributeName, String>,
) -> Result<QueueAttributes, QueueError> {
    let text = |name: QueueAttributeName| attributes.get(&name).map(String::as_str);
    let number = |name: QueueAttributeName| text(name).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let arn = text(QueueAttributeName::QueueArn).filter(|arn| !arn.is_empty());
    let no_arn = || {
        QueueError::new(
            RetryClass::Transient,
            "the answer has no arn of the queue, as from another server than sqs",
        )
        .with_hint("check the url, or endpoint_url (--endpoint-url, AWS_ENDPOINT_URL)")
    };
    let arn = arn.ok_or_else(no_arn)?.to_owned();
    Ok(QueueAttributes {
        visibility: Duration::from_secs(number(QueueAttributeName::VisibilityTimeout)),
        retention: Duration::from_secs(number(QueueAttributeName::MessageRetentionPeriod)),
        kms_key: text(QueueAttributeName::KmsMasterKeyId).filter(|key| !key.is_empty()).map(str::to_owned),
        redrive: text(QueueAttributeName::RedrivePolicy).and_then(redrive_policy),
        fifo: text(QueueAttributeName::FifoQueue) == Some("true") || is_fifo(&arn),
        arn,
        message_bytes: text(QueueAttributeName::MaximumMessageSize).and_then(|bytes| bytes.parse().ok()),
        visible: number(QueueAttributeName::ApproximateNumberOfMessages),
        in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
    })
}

/// SQS keeps the policy as JSON, with `maxReceiveCount` a number or, from older tools, a string.
fn redrive_policy(json: &str) -> Option<RedrivePolicy> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        dead_letter_target_arn: String,
        max_receive_count: Count,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(NonZeroU32),
        Text(String),
    }
    let wire: Wire = serde_json::from_str(json).ok()?;
    let max_receive_count = match wire.max_receive_count {
        Count::Number(count) => count,
        Count::Text(digits) => digits.parse().ok()?,
    };
    Some(RedrivePolicy { dead_letter_arn: wire.dead_letter_target_arn, max_receive_count })
}

/// A call's failure, classified by its code if there was an answer, and otherwise transient.
pub(super) fn refusal<E>(error: SdkError<E, HttpResponse>, place: &SqsPlace) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let failed = CallFailure::of(&error);
    let is_busy = failed.is_busy();
    let CallFailure { kind, message, clock_error, status, fix, .. } = failed;
    let failure = match kind {
        FailureKind::Answered(code) => QueueError::answered(code, message),
        FailureKind::TimedOut => QueueError::timed_out(message),
        FailureKind::NoCredentials => {
            QueueError::new(RetryClass::Transient, message).with_hint(NO_CREDENTIALS)
        }
        FailureKind::NoUsableAnswer => {
            let (sentence, fix) = place.unanswered(&error, status, &message);
            QueueError::new(RetryClass::Transient, sentence).with_hint(fix)
        }
    };
    let failure = match fix.or_else(|| place.fix(&failure)) {
        Some(fix) => failure.with_hint(fix),
        None => failure,
    };
    let failure = match clock_error {
        Some(difference) => failure.caused_by_clock(difference),
        None => failure,
    };
    let failure = if is_busy { failure.with_retry_class(RetryClass::Transient) } else { failure };
    failure.with_source(error)
}

/// A call that did not end within its own time limit.
pub(super) fn hung(limit: Duration) -> QueueError {
    QueueError::timed_out(format!("no answer from sqs within {limit:?}, the call was dropped"))
}

/// The failure of one entry of a batch.
pub(super) fn entry_error(entry: BatchResultErrorEntry) -> EntryError {
    EntryError::new(entry.code, entry.message.unwrap_or_default(), entry.sender_fault)
}

/// The fault of the credentials, if it caused the failure.
pub(crate) fn credentials_fault(error: &QueueError) -> Option<CredentialsFault> {
    aws::credentials_fault(error)
}

/// True if nothing names the queue's region.
pub(crate) fn is_without_region(error: &QueueError) -> bool {
    let access = error.source().and_then(|source| source.downcast_ref::<AccessError>());
    matches!(access, Some(AccessError::NoRegion))
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::error::CredentialsError;
    use aws_sdk_sqs::{error::ConnectorError, operation::receive_message::ReceiveMessageError};

    use super::*;

    #[test]
    fn a_redrive_policy_counts_in_numbers_or_strings() {
        for count in ["3", "\"3\""] {
            let json = format!(r#"{{"deadLetterTargetArn":"arn:dlq","maxReceiveCount":{count}}}"#);
            let policy = redrive_policy(&json).unwrap();
            assert_eq!((policy.dead_letter_arn.as_str(), policy.max_receive_count.get()), ("arn:dlq", 3));
        }
    }

    #[test]
    fn fractions_of_a_second_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(30)), 30);
        assert_eq!(seconds(Duration::ZERO), 0);
    }

    #[test]
    fn missing_credentials_are_found_behind_the_queues_error() {
        let cause = CredentialsError::not_loaded("none");
        let failure = ConnectorError::other(cause.into(), None);
        let missing = refusal(
            SdkError::<ReceiveMessageError, HttpResponse>::dispatch_failure(failure),
            &SqsPlace::default(),
        );
        assert_eq!(credentials_fault(&missing), Some(CredentialsFault::Missing));
        assert_eq!(credentials_fault(&QueueError::answered("AccessDenied", "")), None);
    }
}
