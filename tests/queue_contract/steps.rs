//! The steps of the cases; each panics if the queue fails it.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Harness, Shape};
use longshore::{
    message::{Message, MessageId, OutgoingMessage, Wanted},
    queue::{EntryError, Queue, QueueError, ReceiveAttemptId, ReceiveRequest, VisibilityChange},
};

/// The visibility of receives that a case does not wait for.
pub(crate) const LONG: Duration = Duration::from_mins(5);
/// The visibility of receives whose end a case waits for.
///
/// The steps before that end must fit into it on a slow machine, so it is more than a second.
pub(crate) const SHORT: Duration = Duration::from_secs(2);
/// The wait of a receive for a message that must come.
pub(crate) const WAIT: Duration = Duration::from_secs(10);

/// A fresh queue of this shape.
pub(crate) async fn queue_of(harness: &dyn Harness, shape: Shape) -> Arc<dyn Queue> {
    harness.fresh(shape).await.queue
}

/// Waits until a visibility or delay of [`SHORT`] is over.
pub(crate) async fn pass_short() {
    sleep(SHORT + Duration::from_millis(300)).await;
}

/// A message of a FIFO group, with its body as its deduplication id.
pub(crate) fn of_group(group: &str, body: &str) -> OutgoingMessage {
    OutgoingMessage {
        group_id: Some(group.to_owned()),
        deduplication_id: Some(body.to_owned()),
        ..OutgoingMessage::new(body)
    }
}

/// Sends one message, which must succeed.
pub(crate) async fn send(queue: &dyn Queue, message: OutgoingMessage) -> MessageId {
    try_send(queue, message).await.unwrap_or_else(|error| panic!("the message was refused: {error}"))
}

/// Sends a message with this body.
pub(crate) async fn send_body(queue: &dyn Queue, body: &str) -> MessageId {
    send(queue, OutgoingMessage::new(body)).await
}

/// Sends one message.
pub(crate) async fn try_send(queue: &dyn Queue, message: OutgoingMessage) -> Result<MessageId, EntryError> {
    only(queue.send(&[message]).await)
}

/// Receives once.
pub(crate) async fn try_receive(
    queue: &dyn Queue,
    max: usize,
    wait: Duration,
    visibility: Duration,
) -> Vec<Message> {
    let request = ReceiveRequest { max, wait, visibility, wanted: Wanted::Everything, attempt_id: None };
    try_request(queue, request).await
}

/// Receives up to ten messages as this attempt.
pub(crate) async fn attempt(queue: &dyn Queue, id: &ReceiveAttemptId, visibility: Duration) -> Vec<Message> {
    let attempt_id = Some(id.clone());
    let wanted = Wanted::Everything;
    try_request(queue, ReceiveRequest { max: 10, wait: WAIT, visibility, wanted, attempt_id }).await
}

async fn try_request(queue: &dyn Queue, request: ReceiveRequest) -> Vec<Message> {
    queue.receive(request).await.unwrap_or_else(|error| panic!("the receive failed: {error}"))
}

/// Receives one message that must come.
pub(crate) async fn receive(queue: &dyn Queue, visibility: Duration) -> Message {
    let mut messages = try_receive(queue, 1, WAIT, visibility).await;
    messages.pop().unwrap_or_else(|| panic!("no message came within {WAIT:?}"))
}

/// Receives exactly so many messages, in as many receives as it takes.
pub(crate) async fn receive_all(queue: &dyn Queue, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        let messages = try_receive(queue, 10, WAIT, LONG).await;
        assert!(!messages.is_empty(), "{} of {count} messages came, then none for {WAIT:?}", all.len());
        all.extend(messages);
    }
    assert_eq!(all.len(), count, "more messages came than were sent");
    all
}

/// Receives, and panics if a message comes.
pub(crate) async fn receive_nothing(queue: &dyn Queue, why: &str) {
    let messages = try_receive(queue, 10, Duration::ZERO, LONG).await;
    let bodies: Vec<_> = messages.iter().map(|message| message.body.as_str()).collect();
    assert!(bodies.is_empty(), "{why}, yet these came: {bodies:?}");
}

/// Deletes one message.
pub(crate) async fn try_delete(queue: &dyn Queue, message: &Message) -> Result<(), EntryError> {
    only(queue.delete(std::slice::from_ref(&message.receipt)).await)
}

/// Deletes one message, which must succeed.
pub(crate) async fn delete(queue: &dyn Queue, message: &Message) {
    try_delete(queue, message).await.unwrap_or_else(|error| panic!("the delete was refused: {error}"));
}

/// Changes the visibility of one message.
pub(crate) async fn try_change(
    queue: &dyn Queue,
    message: &Message,
    visibility: Duration,
) -> Result<(), EntryError> {
    only(queue.change_visibility(&[VisibilityChange { receipt: message.receipt.clone(), visibility }]).await)
}

/// Changes the visibility of one message, which must succeed.
pub(crate) async fn change(queue: &dyn Queue, message: &Message, visibility: Duration) {
    let changed = try_change(queue, message, visibility).await;
    changed.unwrap_or_else(|error| panic!("the change was refused: {error}"));
}

/// The bodies of messages, in their order.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// The result of the only entry of a batch.
fn only<T>(answer: Result<Vec<Result<T, EntryError>>, QueueError>) -> Result<T, EntryError> {
    let mut entries = answer.unwrap_or_else(|error| panic!("the whole call failed: {error}"));
    assert_eq!(entries.len(), 1, "one entry must have one result");
    entries.remove(0)
}
