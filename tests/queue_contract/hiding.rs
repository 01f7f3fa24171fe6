//! The visibility of received messages.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Clock, Harness, Shape,
    steps::{
        LONG, SHORT, change, delete, pass_short, queue_of, receive, receive_nothing, send_body, try_change,
    },
};
use longshore::queue::RetryClass;

/// No other receive gets a received message until its visibility ends.
pub(crate) async fn a_received_message_is_hidden(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    receive(&*queue, LONG).await;
    receive_nothing(&*queue, "the message is hidden").await;
}

/// After its visibility the same message comes again, with a new receipt, counted.
pub(crate) async fn a_message_comes_back_with_a_higher_receive_count(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    let id = send_body(&*queue, "one").await;
    let first = receive(&*queue, SHORT).await;
    pass_short().await;
    let second = receive(&*queue, LONG).await;
    assert_eq!((&first.id, &second.id), (&id, &id), "the id stays");
    assert_eq!((first.receive_count, second.receive_count), (1, 2), "each receive counts");
    assert_ne!(first.receipt, second.receipt, "each receive has its own receipt");
    assert_eq!(first.sent_at, second.sent_at, "the time of sending stays");
    assert_eq!(
        first.system.first_received_at, second.system.first_received_at,
        "as does the first receive's"
    );
}

/// A visibility of zero gives a message back at once.
pub(crate) async fn visibility_zero_gives_a_message_back_at_once(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, LONG).await;
    change(&*queue, &held, Duration::ZERO).await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 2);
}

/// A longer visibility keeps a message hidden beyond the first one.
pub(crate) async fn a_longer_visibility_keeps_a_message_hidden(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, SHORT).await;
    change(&*queue, &held, LONG).await;
    pass_short().await;
    receive_nothing(&*queue, "the visibility was extended").await;
    delete(&*queue, &held).await;
}

/// An extension that comes too late answers `Ok`, and the message stays visible.
pub(crate) async fn a_late_change_answers_ok_and_hides_nothing(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, SHORT).await;
    pass_short().await;
    change(&*queue, &held, LONG).await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 2, "a late extension must not hide the message");
}

/// A deleted message has no visibility to change.
pub(crate) async fn a_change_after_the_delete_is_refused(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, LONG).await;
    delete(&*queue, &held).await;
    let refusal = try_change(&*queue, &held, LONG).await.map_err(|error| error.retry_class);
    assert_eq!(refusal, Err(RetryClass::LeaseLost), "the message is gone");
}

/// Once a message was received again, the older receipts of a standard queue still change its visibility.
pub(crate) async fn an_older_receipt_still_changes_the_visibility(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let older = receive(&*queue, Duration::ZERO).await;
    receive(&*queue, LONG).await;
    receive_nothing(&*queue, "the younger receipt holds the message").await;
    change(&*queue, &older, Duration::ZERO).await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 3, "the older receipt gave it back");
}

/// All visibilities of one receive end 12 hours after it; the test waits for it on a paused clock only.
pub(crate) async fn the_twelve_hours_count_from_the_receive(harness: &dyn Harness) {
    if harness.clock() == Clock::Real {
        return;
    }
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, Duration::from_hours(11)).await;
    sleep(Duration::from_hours(10)).await;
    let refusal =
        try_change(&*queue, &held, Duration::from_hours(3)).await.map_err(|error| error.retry_class);
    assert_eq!(refusal, Err(RetryClass::LeaseLost), "13 hours in all");
    change(&*queue, &held, Duration::from_hours(2)).await;
    sleep(Duration::from_mins(119)).await;
    receive_nothing(&*queue, "the twelve hours are not over").await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(receive(&*queue, LONG).await.receive_count, 2);
}
