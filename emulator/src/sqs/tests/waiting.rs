//! The order in which waiting receives get messages.

use super::harness::{
    PASSES, Wakes, account_with, account_with_dead_letters, bodies, create, of_group, receive, receive_for,
    send, wait_apart, waiting,
};
use crate::{
    message::NewMessage,
    sqs::{AccountIdentity, AccountLimits, DeliveredMessage, ReceiveFuture, ReceiveOptions, SqsAccount},
};
use futures_util::poll;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn receives_are_served_in_the_order_of_their_arrival() {
    let account = account_with("orders", &[]);
    let mut line = Vec::new();
    for _ in 0..3 {
        line.push(wait_apart(&account, "orders", waiting()).await);
    }
    let start = Instant::now();
    for body in ["1", "2", "3"] {
        send(&account, "orders", body);
    }
    for (receive, body) in line.into_iter().zip(["1", "2", "3"]) {
        assert_eq!(bodies(&receive.await.unwrap().unwrap()), [body]);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_receive_dropped_after_it_was_woken_passes_its_message_on() {
    let account = account_with("orders", &[]);
    let mut first = account.receive("orders", waiting());
    assert!(poll!(&mut first).is_pending());
    let second = wait_apart(&account, "orders", waiting()).await;
    let start = Instant::now();
    send(&account, "orders", "one");
    drop(first);
    assert_eq!(bodies(&second.await.unwrap().unwrap()), ["one"]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_was_never_polled_takes_nothing() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    drop(account.receive("orders", waiting()));
    assert_eq!(receive(&account, "orders").await[0].receive_count, 1);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_end_of_a_visibility_wakes_a_receive() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    let held = receive_for(&account, "orders", 60 * SECOND).await.remove(0);
    let waiting = wait_apart(&account, "orders", waiting()).await;
    let start = Instant::now();
    account.change_visibility("orders", &held.receipt_handle, 2 * SECOND).unwrap();
    assert_eq!((waiting.await.unwrap().unwrap().len(), start.elapsed().as_secs()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_next_receive_takes_over_the_timer() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    receive_for(&account, "orders", 10 * SECOND).await;
    let start = Instant::now();
    let five_seconds = ReceiveOptions { wait: Some(5 * SECOND), ..ReceiveOptions::default() };
    let first = wait_apart(&account, "orders", five_seconds).await;
    let second = wait_apart(&account, "orders", waiting()).await;
    assert!(first.await.unwrap().unwrap().is_empty());
    assert_eq!((second.await.unwrap().unwrap().len(), start.elapsed().as_secs()), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_fifo_visibility_frees_the_group_for_a_waiting_receive() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    account.send("orders.fifo", of_group("a", "one")).unwrap();
    receive_for(&account, "orders.fifo", 5 * SECOND).await;
    let start = Instant::now();
    let received = account.receive("orders.fifo", waiting()).await.unwrap();
    assert_eq!((bodies(&received), start.elapsed()), (vec!["one"], 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_becomes_visible_is_answered_without_delay() {
    let account = account_with("orders.fifo", &[("FifoQueue", "true")]);
    for body in ["1", "2"] {
        account.send("orders.fifo", of_group("a", body)).unwrap();
    }
    let held = account.receive("orders.fifo", ReceiveOptions { max: 1, ..waiting() }).await.unwrap();
    let successor = wait_apart(&account, "orders.fifo", waiting()).await;
    let start = Instant::now();
    account.delete("orders.fifo", &held[0].receipt_handle).unwrap();
    let successor = successor.await.unwrap().unwrap().remove(0);
    let again = wait_apart(&account, "orders.fifo", waiting()).await;
    account.change_visibility("orders.fifo", &successor.receipt_handle, Duration::ZERO).unwrap();
    assert_eq!(bodies(&again.await.unwrap().unwrap()), ["2"]);
    assert_eq!(start.elapsed(), PASSES, "only the time in which the second receive was registered");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_delay_is_answered_when_it_comes() {
    let account = account_with("orders", &[]);
    let start = Instant::now();
    account.send("orders", NewMessage { delay: Some(SECOND), ..NewMessage::new("one") }).unwrap();
    assert_eq!(bodies(&account.receive("orders", waiting()).await.unwrap()), ["one"]);
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_receive_at_the_dead_letter_queue_gets_a_moved_message() {
    let account = account_with_dead_letters(1);
    send(&account, "source", "poison");
    receive_for(&account, "source", SECOND).await;
    let start = Instant::now();
    let at_dead = wait_apart(&account, "dead", waiting()).await;
    let at_source = wait_apart(&account, "source", waiting()).await;
    assert_eq!(bodies(&at_dead.await.unwrap().unwrap()), ["poison"]);
    assert_eq!(start.elapsed().as_secs(), 1);
    assert!(at_source.await.unwrap().unwrap().is_empty(), "the message has moved");
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_in_the_poll_that_returns_it() {
    let account = account_with("orders", &[]);
    let mut receiving = account.receive("orders", waiting());
    assert!(poll!(&mut receiving).is_pending());
    account.send("orders", NewMessage { delay: Some(SECOND), ..NewMessage::new("one") }).unwrap();
    advance(SECOND).await;
    let Poll::Ready(Ok(received)) = poll!(&mut receiving) else { panic!("the delay is over") };
    assert_eq!(bodies(&received), ["one"]);
    assert!(receive(&account, "orders").await.is_empty());
}

/// An account with one message in flight for this time, at the limit of messages in flight.
async fn full_account(visibility: Duration) -> (SqsAccount, DeliveredMessage) {
    let account = SqsAccount::with_limits(
        AccountIdentity::default(),
        AccountLimits { in_flight: 1, ..AccountLimits::default() },
    );
    create(&account, "orders", &[]);
    send(&account, "orders", "held");
    let held = receive_for(&account, "orders", visibility).await.remove(0);
    send(&account, "orders", "visible");
    (account, held)
}

fn poll_receive(receiving: &mut ReceiveFuture, wakes: &Arc<Wakes>) -> Option<Vec<String>> {
    match Pin::new(receiving).poll(&mut Context::from_waker(&Arc::clone(wakes).into())) {
        Poll::Ready(answer) => Some(bodies(&answer.unwrap()).into_iter().map(str::to_owned).collect()),
        Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_receive_at_the_in_flight_limit_sleeps_until_a_message_may_be_taken() {
    let (account, held) = full_account(60 * SECOND).await;
    let (mut receiving, wakes) = (account.receive("orders", waiting()), Arc::new(Wakes::default()));
    for _ in 0..3 {
        assert_eq!((poll_receive(&mut receiving, &wakes), wakes.take()), (None, 0), "it wakes itself");
    }
    send(&account, "orders", "another");
    assert_eq!(wakes.take(), 0, "woken for a message that it cannot take");
    account.delete("orders", &held.receipt_handle).unwrap();
    assert_eq!(wakes.take(), 1, "there is room");
    assert_eq!(poll_receive(&mut receiving, &wakes), Some(vec!["visible".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_visibility_at_the_in_flight_limit_wakes_a_waiting_receive() {
    let (account, _held) = full_account(5 * SECOND).await;
    let start = Instant::now();
    let received = account.receive("orders", waiting()).await.unwrap();
    assert_eq!((bodies(&received), start.elapsed()), (vec!["held"], 5 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn waiting_receives_at_the_in_flight_limit_do_not_wake_each_other() {
    let (account, held) = full_account(60 * SECOND).await;
    let wakes = Arc::new(Wakes::default());
    let mut line = [account.receive("orders", waiting()), account.receive("orders", waiting())];
    for _ in 0..3 {
        for receiving in &mut line {
            assert_eq!((poll_receive(receiving, &wakes), wakes.take()), (None, 0));
        }
    }
    account.change_visibility("orders", &held.receipt_handle, Duration::ZERO).unwrap();
    assert_eq!(wakes.take(), 1, "only the first in line");
}
