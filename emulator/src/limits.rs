//! The limits that SQS and SNS document, and those that keep the memory of the emulator within bounds.

use std::time::Duration;

/// The most entries of a batch call, and the most messages of a receive.
pub(crate) const BATCH_ENTRIES: usize = 10;
/// The longest wait of a receive.
pub(crate) const WAIT: Duration = Duration::from_secs(20);
/// The longest visibility timeout of one call, and of a received message in all.
pub(crate) const VISIBILITY: Duration = Duration::from_hours(12);
/// The longest delay of a message.
pub(crate) const DELAY: Duration = Duration::from_mins(15);
/// The largest message, body and attributes, and the largest batch of them (1 MiB since August 2025).
pub(crate) const MESSAGE_BYTES: usize = 1_048_576;
/// The most attributes of a message.
pub(crate) const ATTRIBUTES: usize = 10;
/// The most messages in flight per queue.
pub(crate) const IN_FLIGHT: usize = 120_000;
/// The longest `MessageGroupId` and `MessageDeduplicationId`, in characters.
pub(crate) const GROUP_ID_CHARS: usize = 128;
/// The longest `Id` of a batch entry, in characters.
pub(crate) const ENTRY_ID_CHARS: usize = 80;

/// The longest name of a topic, in characters.
pub(crate) const TOPIC_NAME_CHARS: usize = 256;
/// The longest subject of a publication, in characters.
pub(crate) const SUBJECT_CHARS: usize = 100;
/// The longest text of one SMS call, in characters.
pub(crate) const SMS_CHARS: usize = 1_600;
/// The largest message of a topic whose `MaximumMessageSize` is not set, body and attributes.
pub(crate) const TOPIC_MESSAGE_BYTES: usize = 262_144;

/// The most bytes that queues and topics hold in memory together, unless a setting says otherwise.
pub(crate) const STORED_BYTES: usize = 1024 * 1024 * 1024;
/// The most parameters of a request: more than twice those of the largest, a batch with all attributes.
pub(crate) const PARAMETERS: usize = 1_000;
/// The deepest nesting of parameters, that of SNS: `Entries.member.1.MessageAttributes.entry.1.Value.StringValue`.
pub(crate) const PARAMETER_DEPTH: usize = 8;
/// The longest name of a parameter, in bytes: twice that of the longest.
pub(crate) const PARAMETER_NAME_BYTES: usize = 256;
/// The largest value of one attribute of a queue, a topic or a subscription, in bytes: that of a filter policy.
pub(crate) const ATTRIBUTE_BYTES: usize = 256 * 1024;

/// Returns true if SQS accepts the character in a body: the characters of XML 1.0.
pub(crate) const fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// Returns true if SNS accepts the text as a subject: printable ASCII that does not begin with a space.
pub(crate) fn is_subject(text: &str) -> bool {
    let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
    (1..=SUBJECT_CHARS).contains(&text.len()) && text.bytes().all(is_printable) && !text.starts_with(' ')
}
