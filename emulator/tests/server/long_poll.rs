//! Long polls: a waiting receive is answered as soon as there is a message for it.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::Served;

/// The longest time between an event and the response it causes on the slowest machine; a server that polls once a
/// second, or waits for the end of the 20 s, takes longer. Tests on a paused clock show that it is zero.
const WOKEN: Duration = Duration::from_secs(1);
/// The visibility timeout of a message that becomes visible by itself.
const HIDDEN: Duration = Duration::from_secs(2);

/// Starts a receive, lets the event happen once it waits, and returns the received message.
async fn answer_to<F: Future>(served: &Served, url: &str, event: F) -> String {
    let event = async {
        served.is_waited_at(url).await;
        let happened = Instant::now();
        event.await;
        happened
    };
    let (message, happened) = Box::pin(async { tokio::join!(served.receive_one(url), event) }).await;
    let late = happened.elapsed();
    assert!(late < WOKEN, "answered {late:?} after the event");
    message.body.unwrap()
}

/// Receives a message that is hidden now.
async fn appearing(served: &Served, url: &str, hidden_at: Instant) -> String {
    let (message, ()) =
        Box::pin(async { tokio::join!(served.receive_one(url), served.is_waited_at(url)) }).await;
    let after = hidden_at.elapsed();
    assert!(after < HIDDEN + WOKEN, "answered {after:?} after it was hidden for {HIDDEN:?}");
    message.body.unwrap()
}

#[tokio::test]
async fn a_waiting_receive_is_answered_at_a_send() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    assert_eq!(answer_to(&served, &url, served.send(&url, "hello")).await, "hello");
}

#[tokio::test]
async fn a_waiting_receive_is_answered_when_a_visibility_ends() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "hello").await;
    let receive = served.client.receive_message().queue_url(&url).visibility_timeout(2);
    let began = Instant::now();
    assert_eq!(receive.send().await.unwrap().messages().len(), 1);
    assert_eq!(appearing(&served, &url, began).await, "hello");
}

#[tokio::test]
async fn a_waiting_receive_is_answered_when_a_delay_ends() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let send = served.client.send_message().queue_url(&url).message_body("hello").delay_seconds(2);
    let began = Instant::now();
    send.send().await.unwrap();
    assert_eq!(appearing(&served, &url, began).await, "hello");
}

#[tokio::test]
async fn a_waiting_receive_is_answered_when_a_fifo_group_is_freed() {
    let served = Served::start().await;
    let url = served.fifo_queue("orders.fifo").await;
    for body in ["first", "second"] {
        served.send_to_group(&url, "group", body).await;
    }
    let receive = served.client.receive_message().queue_url(&url);
    let received = receive.send().await.unwrap();
    let receipt = received.messages()[0].receipt_handle().unwrap();
    let delete = served.client.delete_message().queue_url(&url).receipt_handle(receipt).send();
    assert_eq!(answer_to(&served, &url, delete).await, "second");
}

#[tokio::test]
async fn a_wait_without_a_message_ends_in_an_empty_answer() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let started = Instant::now();
    assert!(served.receive(&url, 1).await.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn the_end_of_its_queue_ends_a_waiting_receive() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let receive = served.client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let delete = async {
        served.is_waited_at(&url).await;
        let happened = Instant::now();
        served.client.delete_queue().queue_url(&url).send().await.unwrap();
        happened
    };
    let (received, happened) = tokio::join!(receive, delete);
    assert!(happened.elapsed() < WOKEN);
    assert!(received.unwrap_err().into_service_error().is_queue_does_not_exist());
}
