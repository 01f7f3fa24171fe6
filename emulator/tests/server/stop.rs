//! The shutdown of the emulator, which never hangs.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::harness::{AT_ONCE, Served};

/// The begin of a request whose rest never comes.
const STALLED: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";

#[tokio::test]
async fn a_shutdown_answers_the_waiting_receives_with_nothing() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let client = served.client.clone();
    let receive = client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let stop = async {
        served.is_waited_at(&url).await;
        timeout(AT_ONCE, served.emulator.shutdown()).await.unwrap().unwrap();
    };
    let (received, ()) = tokio::join!(timeout(AT_ONCE, receive), stop);
    assert!(received.unwrap().unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_client_that_stalls_does_not_hold_the_shutdown() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(STALLED).await.unwrap();
    served.client.list_queues().send().await.unwrap();
    timeout(AT_ONCE, served.emulator.shutdown()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_emulator_waits_for_no_client() {
    let served = Served::start().await;
    let address = served.address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(STALLED).await.unwrap();
    drop(served);
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AT_ONCE, refused).await.expect("the port is closed");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_at_the_shutdown() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    served.client.list_queues().send().await.unwrap();
    let mut answer = Vec::new();
    let (closed, ended) =
        tokio::join!(timeout(AT_ONCE, stream.read_to_end(&mut answer)), served.emulator.shutdown());
    closed.unwrap().unwrap();
    ended.unwrap();
    assert!(answer.is_empty());
}
