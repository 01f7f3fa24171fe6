//! FIFO queues: order within groups, and deduplication.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Clock, Harness, Kind,
    steps::{
        LONG, SHORT, WAIT, attempt, bodies, change, delete, of_group, pass_short, queue_of, receive,
        receive_all, receive_nothing, send, try_delete, try_receive,
    },
};
use longshore::{
    message::OutgoingMessage,
    queue::{ReceiveAttemptId, RetryClass},
};

/// One receive may take several messages of a group, in the order of sending.
pub(crate) async fn one_receive_takes_several_of_a_group_in_order(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2", "3"] {
        send(&*queue, of_group("a", body)).await;
    }
    let messages = try_receive(&*queue, 10, WAIT, LONG).await;
    assert_eq!(bodies(&messages), ["1", "2", "3"]);
}

/// A message in flight closes its group behind it; other groups give messages.
pub(crate) async fn a_group_is_closed_behind_a_message_in_flight(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        send(&*queue, of_group(group, body)).await;
    }
    let first = receive(&*queue, LONG).await;
    let second = receive(&*queue, LONG).await;
    assert_eq!((first.body.as_str(), second.body.as_str()), ("a1", "b1"));
    receive_nothing(&*queue, "both groups are in flight").await;
    delete(&*queue, &first).await;
    assert_eq!(receive(&*queue, LONG).await.body, "a2", "the group is free");
}

/// A message that is given back comes again although a later one of its group is in flight.
pub(crate) async fn a_group_is_open_before_a_message_in_flight(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2", "3"] {
        send(&*queue, of_group("a", body)).await;
    }
    let held = try_receive(&*queue, 2, WAIT, LONG).await;
    assert_eq!(bodies(&held), ["1", "2"]);
    change(&*queue, &held[0], Duration::ZERO).await;
    assert_eq!(bodies(&try_receive(&*queue, 10, WAIT, LONG).await), ["1"], "the second is still held");
    receive_nothing(&*queue, "the third is behind both").await;
    delete(&*queue, &held[1]).await;
    receive_nothing(&*queue, "the first is held again").await;
}

/// When all but one message of a group come back, those before that one are received, in the order of sending.
pub(crate) async fn an_extended_message_closes_nothing_before_it(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2", "3", "4"] {
        send(&*queue, of_group("a", body)).await;
    }
    let held = try_receive(&*queue, 3, WAIT, SHORT).await;
    assert_eq!(bodies(&held), ["1", "2", "3"]);
    change(&*queue, &held[2], LONG).await;
    pass_short().await;
    assert_eq!(bodies(&receive_all(&*queue, 2).await), ["1", "2"]);
    receive_nothing(&*queue, "the fourth is behind all of them").await;
}

/// A message that is given back is received before those sent after it.
pub(crate) async fn a_message_given_back_comes_before_its_successors(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2"] {
        send(&*queue, of_group("a", body)).await;
    }
    let first = receive(&*queue, LONG).await;
    change(&*queue, &first, Duration::ZERO).await;
    let messages = receive_all(&*queue, 2).await;
    assert_eq!(bodies(&messages), ["1", "2"]);
}

/// A second message with the same deduplication id gets the id of the first and is dropped.
pub(crate) async fn a_duplicate_is_taken_once(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    let first = send(&*queue, of_group("a", "one")).await;
    let second = send(&*queue, of_group("a", "one")).await;
    assert_eq!(first, second, "the duplicate has the id of the first");
    let held = receive_all(&*queue, 1).await;
    delete(&*queue, &held[0]).await;
    send(&*queue, of_group("a", "one")).await;
    receive_nothing(&*queue, "a duplicate of a deleted message is one still").await;
}

/// The deduplication window is five minutes; the test waits for them on a paused clock only.
pub(crate) async fn a_duplicate_is_taken_again_after_five_minutes(harness: &dyn Harness) {
    if harness.clock() == Clock::Real {
        return;
    }
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    let first = send(&*queue, of_group("a", "one")).await;
    sleep(Duration::from_secs(299)).await;
    assert_eq!(send(&*queue, of_group("a", "one")).await, first);
    sleep(Duration::from_secs(1)).await;
    assert_ne!(send(&*queue, of_group("a", "one")).await, first);
    receive_all(&*queue, 2).await;
}

/// With deduplication by content, equal bodies are duplicates and other bodies are not.
pub(crate) async fn equal_bodies_are_duplicates_by_content(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::FifoByContent.shape()).await;
    let message = |body: &str| OutgoingMessage { deduplication_id: None, ..of_group("a", body) };
    for body in ["one", "one", "two"] {
        send(&*queue, message(body)).await;
    }
    let messages = receive_all(&*queue, 2).await;
    assert_eq!(bodies(&messages), ["one", "two"]);
    let sha256_of_one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!(messages[0].system.deduplication_id.as_deref(), Some(sha256_of_one));
}

/// Each receive has the sequence number, which grows from message to message.
pub(crate) async fn sequence_numbers_grow(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2", "3"] {
        send(&*queue, of_group("a", body)).await;
    }
    let messages = receive_all(&*queue, 3).await;
    let numbers: Vec<u128> = messages
        .iter()
        .filter_map(|message| message.system.sequence_number.as_deref()?.parse().ok())
        .collect();
    assert!(numbers.len() == 3 && numbers.is_sorted_by(|one, next| one < next), "not growing: {numbers:?}");
}

/// The receipt of a FIFO queue deletes only until its visibility ends.
pub(crate) async fn a_late_delete_is_refused(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    send(&*queue, of_group("a", "one")).await;
    let held = receive(&*queue, SHORT).await;
    pass_short().await;
    let refusal = try_delete(&*queue, &held).await.map_err(|error| error.retry_class);
    assert_eq!(refusal, Err(RetryClass::LeaseLost), "the receipt has expired");
    assert_eq!(receive(&*queue, LONG).await.receive_count, 2, "the message is still there");
}

/// A FIFO queue refuses a batch as a whole when one of its messages has no group.
pub(crate) async fn a_message_without_a_group_fails_its_batch(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    let without_group = OutgoingMessage { group_id: None, ..of_group("a", "one") };
    let answer = queue.send(&[of_group("a", "two"), without_group]).await;
    let refusal = answer.map(drop).map_err(|error| error.retry_class());
    assert_eq!(refusal, Err(RetryClass::Refused));
    receive_nothing(&*queue, "the batch was refused").await;
}

/// An attempt that is repeated within the visibility returns the same messages, hidden anew, and counts no receive.
pub(crate) async fn a_repeated_attempt_brings_the_same_messages(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for body in ["1", "2"] {
        send(&*queue, of_group("a", body)).await;
    }
    let id = ReceiveAttemptId::new();
    let first = attempt(&*queue, &id, SHORT).await;
    send(&*queue, of_group("b", "3")).await;
    let again = attempt(&*queue, &id, LONG).await;
    assert_eq!((bodies(&first), bodies(&again)), (vec!["1", "2"], vec!["1", "2"]));
    assert!(again.iter().all(|message| message.receive_count == 1), "the receive counts once");
    pass_short().await;
    assert_eq!(receive(&*queue, LONG).await.body, "3", "the second attempt hides its messages for longer");
    delete(&*queue, &again[0]).await;
    delete(&*queue, &again[1]).await;
    receive_nothing(&*queue, "the receipts of the second attempt delete").await;
}

/// An attempt whose messages are no longer all in flight is a new receive, and so is one with another id.
pub(crate) async fn an_attempt_without_its_messages_is_a_new_receive(harness: &dyn Harness) {
    let queue = queue_of(harness, Kind::Fifo.shape()).await;
    for (group, body) in [("a", "1"), ("b", "2")] {
        send(&*queue, of_group(group, body)).await;
    }
    let id = ReceiveAttemptId::new();
    let first = attempt(&*queue, &id, LONG).await;
    assert_eq!(bodies(&first), ["1", "2"]);
    delete(&*queue, &first[0]).await;
    send(&*queue, of_group("c", "3")).await;
    assert_eq!(bodies(&attempt(&*queue, &id, LONG).await), ["3"], "one of the first two is gone");
    send(&*queue, of_group("d", "4")).await;
    let other = attempt(&*queue, &ReceiveAttemptId::new(), LONG).await;
    assert_eq!(bodies(&other), ["4"], "another attempt gets nothing that is held");
}
