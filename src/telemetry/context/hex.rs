//! Numbers in hexadecimal digits, of exactly the length that a format gives them.

use opentelemetry::trace::{SpanId, TraceId};

/// A number of so many digits, lower case as every format here demands it.
///
/// The standard parser alone would take a sign, capitals and fewer digits.
pub(super) fn number(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = text.len() == digits && text.bytes().all(is_hex);
    is_whole.then(|| u128::from_str_radix(text, 16).ok())?
}

/// A trace's id of 32 digits.
pub(super) fn trace_id(text: &str) -> Option<TraceId> {
    number(text, 32).map(TraceId::from)
}

/// A span's id of 16 digits.
pub(super) fn span_id(text: &str) -> Option<SpanId> {
    number(text, 16).and_then(|id| u64::try_from(id).ok()).map(SpanId::from)
}
