//! The limits that SNS documents, each in one place.

/// The longest subject, in characters.
pub const SUBJECT_CHARS: usize = 100;
/// The longest text that one call sends as SMS, in characters; SNS cuts it into as many SMS as it takes.
pub const SMS_CHARS: usize = 1_600;
/// The largest message of a topic whose `MaximumMessageSize` is not set, body and attributes.
pub const MESSAGE_BYTES: usize = 262_144;
/// The largest `MaximumMessageSize`.
pub const LARGEST_MESSAGE_BYTES: usize = 1_048_576;
/// The most entries of a batch.
pub const BATCH_ENTRIES: usize = 10;

/// Whether SNS takes this as a subject: printable ASCII, not beginning with a space.
pub fn is_subject(text: &str) -> bool {
    let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
    (1..=SUBJECT_CHARS).contains(&text.len()) && text.bytes().all(is_printable) && !text.starts_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_short_line_of_ascii() {
        for subject in ["Order shipped", "!", &"x".repeat(100)] {
            assert!(is_subject(subject), "{subject}");
        }
        for subject in ["", " x", "a\nb", "größer", &"x".repeat(101)] {
            assert!(!is_subject(subject), "{subject}");
        }
    }
}
