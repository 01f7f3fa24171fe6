//! Tests of the copy: it keeps everything that the sender set, and SQS accepts it.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::message::{AttributeContent, SystemAttributes};

const STANDARD: CopyLimits = CopyLimits { fifo: false, bytes: limits::MESSAGE_BYTES };

fn with_attributes(count: usize) -> Message {
    let mut message = Message::new("id-1", "body");
    message.receive_count = 2;
    message.attributes =
        (0..count).map(|number| (format!("a{number}"), AttributeValue::string("v"))).collect();
    message
}

fn copied(message: Message, reason: &str, allowed: CopyLimits) -> OutgoingMessage {
    copy(message, &RejectRecord { reason, kind: "http", at: UNIX_EPOCH }, allowed)
}

fn text<'a>(copy: &'a OutgoingMessage, name: &str) -> &'a str {
    copy.attributes.get(name).and_then(AttributeValue::text).unwrap_or_default()
}

#[test]
fn each_field_has_an_attribute_while_there_is_space_for_all() {
    let copy = copied(with_attributes(5), "no such customer", STANDARD);
    let fields = ["reason", "kind", "attempt", "time", "message-id"];
    let values = fields.map(|field| text(&copy, &format!("longshore.reject.{field}")));
    assert_eq!(values, ["no such customer", "http", "2", "1970-01-01T00:00:00.000Z", "id-1"]);
    assert_eq!(copy.attributes["longshore.reject.attempt"].data_type, "Number");
    assert_eq!(copy.attributes.len(), 10);
}

#[cfg(feature = "cli")]
#[test]
fn the_record_of_a_copy_can_be_read_in_each_of_its_forms() {
    use crate::consumer::settle::StoredRejection;
    for attributes in [0, 5, 6, 9] {
        let copy = copied(with_attributes(attributes), "no such customer", STANDARD);
        let mut message = Message::new("copy", "body");
        message.attributes = copy.attributes;
        let expected = StoredRejection {
            reason: "no such customer".to_owned(),
            kind: "http".to_owned(),
            attempt: Some(2),
            time: Some("1970-01-01T00:00:00.000Z".to_owned()),
            message_id: Some("id-1".to_owned()),
        };
        assert_eq!(StoredRejection::of(&message), Some(expected), "beside {attributes} attributes");
        remove_record(&mut message);
        assert_eq!(StoredRejection::of(&message), None);
    }
}

#[test]
fn the_fields_share_one_attribute_while_there_is_space_for_fewer() {
    for count in 6..=9 {
        let copy = copied(with_attributes(count), "say \"why\"", STANDARD);
        let record: Value = serde_json::from_str(text(&copy, "longshore.reject")).unwrap();
        assert_eq!((&record["reason"], &record["kind"]), (&"say \"why\"".into(), &"http".into()));
        assert_eq!((&record["attempt"], &record["message-id"]), (&2.into(), &"id-1".into()));
        assert_eq!(record["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(copy.attributes.len(), count + 1);
    }
}

#[test]
fn ten_attributes_are_kept_as_they_are() {
    let message = with_attributes(10);
    let attributes = message.attributes.clone();
    assert_eq!(copied(message, "never", STANDARD).attributes, attributes);
}

#[test]
fn the_record_of_an_earlier_reject_is_replaced() {
    let mut message = with_attributes(2);
    message.attributes.insert("longshore.rejected".to_owned(), AttributeValue::string("the sender's own"));
    let mut once = copied(message, "first", STANDARD);
    once.attributes.insert("longshore.reject".to_owned(), AttributeValue::string("{}"));
    let again = Message { attributes: once.attributes, ..Message::new("id-2", "body") };
    let twice = copied(again, "second", STANDARD);
    assert_eq!(text(&twice, "longshore.reject.reason"), "second");
    assert_eq!(text(&twice, "longshore.reject.message-id"), "id-2");
    assert_eq!(text(&twice, "longshore.rejected"), "the sender's own");
    assert_eq!(twice.attributes.len(), 3 + 5);
}

#[test]
fn a_fifo_copy_keeps_the_group_and_has_the_message_id_for_its_deduplication() {
    let system = SystemAttributes {
        group_id: Some("g".to_owned()),
        deduplication_id: Some("the sender's".to_owned()),
        trace_header: Some("Root=1".to_owned()),
        ..SystemAttributes::default()
    };
    let message = Message { system: system.into(), ..Message::new("id-1", "body") };
    let fifo = copied(message.clone(), "r", CopyLimits { fifo: true, ..STANDARD });
    assert_eq!((fifo.group_id.as_deref(), fifo.deduplication_id.as_deref()), (Some("g"), Some("id-1")));
    assert_eq!(fifo.trace_header.as_deref(), Some("Root=1"));
    let standard = copied(message, "r", STANDARD);
    assert_eq!((standard.group_id.as_deref(), standard.deduplication_id), (Some("g"), None));
}

#[test]
fn a_reason_that_sqs_would_refuse_is_cleaned() {
    let reason = |reason: &str| {
        text(&copied(with_attributes(0), reason, STANDARD), "longshore.reject.reason").to_owned()
    };
    assert_eq!(reason("a\u{0}b\u{FFFE}"), "a\u{FFFD}b\u{FFFD}");
    assert_eq!((reason(""), reason(" \n")), ("no reason given".to_owned(), "no reason given".to_owned()));
    let long = reason(&"🚢".repeat(2_000));
    assert!(long.len() <= REASON_BYTES && long.ends_with("🚢…"), "{}", long.len());
}

#[test]
fn the_reason_is_shortened_before_the_record_is_omitted() {
    let of_size = |bytes: usize| Message { body: "x".repeat(bytes), ..Message::new("id-1", "") };
    let full = copied(of_size(limits::MESSAGE_BYTES), "why", STANDARD);
    assert_eq!((full.attributes.len(), full.size_bytes()), (0, limits::MESSAGE_BYTES));
    let nearly = copied(of_size(limits::MESSAGE_BYTES - 250), &"why ".repeat(100), STANDARD);
    assert_eq!((nearly.attributes.len(), nearly.size_bytes()), (5, limits::MESSAGE_BYTES));
    assert!(text(&nearly, "longshore.reject.reason").ends_with(ELLIPSIS));
    let small_dlq = copied(of_size(1_000), &"why ".repeat(100), CopyLimits { bytes: 1_024, ..STANDARD });
    assert_eq!(small_dlq.attributes.len(), 0, "a queue may take less than SQS does");
}

proptest! {
    #[test]
fn every_copy_is_within_the_limits_and_keeps_what_the_sender_set(
        attributes in 0usize..=10,
        left in 0usize..600,
        reason in ".{0,400}",
    ) {
        let mut message = with_attributes(attributes);
        let given = message.attributes.clone();
        let outgoing = OutgoingMessage { attributes: given.clone(), ..OutgoingMessage::default() };
        message.body = "x".repeat(2_000 - left - outgoing.size_bytes());
        let copy = copied(message.clone(), &reason, CopyLimits { bytes: 2_000, ..STANDARD });
        prop_assert!(copy.size_bytes() <= 2_000);
        prop_assert!(copy.attributes.len() <= limits::ATTRIBUTES);
        prop_assert_eq!(&copy.body, &message.body);
        prop_assert!(given.iter().all(|(name, value)| copy.attributes.get(name) == Some(value)));
        for value in copy.attributes.values() {
            let AttributeContent::Text(text) = &value.content else { continue };
            prop_assert!(!text.is_empty() && text.chars().all(limits::is_allowed));
        }
    }
}
