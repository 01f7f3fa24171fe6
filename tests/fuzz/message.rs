//! Messages from the input of a fuzz target.

use std::time::{Duration, SystemTime};

use crate::message::{AttributeValue, Message};

/// Lines `name: value` before the first empty line, and the body after it.
///
/// A name with `@` is a system attribute, one with `#` has bytes, any other has text.
pub(crate) fn read(input: &[u8]) -> Message {
    let text = String::from_utf8_lossy(input);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut message = Message::new("5fea7756-0ea4-451a-a703-a558b933e274", body);
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        let system = &mut message.system;
        match name {
            "@sender" => system.sender_id = Some(value.to_owned()),
            "@group" => system.group_id = Some(value.to_owned()),
            "@deduplication" => system.deduplication_id = Some(value.to_owned()),
            "@sequence" => system.sequence_number = Some(value.to_owned()),
            "@trace" => system.trace_header = Some(value.to_owned()),
            "@source" => system.dead_letter_source_arn = Some(value.to_owned()),
            "@received" => {
                let millis = value.parse().unwrap_or_default();
                system.first_received_at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
            }
            name => {
                let (name, value) = match name.strip_prefix('#') {
                    Some(name) => (name, AttributeValue::binary(value.as_bytes())),
                    None => (name, AttributeValue::string(value)),
                };
                message.attributes.insert(name.to_owned(), value);
            }
        }
    }
    message
}
