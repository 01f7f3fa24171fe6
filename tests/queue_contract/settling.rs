//! Deletes, and the attributes of a queue.

use std::time::Duration;

use super::{
    Harness, Shape,
    steps::{
        LONG, SHORT, delete, pass_short, queue_of, receive, receive_all, receive_nothing, send_body,
        try_change, try_delete,
    },
};
use longshore::{
    message::Receipt,
    queue::{RetryClass, limits},
};

/// A deleted message does not come back when its visibility would have ended.
pub(crate) async fn a_deleted_message_never_comes_back(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, SHORT).await;
    delete(&*queue, &held).await;
    pass_short().await;
    receive_nothing(&*queue, "the message was deleted").await;
}

/// A second delete answers `Ok`.
pub(crate) async fn deleting_twice_is_fine(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, LONG).await;
    delete(&*queue, &held).await;
    assert_eq!(try_delete(&*queue, &held).await, Ok(()));
}

/// The latest receipt of a standard queue deletes even after its time.
pub(crate) async fn a_late_delete_deletes(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let held = receive(&*queue, SHORT).await;
    pass_short().await;
    delete(&*queue, &held).await;
    receive_nothing(&*queue, "the message was deleted").await;
}

/// Once a message was received again, the older receipts of a standard queue still delete it.
pub(crate) async fn an_older_receipt_still_deletes(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    let older = receive(&*queue, Duration::ZERO).await;
    let younger = receive(&*queue, LONG).await;
    delete(&*queue, &older).await;
    let refusal = try_change(&*queue, &younger, Duration::ZERO).await.map_err(|error| error.retry_class);
    assert_eq!(refusal, Err(RetryClass::LeaseLost), "the message is gone");
    receive_nothing(&*queue, "the message was deleted").await;
}

/// An invalid receipt fails its own entry only.
pub(crate) async fn garbage_fails_alone_and_is_a_lost_lease(harness: &dyn Harness) {
    let queue = queue_of(harness, Shape::default()).await;
    send_body(&*queue, "one").await;
    send_body(&*queue, "two").await;
    let held = receive_all(&*queue, 2).await;
    let receipts = [held[0].receipt.clone(), Receipt::new("garbage"), held[1].receipt.clone()];
    let answer =
        queue.delete(&receipts).await.unwrap_or_else(|error| panic!("the whole call failed: {error}"));
    let retry_classes: Vec<_> =
        answer.into_iter().map(|entry| entry.map_err(|error| error.retry_class)).collect();
    assert_eq!(
        retry_classes,
        [Ok(()), Err(RetryClass::LeaseLost), Ok(())],
        "one result per entry, in their order"
    );
}

/// A missing queue is an error for good.
pub(crate) async fn a_missing_queue_is_given_up(harness: &dyn Harness) {
    let missing = harness.missing().await;
    let retry_class = missing.describe().await.map(drop).map_err(|error| error.retry_class());
    assert_eq!(retry_class, Err(RetryClass::Refused));
}

/// A queue describes its counts, its type and its redrive policy.
pub(crate) async fn a_queue_describes_itself(harness: &dyn Harness) {
    let max_receive_count = std::num::NonZeroU32::new(3);
    let queue = queue_of(harness, Shape { max_receive_count, ..Shape::default() }).await;
    send_body(&*queue, "one").await;
    send_body(&*queue, "two").await;
    receive(&*queue, LONG).await;
    let attributes =
        queue.describe().await.unwrap_or_else(|error| panic!("the queue does not answer: {error}"));
    assert_eq!(
        (attributes.visible, attributes.in_flight, attributes.delayed, attributes.fifo),
        (1, 1, 0, false)
    );
    assert!(attributes.arn.starts_with("arn:aws:sqs:"), "not an ARN: {}", attributes.arn);
    assert_eq!(attributes.message_bytes, Some(limits::MESSAGE_BYTES));
    assert_eq!(attributes.redrive.map(|policy| policy.max_receive_count), max_receive_count);
}
