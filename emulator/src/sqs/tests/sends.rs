//! Sends: the rules for messages, and the response to those that are accepted.

use super::harness::{account_with, attribute, code, names, of_group};
use crate::{
    message::{AttributeData, MessageAttributeValue, NewMessage},
    sqs::{SqsAccount, SqsErrorCode, batch_bytes, batch_ids, seconds},
};
use std::time::Duration;

fn sending(message: NewMessage) -> Option<SqsErrorCode> {
    code(account_with("orders", &[]).send("orders", message))
}

fn with_attribute(name: &str, value: MessageAttributeValue) -> NewMessage {
    let mut message = NewMessage::new("x");
    message.attributes.insert(name.to_owned(), value);
    message
}

fn typed(data_type: &str, value: MessageAttributeValue) -> MessageAttributeValue {
    MessageAttributeValue { data_type: data_type.to_owned(), ..value }
}

#[test]
fn bodies_are_checked() {
    assert_eq!(sending(NewMessage::new("")), Some(SqsErrorCode::MissingParameter));
    for good in ["\t\n\r x", "\u{FFFD}\u{10000}", "\u{E000}"] {
        assert_eq!(sending(NewMessage::new(good)), None, "{good:?}");
    }
    for bad in ["\u{0}", "\u{B}", "a\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
        assert_eq!(sending(NewMessage::new(bad)), Some(SqsErrorCode::InvalidMessageContents), "{bad:?}");
    }
}

#[test]
fn a_queue_may_accept_less_than_a_mebibyte() {
    let account = account_with("orders", &[("MaximumMessageSize", "1024")]);
    let fits = account.send("orders", NewMessage::new("x".repeat(1024)));
    let refused = account.send("orders", NewMessage::new("x".repeat(1025))).unwrap_err();
    assert!(fits.is_ok());
    let expected = "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.";
    assert_eq!((refused.code, refused.message.as_str()), (SqsErrorCode::InvalidParameterValue, expected));
}

#[test]
fn attribute_names_are_checked() {
    let longest = "x".repeat(256);
    for good in ["a", "A-b_c.9", longest.as_str(), "AWSname", "ä"] {
        assert_eq!(sending(with_attribute(good, MessageAttributeValue::string("x"))), None, "{good}");
    }
    let too_long = "x".repeat(257);
    for bad in ["", ".a", "a.", "a..b", "a b", "AWS.x", "amazon.x", too_long.as_str()] {
        let refused = sending(with_attribute(bad, MessageAttributeValue::string("x")));
        assert_eq!(refused, Some(SqsErrorCode::InvalidParameterValue), "{bad}");
    }
}

#[test]
fn attribute_values_are_checked() {
    let number = MessageAttributeValue::number;
    for good in [
        typed("String.json", MessageAttributeValue::string("{}")),
        typed("Number.int", number("-7")),
        number("1.5e3"),
        typed("Binary.png", MessageAttributeValue::binary([0])),
    ] {
        assert_eq!(sending(with_attribute("name", good.clone())), None, "{good:?}");
    }
    for bad in [
        MessageAttributeValue::string(""),
        MessageAttributeValue::binary([]),
        number("seven"),
        number("inf"),
        typed("", MessageAttributeValue::string("x")),
        typed("Strings", MessageAttributeValue::string("x")),
        typed("Binary", MessageAttributeValue::string("x")),
        typed(&format!("String.{}", "x".repeat(250)), MessageAttributeValue::string("x")),
    ] {
        let refused = sending(with_attribute("name", bad.clone()));
        assert_eq!(refused, Some(SqsErrorCode::InvalidParameterValue), "{bad:?}");
    }
    let control = MessageAttributeValue { content: AttributeData::Text("\u{1}".to_owned()), ..number("") };
    let refused = sending(with_attribute("name", typed("String", control)));
    assert_eq!(refused, Some(SqsErrorCode::InvalidParameterValue));
}

#[test]
fn an_eleventh_attribute_is_refused() {
    let mut message = NewMessage::new("x");
    for number in 0..10 {
        message.attributes.insert(format!("a{number}"), MessageAttributeValue::string("x"));
    }
    assert_eq!(sending(message.clone()), None);
    message.attributes.insert("b".to_owned(), MessageAttributeValue::string("x"));
    assert_eq!(sending(message), Some(SqsErrorCode::InvalidParameterValue));
}

#[test]
fn a_standard_queue_accepts_a_tenant_and_no_deduplication_id() {
    let tenant = |id: &str| NewMessage { group_id: Some(id.to_owned()), ..NewMessage::new("x") };
    assert_eq!(sending(tenant(&"t".repeat(128))), None);
    for bad in ["", "a b", "ä", &"t".repeat(129)] {
        assert_eq!(sending(tenant(bad)), Some(SqsErrorCode::InvalidParameterValue), "{bad}");
    }
    assert_eq!(sending(of_group("a", "one")), Some(SqsErrorCode::InvalidParameterValue));
}

#[test]
fn delays_end_at_fifteen_minutes_and_are_not_for_fifo_messages() {
    let delayed = |delay| NewMessage { delay: Some(Duration::from_secs(delay)), ..NewMessage::new("x") };
    assert_eq!(
        (sending(delayed(900)), sending(delayed(901))),
        (None, Some(SqsErrorCode::InvalidParameterValue))
    );
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    let refused = account
        .send("orders.fifo", NewMessage { delay: delayed(2).delay, ..of_group("a", "1") })
        .unwrap_err();
    let expected = "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is \
                 not valid for this queue type.";
    assert_eq!(refused.message, expected);
}

#[test]
fn a_fifo_queue_requires_a_group_and_a_deduplication_id() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    let send = |message| code(account.send("orders.fifo", message));
    assert_eq!(send(NewMessage::new("x")), Some(SqsErrorCode::MissingParameter));
    let without_id = NewMessage { deduplication_id: None, ..of_group("a", "1") };
    assert_eq!(send(without_id), Some(SqsErrorCode::InvalidParameterValue));
    assert_eq!(send(of_group("a", "1")), None);
}

#[test]
fn deduplication_may_be_by_group() {
    let by_queue = account_with("orders.fifo", &[("FifoQueue", "true")]);
    let by_group =
        account_with("orders.fifo", &[("FifoQueue", "true"), ("DeduplicationScope", "messageGroup")]);
    let same = |account: &SqsAccount, one: &str, other: &str| {
        let send = |group| account.send("orders.fifo", of_group(group, "id")).unwrap().id;
        send(one) == send(other)
    };
    assert!(same(&by_queue, "a", "b"));
    assert!(!same(&by_group, "a", "b"));
    assert!(same(&by_group, "a", "a"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_scope_of_deduplication_takes_effect_after_a_minute() {
    for (before, after) in [("queue", "messageGroup"), ("messageGroup", "queue")] {
        let account = account_with("orders.fifo", &[("FifoQueue", "true"), ("DeduplicationScope", before)]);
        let change = names(&[("DeduplicationScope", after)]);
        let are_same = |id: &str| {
            let send = |group| {
                let message = NewMessage { deduplication_id: Some(id.to_owned()), ..of_group(group, "x") };
                account.send("orders.fifo", message).unwrap().id
            };
            send("a") == send("b")
        };
        account.set_attributes("orders.fifo", &change).unwrap();
        assert_eq!(attribute(&account, "orders.fifo", "DeduplicationScope").as_deref(), Some(after));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(are_same("1"), before == "queue", "{before}");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(are_same("2"), after == "queue", "{after}");
    }
}

#[test]
fn the_checksums_are_those_of_aws() {
    let account = account_with("orders", &[]);
    let mut message = with_attribute("timestamp", MessageAttributeValue::number("1493147359900"));
    message.trace_header = Some("Root=1".to_owned());
    let sent = account.send("orders", message).unwrap();
    assert_eq!(sent.md5_of_body, "9dd4e461268c8034f5c8564e155c67a6");
    assert_eq!(sent.md5_of_attributes.as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
    assert!(sent.md5_of_system_attributes.is_some());
    let plain = account.send("orders", NewMessage::new("x")).unwrap();
    assert_eq!((plain.md5_of_attributes, plain.md5_of_system_attributes), (None, None));
}

#[test]
fn batches_are_checked_as_a_whole() {
    let ids = |count: usize| (0..count).map(|id| id.to_string()).collect::<Vec<_>>();
    let check = |ids: &[String]| code(batch_ids(ids.iter().map(String::as_str)));
    assert_eq!(check(&ids(10)), None);
    assert_eq!(check(&ids(0)), Some(SqsErrorCode::EmptyBatchRequest));
    assert_eq!(check(&ids(11)), Some(SqsErrorCode::TooManyEntriesInBatchRequest));
    assert_eq!(check(&["a".to_owned(), "a".to_owned()]), Some(SqsErrorCode::BatchEntryIdsNotDistinct));
    for bad in [String::new(), "a b".to_owned(), "a.b".to_owned(), "x".repeat(81)] {
        assert_eq!(check(&[bad]), Some(SqsErrorCode::InvalidBatchEntryId));
    }
    assert_eq!(
        (code(batch_bytes(1_048_576)), code(batch_bytes(1_048_577))),
        (None, Some(SqsErrorCode::BatchRequestTooLong))
    );
}

#[test]
fn seconds_of_the_wire_are_bounded_by_their_parameter() {
    assert_eq!(seconds("WaitTimeSeconds", 20), Ok(Duration::from_secs(20)));
    for (parameter, value) in [
        ("WaitTimeSeconds", 21),
        ("WaitTimeSeconds", -1),
        ("DelaySeconds", 901),
        ("VisibilityTimeout", 43_201),
    ] {
        assert_eq!(
            code(seconds(parameter, value)),
            Some(SqsErrorCode::InvalidParameterValue),
            "{parameter} {value}"
        );
    }
    let expected =
        "Value -1 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.";
    assert_eq!(seconds("WaitTimeSeconds", -1).unwrap_err().message, expected);
}
