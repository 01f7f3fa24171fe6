//! A client that disconnects takes no message.

use aws_sdk_sqs::types::MessageSystemAttributeName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::harness::Served;

#[tokio::test]
async fn a_receive_whose_client_disconnected_takes_no_message() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let body = format!(r#"{{"QueueUrl":"{url}","WaitTimeSeconds":20}}"#);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n\
         Content-Type: application/x-amz-json-1.0\r\nContent-Length: {}\r\n\r\n{body}",
        served.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    served.is_waited_at(&url).await;

    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty(), "the server closes its side without an answer");

    served.send(&url, "hello").await;
    let message = served.receive_one(&url).await;
    let count = &message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "1");
}
