//! The limits that SQS documents.

use std::time::Duration;

/// The most entries of a batch call, and the most messages of a receive.
pub(crate) const BATCH_ENTRIES: usize = 10;
/// The longest a receive may wait.
pub(crate) const WAIT: Duration = Duration::from_secs(20);
/// The longest visibility of one call, and the longest a message may be held in all, counted from its receive.
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

/// True if SQS accepts this character in a body: the characters of XML 1.0.
pub(crate) const fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
