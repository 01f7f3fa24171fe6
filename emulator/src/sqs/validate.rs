//! The rules for the parameters of requests: numbers, messages, attributes, ids and batches.

use std::{collections::HashSet, time::Duration};

use super::{ReceiveOptions, SqsApiError, SqsErrorCode};
use crate::{
    limits,
    message::{AttributeData, MessageAttributeValue, NewMessage},
};

/// Checks and converts `VisibilityTimeout`, `WaitTimeSeconds` or `DelaySeconds`.
pub(crate) fn seconds(parameter: &str, value: i64) -> Result<Duration, SqsApiError> {
    let duration = u64::try_from(value).map_or(Duration::MAX, Duration::from_secs);
    if duration <= longest(parameter) { Ok(duration) } else { Err(out_of_range(parameter, value)) }
}

/// Checks the value of `VisibilityTimeout`, `WaitTimeSeconds` or `DelaySeconds`.
pub(super) fn check_duration(parameter: &str, duration: Duration) -> Result<(), SqsApiError> {
    if duration <= longest(parameter) { Ok(()) } else { Err(out_of_range(parameter, duration.as_secs())) }
}

fn longest(parameter: &str) -> Duration {
    match parameter {
        "WaitTimeSeconds" => limits::WAIT,
        "DelaySeconds" => limits::DELAY,
        _ => limits::VISIBILITY,
    }
}

fn out_of_range(parameter: &str, value: impl std::fmt::Display) -> SqsApiError {
    let reason = format!("Must be >= 0 and <= {}, if provided.", longest(parameter).as_secs());
    SqsApiError::invalid_parameter(parameter, value, &reason)
}

/// Checks the parameters of a receive.
pub(super) fn check_receive(options: &ReceiveOptions) -> Result<(), SqsApiError> {
    check_max(options.max)?;
    check_duration("WaitTimeSeconds", options.wait.unwrap_or_default())?;
    check_duration("VisibilityTimeout", options.visibility.unwrap_or_default())?;
    check_id("ReceiveRequestAttemptId", options.attempt_id.as_deref())
}

fn check_max(max: usize) -> Result<(), SqsApiError> {
    if (1..=limits::BATCH_ENTRIES).contains(&max) {
        return Ok(());
    }
    Err(SqsApiError::invalid_parameter("MaxNumberOfMessages", max, "Must be between 1 and 10, if provided."))
}

/// Checks the rules for messages of every queue.
pub(super) fn check_message(message: &NewMessage, max_bytes: usize) -> Result<(), SqsApiError> {
    if message.body.is_empty() {
        return Err(SqsApiError::missing_parameter("MessageBody"));
    }
    check_characters(&message.body)?;
    if message.attributes.len() > limits::ATTRIBUTES {
        let count = message.attributes.len();
        let message = format!("Number of message attributes [{count}] exceeds the allowed maximum [10].");
        return Err(invalid(message));
    }
    for (name, value) in &message.attributes {
        check_attribute_name(name)?;
        check_attribute_value(name, value)?;
    }
    if message.size_bytes() > max_bytes {
        let reason = format!("Message must be shorter than {max_bytes} bytes.");
        return Err(invalid(format!("One or more parameters are invalid. Reason: {reason}")));
    }
    check_id("MessageGroupId", message.group_id.as_deref())?;
    check_id("MessageDeduplicationId", message.deduplication_id.as_deref())
}

fn check_characters(text: &str) -> Result<(), SqsApiError> {
    if text.chars().all(limits::is_allowed) {
        return Ok(());
    }
    let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                   #xE000 to #xFFFD | #x10000 to #x10FFFF";
    Err(SqsApiError::new(SqsErrorCode::InvalidMessageContents, message))
}

fn check_attribute_name(name: &str) -> Result<(), SqsApiError> {
    if name.is_empty() || name.len() > 256 {
        return Err(invalid("Message (user) attribute names must be shorter than 256 Bytes".to_owned()));
    }
    let well_formed = name.chars().all(|character| character.is_alphanumeric() || "_-.".contains(character));
    if !well_formed || name.contains("..") {
        let message = "Message (user) attributes name can only contain upper and lower score characters, digits, \
                       periods, hyphens and underscores.";
        return Err(invalid(message.to_owned()));
    }
    let lowercase = name.to_ascii_lowercase();
    let reserved = lowercase.starts_with("aws.") || lowercase.starts_with("amazon.");
    if reserved || name.starts_with('.') || name.ends_with('.') {
        let message = "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings \
                       are reserved for internal use. Additionally, they cannot start or end with '.'.";
        return Err(invalid(message.to_owned()));
    }
    Ok(())
}

fn check_attribute_value(name: &str, value: &MessageAttributeValue) -> Result<(), SqsApiError> {
    let data_type = value.data_type.as_str();
    if data_type.is_empty() {
        return Err(invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    if data_type.len() > 256 {
        return Err(invalid("Message (user) attribute types must be shorter than 256 Bytes".to_owned()));
    }
    let (base, _) = data_type.split_once('.').unwrap_or((data_type, ""));
    let is_empty = match (base, &value.content) {
        ("String" | "Number", AttributeData::Text(text)) => text.is_empty(),
        ("Binary", AttributeData::Bytes(bytes)) => bytes.is_empty(),
        ("String" | "Number" | "Binary", _) => true,
        _ => {
            return Err(invalid(format!(
                "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                 prefixes is Binary, Number, and String."
            )));
        }
    };
    if is_empty {
        return Err(invalid(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
        )));
    }
    match (base, value.text()) {
        ("Number", Some(digits)) => check_number(name, digits),
        // The code differs from that of a body (recorded against AWS).
        (_, Some(text)) => check_characters(text).map_err(|error| invalid(error.message)),
        (_, None) => Ok(()),
    }
}

fn check_number(name: &str, digits: &str) -> Result<(), SqsApiError> {
    // Rust also reads `inf` and `nan`, which SQS does not.
    let plausible = digits.trim().bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plausible && digits.trim().parse::<f64>().is_ok() {
        return Ok(());
    }
    Err(invalid(format!("Can't cast the value of message (user) attribute '{name}' to a number.")))
}

fn check_id(parameter: &str, id: Option<&str>) -> Result<(), SqsApiError> {
    let Some(id) = id else { return Ok(()) };
    let well_formed = id.bytes().all(|byte| byte.is_ascii_graphic());
    if well_formed && (1..=limits::GROUP_ID_CHARS).contains(&id.len()) {
        return Ok(());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length.");
    Err(SqsApiError::invalid_parameter(parameter, id, &reason))
}

fn invalid(message: String) -> SqsApiError {
    SqsApiError::new(SqsErrorCode::InvalidParameterValue, message)
}

/// Checks the ids of the entries of a batch: 1 to 10, well formed and distinct.
pub(crate) fn batch_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), SqsApiError> {
    let ids: Vec<&str> = ids.into_iter().collect();
    check_batch_len(ids.len())?;
    let mut seen = HashSet::new();
    for id in ids {
        check_entry_id(id)?;
        if !seen.insert(id) {
            return Err(SqsApiError::new(
                SqsErrorCode::BatchEntryIdsNotDistinct,
                format!("Id {id} repeated."),
            ));
        }
    }
    Ok(())
}

/// Checks the number of entries of a batch.
fn check_batch_len(entries: usize) -> Result<(), SqsApiError> {
    if entries == 0 {
        let message = "There should be at least one entry in the request.";
        return Err(SqsApiError::new(SqsErrorCode::EmptyBatchRequest, message));
    }
    if entries > limits::BATCH_ENTRIES {
        let message = format!("Maximum number of entries per request are 10. You have sent {entries}.");
        return Err(SqsApiError::new(SqsErrorCode::TooManyEntriesInBatchRequest, message));
    }
    Ok(())
}

fn check_entry_id(id: &str) -> Result<(), SqsApiError> {
    let well_formed = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if well_formed && (1..=limits::ENTRY_ID_CHARS).contains(&id.len()) {
        return Ok(());
    }
    let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                   It can be at most 80 letters long.";
    Err(SqsApiError::new(SqsErrorCode::InvalidBatchEntryId, message))
}

/// Checks the size of a batch: bodies and attributes of all entries together.
pub(crate) fn batch_bytes(bytes: usize) -> Result<(), SqsApiError> {
    let most = limits::MESSAGE_BYTES;
    if bytes <= most {
        return Ok(());
    }
    let message = format!("Batch requests cannot be longer than {most} bytes. You have sent {bytes} bytes.");
    Err(SqsApiError::new(SqsErrorCode::BatchRequestTooLong, message))
}
