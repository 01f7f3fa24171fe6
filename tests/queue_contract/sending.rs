//! Sends: content, delays, sizes and errors by entry.

use std::time::Duration;

use super::{
    Harness, Shape,
    steps::{
        LONG, SHORT, bodies, pass_short, queue_of, receive, receive_all, receive_nothing, send, send_body,
        try_send,
    },
};
use longshore::{
    message::{AttributeValue, OutgoingMessage},
    queue::{RetryClass, limits},
};
/// A body arrives unchanged, including characters that the wire format escapes.
pub(crate) async fn bodies_arrive_byte_for_byte(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    for body in [
        "{\"quoted\": \"\\\"\"}",
        "a&b=c%20d+e f",
        "🚢 ünï ☕ \u{10FFFF}",
        "line\nline\r\n\ttab",
        "<x>&amp;</x>",
        " edges ",
    ] {
        send_body(&*queue, body).await;
        let message = receive(&*queue, LONG).await;
        assert_eq!(message.body, body);
    }
}

/// Attributes keep their types, suffixes and values; the system attributes are there too.
pub(crate) async fn attributes_arrive_as_they_were_sent(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let mut outgoing = OutgoingMessage::new("one");
    let custom = AttributeValue { data_type: "Number.int".to_owned(), ..AttributeValue::number("42") };
    outgoing.attributes.insert("Text".to_owned(), AttributeValue::string("a \"b\" & c"));
    outgoing.attributes.insert("Count".to_owned(), custom);
    outgoing.attributes.insert("Bytes".to_owned(), AttributeValue::binary([0, 255, 10]));
    let trace_header = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";
    outgoing.trace_header = Some(trace_header.to_owned());
    outgoing.group_id = Some("tenant-1".to_owned());
    let id = send(&*queue, outgoing.clone()).await;
    let message = receive(&*queue, LONG).await;
    assert_eq!((message.id, message.attributes), (id, outgoing.attributes));
    assert_eq!(message.system.trace_header.as_deref(), Some(trace_header));
    assert_eq!(message.system.group_id.as_deref(), Some("tenant-1"), "a standard queue's tenant");
    assert!(message.sent_at.is_some() && message.system.sender_id.is_some(), "returned with every message");
}

/// A message with a delay is hidden until its end.
pub(crate) async fn a_delayed_message_appears_after_its_delay(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send(&*queue, OutgoingMessage { delay: Some(SHORT), ..OutgoingMessage::new("late") }).await;
    receive_nothing(&*queue, "the message is delayed").await;
    pass_short().await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 1, "a delay is no receive");
}

/// The delay of the queue is the delay of messages without one of their own.
pub(crate) async fn a_queue_delays_every_message(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape { delay: SHORT, ..Shape::default() }).await;
    send_body(&*queue, "late").await;
    send(&*queue, OutgoingMessage { delay: Some(Duration::ZERO), ..OutgoingMessage::new("at once") }).await;
    assert_eq!(receive(&*queue, LONG).await.body, "at once");
    receive_nothing(&*queue, "the other message is delayed").await;
    pass_short().await;
    assert_eq!(receive(&*queue, LONG).await.body, "late");
}

/// A message that breaks a rule fails by itself, and the others of its batch are accepted.
pub(crate) async fn a_batch_fails_by_entry(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let mut unnamed = OutgoingMessage::new("reserved");
    unnamed.attributes.insert("AWS.name".to_owned(), AttributeValue::string("x"));
    let batch =
        [OutgoingMessage::new("one"), OutgoingMessage::new("\u{1}"), unnamed, OutgoingMessage::new("two")];
    let answer = queue.send(&batch).await.unwrap_or_else(|error| panic!("the whole call failed: {error}"));
    let retry_classes: Vec<_> =
        answer.into_iter().map(|entry| entry.map(drop).map_err(|error| error.retry_class)).collect();
    assert_eq!(retry_classes, [Ok(()), Err(RetryClass::Refused), Err(RetryClass::Refused), Ok(())]);
    let messages = receive_all(&*queue, 2).await;
    let mut arrived = bodies(&messages);
    arrived.sort_unstable();
    assert_eq!(arrived, ["one", "two"]);
}

/// The largest message is 1 MiB, attributes included.
pub(crate) async fn a_message_of_one_mebibyte_passes_and_no_larger_one(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let mut message = OutgoingMessage::new("x".repeat(limits::MESSAGE_BYTES - "nameStringvalue".len()));
    message.attributes.insert("name".to_owned(), AttributeValue::string("value"));
    try_send(&*queue, message.clone()).await.unwrap_or_else(|error| panic!("1 MiB was refused: {error}"));
    assert_eq!(receive(&*queue, LONG).await.body.len(), message.body.len());
    message.body.push('x');
    let taken = queue.send(&[message]).await.is_ok_and(|entries| entries.iter().all(Result::is_ok));
    assert!(!taken, "more than 1 MiB was taken");
}
