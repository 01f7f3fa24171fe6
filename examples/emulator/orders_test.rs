//! A Rust test with an emulator of its own: on a free port, stopped by its drop.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use longshore_emulator::Emulator;

/// The code under test: moves an order from one queue to the next.
async fn ship(sqs: &Client, orders: &str, shipped: &str) {
    let received = sqs.receive_message().queue_url(orders).wait_time_seconds(5).send().await.unwrap();
    for order in received.messages.unwrap_or_default() {
        sqs.send_message().queue_url(shipped).message_body(order.body.unwrap()).send().await.unwrap();
        let handle = order.receipt_handle.unwrap();
        sqs.delete_message().queue_url(orders).receipt_handle(handle).send().await.unwrap();
    }
}

#[tokio::test]
async fn an_order_is_shipped() {
    let emulator = Emulator::start().await.unwrap();
    for queue in ["orders", "shipped"] {
        emulator.create_queue(queue).unwrap();
    }
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let (sqs, endpoint) = (Client::from_conf(config), emulator.endpoint());
    emulator.sqs().send("orders", "4711").unwrap();

    let url = |name: &str| format!("{endpoint}/000000000000/{name}");
    tokio::time::timeout(Duration::from_secs(10), ship(&sqs, &url("orders"), &url("shipped"))).await.unwrap();

    assert_eq!(emulator.sqs().messages("shipped").unwrap()[0].body, "4711");
    assert!(emulator.sqs().messages("orders").unwrap().is_empty());
}
