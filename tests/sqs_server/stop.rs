//! The stop of the server: in order, and never hanging.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::harness::{AT_ONCE, Served};

#[tokio::test]
async fn a_drain_answers_the_waiting_receives_with_nothing() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let stop = async {
        served.is_waited_at(&url).await;
        served.stop.drain();
    };
    let (messages, ()) = tokio::join!(timeout(AT_ONCE, served.receive(&url, 20)), stop);
    assert!(messages.unwrap().is_empty());
    timeout(AT_ONCE, served.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_stalls_does_not_hold_the_drain() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    served.client.list_queues().send().await.unwrap();
    served.stop.drain();
    timeout(AT_ONCE, served.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_halt_waits_for_nobody() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    served.stop.halt();
    timeout(AT_ONCE, served.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_at_the_drain() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    served.client.list_queues().send().await.unwrap();
    served.stop.drain();
    let mut answer = Vec::new();
    timeout(AT_ONCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.is_empty());
}
