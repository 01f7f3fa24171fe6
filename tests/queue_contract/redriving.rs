//! The move of messages that are received too often to the dead-letter queue.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    Harness, Shape,
    steps::{LONG, change, receive, receive_nothing, send, send_body},
};
use longshore::{
    message::{AttributeValue, OutgoingMessage},
    queue::{MoveRequest, MoveState, Queue, QueueName, RetryClass},
};

async fn with_dead_letters(harness: &dyn Harness, max_receives: u32) -> (Arc<dyn Queue>, Arc<dyn Queue>) {
    let max_receive_count = NonZeroU32::new(max_receives);
    let fixture = harness.fresh(Shape { max_receive_count, ..Shape::default() }).await;
    let dead_letters =
        fixture.dead_letters.unwrap_or_else(|| panic!("the harness made no dead-letter queue"));
    (fixture.queue, dead_letters)
}

/// The move happens at the receive after the last one allowed, and not before.
pub(crate) async fn a_message_received_too_often_moves_at_the_next_receive(harness: &dyn Harness) {
    let (queue, dead_letters) = with_dead_letters(harness, 2).await;
    send_body(&*queue, "poison").await;
    for count in 1..=2 {
        let held = receive(&*queue, LONG).await;
        assert_eq!(held.receive_count, count);
        change(&*queue, &held, Duration::ZERO).await;
    }
    receive_nothing(&*dead_letters, "the third receive was not tried yet").await;
    receive_nothing(&*queue, "two receives were allowed").await;
    assert_eq!(receive(&*dead_letters, LONG).await.body, "poison");
    receive_nothing(&*queue, "the message has moved").await;
}

/// A moved message keeps its id, attributes and trace header; its receive count goes on, and it names its source.
pub(crate) async fn a_dead_letter_keeps_what_it_was(harness: &dyn Harness) {
    let (queue, dead_letters) = with_dead_letters(harness, 1).await;
    let mut outgoing =
        OutgoingMessage { trace_header: Some("Root=1".to_owned()), ..OutgoingMessage::new("poison") };
    outgoing.attributes.insert("Text".to_owned(), AttributeValue::string("kept"));
    let id = send(&*queue, outgoing.clone()).await;
    let held = receive(&*queue, LONG).await;
    change(&*queue, &held, Duration::ZERO).await;
    receive_nothing(&*queue, "one receive was allowed").await;
    let dead = receive(&*dead_letters, LONG).await;
    assert_eq!((dead.id, dead.attributes), (id, outgoing.attributes));
    assert_eq!((&dead.system.trace_header, dead.sent_at), (&outgoing.trace_header, held.sent_at));
    assert_eq!(dead.receive_count, 2, "the count goes on");
    let source = queue.describe().await.unwrap_or_else(|error| panic!("the queue does not answer: {error}"));
    assert_eq!(dead.system.dead_letter_source_arn.as_deref(), Some(&*source.arn));
}

/// The dead-letter queue can be opened by its ARN in the redrive policy; a missing queue is an error for good.
pub(crate) async fn the_dead_letter_queue_is_opened_by_its_arn(harness: &dyn Harness) {
    let (queue, dead_letters) = with_dead_letters(harness, 1).await;
    let attributes =
        queue.describe().await.unwrap_or_else(|error| panic!("the queue does not answer: {error}"));
    let arn = attributes.redrive.map(|policy| policy.dead_letter_arn).unwrap_or_default();
    let name = QueueName::of_arn(&arn).unwrap_or_else(|| panic!("not the ARN of a queue: {arn}"));
    let opened = queue.open_other(&name.clone().seen_from(&attributes.arn)).await;
    let opened = opened.unwrap_or_else(|error| panic!("the dead-letter queue was not opened: {error}"));
    send_body(&*opened, "by another way").await;
    assert_eq!(receive(&*dead_letters, LONG).await.body, "by another way");
    let with_account = queue.open_other(&name).await.map_err(|error| error.to_string());
    assert_eq!(with_account.map(drop), Ok(()), "its own account may be named, too");
    let missing = queue.open_other(&QueueName::new("not-there")).await.map(drop);
    assert_eq!(missing.map_err(|error| error.retry_class()), Err(RetryClass::Refused));
}

/// A move task takes all messages along, is listed with its numbers, and cannot be cancelled once it has ended.
pub(crate) async fn a_move_task_moves_every_message_to_its_destination(harness: &dyn Harness) {
    let (queue, dead_letters) = with_dead_letters(harness, 1).await;
    for body in ["a", "b", "c"] {
        send_body(&*dead_letters, body).await;
    }
    let arn = async |queue: &dyn Queue| queue.describe().await.unwrap_or_else(|error| panic!("{error}")).arn;
    let (source_arn, dlq_arn) = (arn(&*queue).await, arn(&*dead_letters).await);
    let Some(moves) = dead_letters.moves() else { panic!("the queue has no move tasks") };
    let request = |dlq_arn: &str, per_second| MoveRequest {
        dlq_arn: dlq_arn.to_owned(),
        destination_arn: Some(source_arn.clone()),
        per_second: NonZeroU32::new(per_second),
    };
    assert_eq!(moves.latest(&dlq_arn).await.ok(), Some(Vec::new()));
    let refused = moves.start(&request(&source_arn, 0)).await;
    assert!(refused.is_err(), "only a dlq is moved: {refused:?}");
    let handle = moves.start(&request(&dlq_arn, 500)).await.unwrap_or_else(|error| panic!("{error}"));
    let ended = loop {
        let tasks = moves.latest(&dlq_arn).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(tasks.len(), 1);
        assert_eq!(tasks[0].handle.is_some(), tasks[0].state == MoveState::Running);
        if tasks[0].state.is_end() {
            break tasks[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((ended.state, ended.moved, ended.to_move), (MoveState::Completed, 3, Some(3)));
    assert_eq!(ended.destination_arn.as_deref(), Some(source_arn.as_str()));
    let late = moves.cancel(&handle).await;
    let is_refused =
        late.as_ref().is_err_and(|error| error.plain_code() == Some("ResourceNotFoundException"));
    assert!(is_refused, "{late:?}");
    let mut bodies = Vec::new();
    for _ in 0..3 {
        bodies.push(receive(&*queue, LONG).await.body);
    }
    bodies.sort_unstable();
    assert_eq!(bodies, ["a", "b", "c"]);
    receive_nothing(&*dead_letters, "all have moved").await;
}
