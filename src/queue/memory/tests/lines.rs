//! Who is served when several receives wait.

use std::{task::Poll, time::Duration};

use futures_util::poll;
use tokio::time::{Instant, advance, sleep};

use super::harness::{
    account_with, account_with_dead_letters, bodies, of_group, receive, receive_for, send, waiting,
};
use crate::{message::OutgoingMessage, queue::memory::Receive};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn receives_are_served_in_the_order_of_their_coming() {
    let account = account_with("orders", &[]);
    let receive = || account.receive("orders", waiting());
    let (first, second, third, ()) = tokio::join!(receive(), receive(), receive(), async {
        for body in ["1", "2", "3"] {
            sleep(SECOND).await;
            send(&account, "orders", body);
        }
    });
    let served = [first, second, third].map(|answer| bodies(&answer.unwrap()).join(","));
    assert_eq!(served, ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_receive_dropped_after_it_was_woken_passes_its_message_on() {
    let account = account_with("orders", &[]);
    let mut first = account.receive("orders", waiting());
    let mut second = account.receive("orders", waiting());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let dropping = async {
        send(&account, "orders", "one");
        drop(first);
    };
    let start = Instant::now();
    let (received, ()) = tokio::join!(second, dropping);
    assert_eq!((bodies(&received.unwrap()), start.elapsed()), (vec!["one"], Duration::ZERO));
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
    let start = Instant::now();
    let (received, changed) = tokio::join!(account.receive("orders", waiting()), async {
        sleep(SECOND).await;
        account.change_visibility("orders", held.receipt.as_str(), 2 * SECOND)
    });
    assert_eq!((received.unwrap().len(), changed, start.elapsed().as_secs()), (1, Ok(()), 3));
}

#[tokio::test(start_paused = true)]
async fn the_next_in_line_takes_over_the_watch_for_time_passing() {
    let account = account_with("orders", &[]);
    send(&account, "orders", "one");
    receive_for(&account, "orders", 10 * SECOND).await;
    let short = account.receive("orders", Receive { wait: Some(5 * SECOND), ..Receive::default() });
    let start = Instant::now();
    let (nothing, received) = tokio::join!(short, account.receive("orders", waiting()));
    assert_eq!((nothing.unwrap().len(), received.unwrap().len(), start.elapsed().as_secs()), (0, 1, 10));
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
    let at_source = account.receive("source", waiting());
    let (nothing, dead) = tokio::join!(at_source, account.receive("dead", waiting()));
    assert!(nothing.unwrap().is_empty(), "the message has moved");
    assert_eq!(bodies(&dead.unwrap()), ["poison"]);
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
