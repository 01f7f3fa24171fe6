//! Long polls: a waiting receive is answered as soon as there is a message for it.

use std::time::Duration;

use tokio::time::Instant;

use super::harness::Served;

/// Begins a receive, and gives it the time to be waiting when the other future starts.
async fn receive_while<F: Future>(served: &Served, url: &str, meanwhile: F) -> String {
    let delayed = async {
        // A round trip on another connection: the receive before it has arrived by then.
        served.client.list_queues().send().await.unwrap();
        meanwhile.await
    };
    let (message, _) = tokio::join!(served.receive_one(url), delayed);
    message.body.unwrap()
}

#[tokio::test]
async fn a_waiting_receive_is_answered_at_a_send() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    assert_eq!(Box::pin(receive_while(&served, &url, served.send(&url, "hello"))).await, "hello");
}

#[tokio::test]
async fn a_waiting_receive_is_answered_when_a_visibility_ends() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "hello").await;
    let receive = served.client.receive_message().queue_url(&url).visibility_timeout(1);
    assert_eq!(receive.send().await.unwrap().messages().len(), 1);
    assert_eq!(served.receive_one(&url).await.body(), Some("hello"));
}

#[tokio::test]
async fn a_waiting_receive_is_answered_when_a_delay_ends() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let send = served.client.send_message().queue_url(&url).message_body("hello").delay_seconds(1);
    send.send().await.unwrap();
    assert!(served.receive(&url, 0).await.is_empty());
    assert_eq!(served.receive_one(&url).await.body(), Some("hello"));
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
    assert_eq!(Box::pin(receive_while(&served, &url, delete)).await, "second");
}

#[tokio::test]
async fn a_wait_that_brings_nothing_ends_in_an_empty_answer() {
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
        served.client.list_queues().send().await.unwrap();
        served.client.delete_queue().queue_url(&url).send().await.unwrap();
    };
    let (received, ()) = tokio::join!(receive, delete);
    assert!(received.unwrap_err().into_service_error().is_queue_does_not_exist());
}
