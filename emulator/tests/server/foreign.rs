//! Requests that a foreign web page makes a browser send, which are refused in both protocols.

use longshore_emulator::Emulator;

use super::harness::{RawResponse, Served, exchange};

/// A form such as a page can submit to any address.
const CREATE: &str = "Action=CreateQueue&QueueName=stolen";

async fn create(served: &Served, headers: &str) -> RawResponse {
    let length = CREATE.len();
    let head =
        format!("POST / HTTP/1.1\r\n{headers}Content-Type: text/plain\r\nContent-Length: {length}\r\n");
    exchange(served.address, &format!("{head}Connection: close\r\n\r\n{CREATE}")).await
}

#[tokio::test]
async fn a_foreign_page_creates_no_queue() {
    let served = Served::start().await;
    let own = format!("Host: {}\r\n", served.address);
    for headers in [
        format!("{own}Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n"),
        format!("{own}Origin: null\r\n"),
        format!("{own}Origin: http://localhost:3000\r\n"),
        format!("{own}Sec-Fetch-Site: cross-site\r\n"),
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{0}\r\nOrigin: http://evil.example:{0}\r\n", served.address.port()),
    ] {
        let refused = create(&served, &headers).await;
        assert_eq!(refused.status, 403, "{headers}");
        assert!(refused.body.contains("<Code>AccessDenied</Code>"), "{}", refused.body);
    }
    assert!(served.emulator.sqs().queue_names("").is_empty());
    let fine = create(&served, &format!("{own}Origin: http://{}\r\n", served.address)).await;
    assert_eq!(fine.status, 200, "{}", fine.body);
}

#[tokio::test]
async fn a_foreign_image_sends_nothing() {
    let served = Served::start().await;
    let get = format!("GET /?{CREATE} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", served.address);
    let refused = exchange(served.address, &format!("{get}Sec-Fetch-Site: cross-site\r\n\r\n")).await;
    assert_eq!(refused.status, 403);
    let typed = exchange(served.address, &format!("{get}Sec-Fetch-Site: none\r\n\r\n")).await;
    assert_eq!(typed.status, 200, "a person may type it into the browser");
}

#[tokio::test]
async fn a_refusal_in_json_names_the_host_and_the_way_to_allow_it() {
    let served = Served::start().await;
    let request = "POST / HTTP/1.1\r\nHost: sqs.example:9324\r\nX-Amz-Target: AmazonSQS.ListQueues\r\n\
                   Content-Length: 2\r\nConnection: close\r\n\r\n{}";
    let refused = exchange(served.address, request).await;
    assert_eq!(refused.status, 403);
    assert!(refused.head.contains("x-amzn-query-error: accessdenied;sender"), "{}", refused.head);
    assert!(
        refused.body.contains("sqs.example:9324") && refused.body.contains("--allow-host"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn an_allowed_host_is_served_with_the_names_below_it() {
    let emulator = Emulator::builder().allow_host("sqs.example").start().await.unwrap();
    for (host, status) in [("sqs.example:9324", 200), ("eu.sqs.example", 200), ("example", 403)] {
        let get = format!("GET /?Action=ListQueues HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(emulator.address(), &get).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn a_server_beyond_loopback_has_the_names_of_services() {
    let emulator = Emulator::builder().address(([0, 0, 0, 0], 0)).start().await.unwrap();
    let address = ([127, 0, 0, 1], emulator.address().port()).into();
    for (host, status) in [("emulator:9324", 200), ("host.docker.internal", 200), ("evil.example", 403)] {
        let get = format!("GET /?Action=ListQueues HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(address, &get).await.status, status, "{host}");
    }
}
