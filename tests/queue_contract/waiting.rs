//! Receives that wait, and the events that end their wait.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{
    Harness, Kind, Shape,
    steps::{
        LONG, SHORT, change, delete, of_group, queue_of, receive, receive_nothing, send, send_body,
        try_receive,
    },
};
use longshore::{
    message::{Message, OutgoingMessage},
    queue::Queue,
    tasks,
};

/// The wait of a receive that an event must end early.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time for which a receive waits before the event.
const BEFORE_EVENT: Duration = Duration::from_millis(300);

/// A receive that waits in a task of its own, so that nothing but the queue wakes it.
fn wait_apart(queue: &Arc<dyn Queue>) -> JoinHandle<Vec<Message>> {
    let queue = Arc::clone(queue);
    tasks::detach("waiting receive", async move { try_receive(&*queue, 1, PATIENCE, LONG).await })
}

/// Starts a receive, lets an event happen, and returns the message of the receive if it came in time.
async fn answer_to(queue: &Arc<dyn Queue>, event: impl Future<Output = ()>) -> Message {
    let start = Instant::now();
    let waiting = wait_apart(queue);
    sleep(BEFORE_EVENT).await;
    event.await;
    let mut messages = waiting.await.unwrap_or_else(|error| panic!("the receive failed: {error}"));
    assert!(start.elapsed() < PATIENCE / 2, "answered only after {:?}", start.elapsed());
    messages.pop().unwrap_or_else(|| panic!("the waiting receive was answered with nothing"))
}

/// A send ends the wait of a receive.
pub(crate) async fn a_waiting_receive_is_answered_by_a_send(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let sending = async { drop(send_body(&*queue, "one").await) };
    assert_eq!(answer_to(&queue, sending).await.body, "one");
}

/// The end of a visibility ends it too.
pub(crate) async fn a_waiting_receive_is_answered_by_a_visibility_that_ends(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    receive(&*queue, SHORT).await;
    assert_eq!(answer_to(&queue, std::future::ready(())).await.receive_count, 2);
}

/// So does a message that is given back before its visibility ends.
pub(crate) async fn a_waiting_receive_is_answered_by_a_message_given_back(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, LONG).await;
    let giving_back = change(&*queue, &held, Duration::ZERO);
    assert_eq!(answer_to(&queue, giving_back).await.receive_count, 2);
}

/// So does the end of a delay.
pub(crate) async fn a_waiting_receive_is_answered_by_a_delay_that_ends(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let late = OutgoingMessage { delay: Some(SHORT), ..OutgoingMessage::new("late") };
    let sending = async { drop(send(&*queue, late).await) };
    assert_eq!(answer_to(&queue, sending).await.body, "late");
}

/// So does a delete that frees a FIFO group.
pub(crate) async fn a_waiting_receive_is_answered_by_a_freed_group(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2"] {
        send(&*queue, of_group("a", body)).await;
    }
    let first = receive(&*queue, LONG).await;
    assert_eq!(answer_to(&queue, delete(&*queue, &first)).await.body, "2");
}

/// Several receives that wait get one message each.
pub(crate) async fn each_message_goes_to_one_waiting_receive(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let start = Instant::now();
    let waiting = [wait_apart(&queue), wait_apart(&queue), wait_apart(&queue)];
    sleep(BEFORE_EVENT).await;
    for body in ["1", "2", "3"] {
        send_body(&*queue, body).await;
    }
    let mut bodies = Vec::new();
    for answer in waiting {
        let messages = answer.await.unwrap_or_else(|error| panic!("the receive failed: {error}"));
        bodies.extend(messages.into_iter().map(|message| message.body));
    }
    assert!(start.elapsed() < PATIENCE / 2, "answered only after {:?}", start.elapsed());
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "2", "3"]);
}

/// A receive that finds nothing answers with nothing, and not before its wait is over.
pub(crate) async fn a_receive_without_messages_waits_its_time(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let start = Instant::now();
    let messages = try_receive(&*queue, 1, SHORT, LONG).await;
    assert!(messages.is_empty(), "an empty queue gave a message");
    assert!(start.elapsed() >= SHORT, "answered after {:?} of {SHORT:?}", start.elapsed());
}

/// A receive that is dropped while it waits takes no message that comes later.
pub(crate) async fn a_dropped_receive_takes_nothing(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    tokio::select! {
        messages = try_receive(&*queue, 10, PATIENCE, LONG) => panic!("an empty queue gave {messages:?}"),
        () = sleep(BEFORE_EVENT) => {}
    }
    // The other end of a connection needs some time to see it closed.
    sleep(BEFORE_EVENT).await;
    send_body(&*queue, "one").await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 1);
    receive_nothing(&*queue, "the message was received").await;
}
