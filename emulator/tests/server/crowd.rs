//! Clients that hold connections without using them.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::harness::{Served, exchange};

#[tokio::test]
async fn http_2_is_not_spoken_and_a_thousand_idle_connections_hold_up_no_request() {
    let served = Served::start().await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"POST / HT").await.unwrap();
        idle.push(stream);
    }
    served.queue("orders").await;
    let mut preface = TcpStream::connect(served.address).await.unwrap();
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut preface, &mut answer).await.unwrap_or_default();
    assert!(answer.is_empty(), "{answer:?}");
    let get = "GET /?Action=ListQueues HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(served.address, get).await.status, 200);
}
