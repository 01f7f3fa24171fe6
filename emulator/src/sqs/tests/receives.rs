//! Receives: their messages and errors, receipt handles, retention and limits.

use super::harness::{
    account_with, account_with_dead_letters, attribute, bodies, code, create, names, now, of_group, receive,
    receive_for, send, wait_apart, waiting,
};
use crate::{
    message::StringMap,
    sqs::{AccountIdentity, AccountLimits, DeliveredMessage, ReceiveOptions, SqsAccount, SqsErrorCode},
};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn requests_out_of_bounds_are_refused() {
    let account = account_with("orders", &[]);
    for bad in [
        ReceiveOptions { max: 0, ..ReceiveOptions::default() },
        ReceiveOptions { max: 11, ..ReceiveOptions::default() },
        ReceiveOptions { wait: Some(21 * SECOND), ..ReceiveOptions::default() },
        ReceiveOptions { visibility: Some(43_201 * SECOND), ..ReceiveOptions::default() },
        ReceiveOptions { attempt_id: Some("a b".to_owned()), ..ReceiveOptions::default() },
    ] {
        let refused = account.receive("orders", bad.clone()).await;
        assert_eq!(code(refused), Some(SqsErrorCode::InvalidParameterValue), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_sets_the_default_visibility_and_wait() {
    let account =
        account_with("orders", &[("VisibilityTimeout", "3"), ("ReceiveMessageWaitTimeSeconds", "5")]);
    send(&account, "orders", "one");
    assert_eq!(receive(&account, "orders").await.len(), 1);
    let start = Instant::now();
    let again = account.receive("orders", ReceiveOptions::default()).await.unwrap();
    assert_eq!((again[0].receive_count, start.elapsed().as_secs()), (2, 3));
    let nothing = account.receive("orders", ReceiveOptions::default()).await.unwrap();
    assert_eq!((nothing.len(), start.elapsed().as_secs()), (1, 6), "the visibility ends before the wait");
}

#[tokio::test(start_paused = true)]
async fn timestamps_follow_the_clock() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    advance(10 * SECOND).await;
    let first = receive_for(&account, "orders", SECOND).await.remove(0);
    advance(10 * SECOND).await;
    let second = receive(&account, "orders").await.remove(0);
    let since_sent = |time: SystemTime| time.duration_since(first.content.sent_at).unwrap();
    assert_eq!(since_sent(first.first_received_at), 10 * SECOND);
    assert_eq!(second.first_received_at, first.first_received_at);
    let system: StringMap =
        second.system_attributes().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(system["ApproximateReceiveCount"], "2");
    assert_eq!(system["SentTimestamp"].len(), 13, "milliseconds");
    assert_eq!(system["SenderId"], "000000000000");
    assert_eq!(system.len(), 4, "nothing that was not set: {system:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_their_retention_are_dropped_even_in_flight() {
    let account = account_with("orders", &[("MessageRetentionPeriod", "60")]);
    for body in ["held", "visible"] {
        send(&account, "orders", body);
    }
    account
        .receive("orders", ReceiveOptions { visibility: Some(600 * SECOND), ..ReceiveOptions::default() })
        .await
        .unwrap();
    advance(30 * SECOND).await;
    send(&account, "orders", "younger");
    advance(30 * SECOND).await;
    assert_eq!(bodies(&receive(&account, "orders").await), ["younger"]);
    assert_eq!(attribute(&account, "orders", "ApproximateNumberOfMessagesNotVisible").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_its_age() {
    let account = account_with_dead_letters(1);
    account.set_attributes("dead", &names(&[("MessageRetentionPeriod", "60")])).unwrap();
    send(&account, "source", "poison");
    receive_for(&account, "source", SECOND).await;
    advance(59 * SECOND).await;
    assert!(receive(&account, "source").await.is_empty());
    assert_eq!(attribute(&account, "dead", "ApproximateNumberOfMessages").as_deref(), Some("1"));
    advance(SECOND).await;
    assert!(receive(&account, "dead").await.is_empty(), "60 seconds since it was sent");
}

#[tokio::test(start_paused = true)]
async fn messages_stay_when_their_dead_letter_queue_is_gone() {
    let account = account_with_dead_letters(1);
    account.delete_queue("dead").unwrap();
    send(&account, "source", "poison");
    receive_for(&account, "source", Duration::ZERO).await;
    assert_eq!(receive(&account, "source").await[0].receive_count, 2);
}

#[tokio::test(start_paused = true)]
async fn an_older_receipt_of_a_standard_queue_deletes_and_changes_the_visibility() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    let older = receive_for(&account, "orders", Duration::ZERO).await.remove(0).receipt_handle;
    assert_eq!(receive(&account, "orders").await.len(), 1);
    assert_eq!(account.change_visibility("orders", &older, Duration::ZERO), Ok(()));
    assert_eq!(receive(&account, "orders").await[0].receive_count, 3, "it was visible");
    assert_eq!(account.delete("orders", &older), Ok(()));
    assert!(account.messages("orders").unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_older_receipt_of_a_fifo_queue_is_refused() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    account.send("orders.fifo", of_group("a", "one")).unwrap();
    let older = receive_for(&account, "orders.fifo", Duration::ZERO).await.remove(0).receipt_handle;
    assert_eq!(receive(&account, "orders.fifo").await.len(), 1);
    let changed = account.change_visibility("orders.fifo", &older, Duration::ZERO);
    assert_eq!(code(changed), Some(SqsErrorCode::InvalidParameterValue));
    let refused = account.delete("orders.fifo", &older).unwrap_err();
    assert!(refused.message.ends_with("Reason: The receipt handle has expired."), "{refused}");
    assert_eq!(account.messages("orders.fifo").unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn refused_changes_have_the_messages_of_sqs() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    let held = receive(&account, "orders").await.remove(0);
    let handle = held.receipt_handle;
    assert_eq!(account.change_visibility("orders", &handle, 43_200 * SECOND), Ok(()), "the full 12 hours");
    advance(SECOND).await;
    let refused = account.change_visibility("orders", &handle, 43_200 * SECOND).unwrap_err();
    assert!(
        refused
            .message
            .ends_with("Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
    );
    account.delete("orders", &handle).unwrap();
    let refused = account.change_visibility("orders", &handle, SECOND).unwrap_err();
    let reason = "Message does not exist or is not available for visibility timeout change.";
    let message = format!("Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}");
    assert_eq!((refused.code, refused.message), (SqsErrorCode::InvalidParameterValue, message));
}

fn small_account(attributes: &[(&str, &str)], queue: &str) -> SqsAccount {
    let account = SqsAccount::with_limits(
        AccountIdentity::default(),
        AccountLimits { in_flight: 2, ..AccountLimits::default() },
    );
    create(&account, queue, attributes);
    account
}

#[tokio::test(start_paused = true)]
async fn too_many_in_flight_fails_short_polls_while_long_ones_wait() {
    let account = small_account(&[], "orders");
    for body in ["1", "2", "3"] {
        send(&account, "orders", body);
    }
    let held = receive(&account, "orders").await;
    assert_eq!(held.len(), 2, "no more than the limit");
    assert_eq!(code(account.receive("orders", now(None)).await), Some(SqsErrorCode::OverLimit));
    let start = Instant::now();
    let long = wait_apart(&account, "orders", waiting()).await;
    account.delete("orders", &held[0].receipt_handle).unwrap();
    assert_eq!(bodies(&long.await.unwrap().unwrap()), ["3"]);
    assert!(start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_reports_no_error_at_the_in_flight_limit() {
    let account = small_account(&[("FifoQueue", "true")], "orders.fifo");
    for body in ["1", "2", "3"] {
        account.send("orders.fifo", of_group(body, body)).unwrap();
    }
    assert_eq!(receive(&account, "orders.fifo").await.len(), 2);
    assert!(receive(&account, "orders.fifo").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_returns_the_same_messages() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    for (group, body) in [("a", "1"), ("b", "2"), ("c", "3")] {
        account.send("orders.fifo", of_group(group, body)).unwrap();
    }
    let attempt = |max| {
        let attempt_id = Some("attempt-1".to_owned());
        account.receive("orders.fifo", ReceiveOptions { max, attempt_id, ..now(Some(20 * SECOND)) })
    };
    let first = attempt(2).await.unwrap();
    advance(19 * SECOND).await;
    let second = attempt(2).await.unwrap();
    let receipts = |messages: &[DeliveredMessage]| {
        messages.iter().map(|one| one.receipt_handle.clone()).collect::<Vec<_>>()
    };
    assert_eq!((bodies(&first), receipts(&first)), (bodies(&second), receipts(&second)));
    advance(19 * SECOND).await;
    assert_eq!(bodies(&receive(&account, "orders.fifo").await), ["3"], "hidden anew by the second attempt");
    account.delete("orders.fifo", &second[0].receipt_handle).unwrap();
    assert!(attempt(2).await.unwrap().is_empty(), "no longer the same set");
}

/// A FIFO queue of so many messages of one group, and those that the first receive has brought.
async fn held_group(messages: usize, receive: ReceiveOptions) -> (SqsAccount, Vec<DeliveredMessage>) {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    for number in 1..=messages {
        account.send("orders.fifo", of_group("a", &number.to_string())).unwrap();
    }
    let held = account.receive("orders.fifo", receive).await.unwrap();
    (account, held)
}

#[tokio::test(start_paused = true)]
async fn a_fifo_group_is_closed_behind_a_message_in_flight() {
    let (account, held) = held_group(3, ReceiveOptions { max: 2, ..now(None) }).await;
    account.delete("orders.fifo", &held[0].receipt_handle).unwrap();
    assert!(receive(&account, "orders.fifo").await.is_empty(), "the second is in flight");
    account.change_visibility("orders.fifo", &held[1].receipt_handle, Duration::ZERO).unwrap();
    assert_eq!(bodies(&receive(&account, "orders.fifo").await), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_fifo_group_is_open_before_a_message_in_flight() {
    let (account, held) = held_group(5, ReceiveOptions { max: 4, ..now(Some(2 * SECOND)) }).await;
    account.change_visibility("orders.fifo", &held[0].receipt_handle, Duration::ZERO).unwrap();
    assert_eq!(bodies(&receive_for(&account, "orders.fifo", SECOND).await), ["1"]);
    account.change_visibility("orders.fifo", &held[3].receipt_handle, 60 * SECOND).unwrap();
    advance(2 * SECOND).await;
    assert_eq!(
        bodies(&receive(&account, "orders.fifo").await),
        ["1", "2", "3"],
        "all before the extended one"
    );
}
