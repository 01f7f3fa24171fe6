//! Who is served when several receives wait.

use std::{task::Poll, time::Duration};

use futures_util::poll;
use tokio::time::{Instant, advance};

use super::harness::{
    account_with, account_with_dead_letters, bodies, of_group, receive, receive_for, send, wait_apart,
    waiting,
};
use crate::{message::OutgoingMessage, queue::memory::Receive};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn receives_are_served_in_the_order_of_their_coming() {
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
async fn a_sooner_end_of_a_visibility_is_heard_of() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    let held = receive_for(&account, "orders", 60 * SECOND).await.remove(0);
    let waiting = wait_apart(&account, "orders", waiting()).await;
    let start = Instant::now();
    account.change_visibility("orders", held.receipt.as_str(), 2 * SECOND).unwrap();
    assert_eq!((waiting.await.unwrap().unwrap().len(), start.elapsed().as_secs()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_next_in_line_takes_over_the_watch_for_time_passing() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    receive_for(&account, "orders", 10 * SECOND).await;
    let start = Instant::now();
    let five_seconds = Receive { wait: Some(5 * SECOND), ..Receive::default() };
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
    assert_eq!((bodies(&received), start.elapsed().as_secs()), (vec!["one"], 5));
}

#[tokio::test(start_paused = true)]
async fn a_receive_at_the_dead_letter_queue_hears_of_a_move() {
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
async fn a_message_is_hidden_in_the_poll_that_answers() {
    let account = account_with("orders", &[]);
    let mut receiving = account.receive("orders", waiting());
    assert!(poll!(&mut receiving).is_pending());
    account.send("orders", OutgoingMessage { delay: Some(SECOND), ..OutgoingMessage::new("one") }).unwrap();
    advance(SECOND).await;
    let Poll::Ready(Ok(received)) = poll!(&mut receiving) else { panic!("the delay is over") };
    assert_eq!(bodies(&received), ["one"]);
    assert!(receive(&account, "orders").await.is_empty());
}
