//! Messages: sends, receives, visibility and deletes.

use aws_sdk_sqs::{
    primitives::Blob,
    types::{
        MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
        MessageSystemAttributeValue,
    },
};

use super::harness::{Served, refusal};

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

#[tokio::test]
async fn a_body_is_returned_unchanged() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    for body in ["{\"a\": \"b & c\"}", "50 % + <x>", "🚀 é 中", "line\nline\r\n\ttab"] {
        served.send(&url, body).await;
        let message = served.receive_one(&url).await;
        assert_eq!(message.body(), Some(body));
        let receipt = message.receipt_handle.unwrap();
        served.client.delete_message().queue_url(&url).receipt_handle(receipt).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_body_of_one_mebibyte_passes_and_one_byte_more_does_not() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, &"é".repeat(1_048_576 / 2)).await;
    assert_eq!(served.receive_one(&url).await.body().map(str::len), Some(1_048_576));
    let larger = served.client.send_message().queue_url(&url).message_body("x".repeat(1_048_577));
    assert_eq!(refusal(larger.send().await), ("InvalidParameterValue".to_owned(), 400));
}

#[tokio::test]
async fn attributes_are_returned_with_the_checksums_that_the_sdk_verifies() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
    let header = "Root=1-3152b799-8954dae64eda91bc9a23a7e8";
    let trace = MessageSystemAttributeValue::builder().data_type("String").string_value(header);
    let request = served
        .client
        .send_message()
        .queue_url(&url)
        .message_body("hello")
        .message_attributes("colour", text("red"))
        .message_attributes("bytes", bytes.build().unwrap())
        .message_system_attributes(
            MessageSystemAttributeNameForSends::AwsTraceHeader,
            trace.build().unwrap(),
        );
    let sent = request.send().await.unwrap();
    assert!(sent.md5_of_message_system_attributes().is_some());
    let message = served.receive_one(&url).await;
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes["colour"], text("red"));
    assert_eq!(attributes["bytes"].binary_value(), Some(&Blob::new([0, 255])));
    assert_eq!(message.attributes().unwrap()[&MessageSystemAttributeName::AwsTraceHeader], header);
}

#[tokio::test]
async fn only_the_selected_attributes_are_returned() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let send = served.client.send_message().queue_url(&url).message_body("hello");
    send.message_attributes("colour", text("red")).send().await.unwrap();
    let received = served.client.receive_message().queue_url(&url).send().await.unwrap();
    let message = &received.messages()[0];
    assert_eq!((message.attributes(), message.message_attributes()), (None, None));
    assert_eq!(message.md5_of_message_attributes(), None);
}

#[tokio::test]
async fn a_changed_visibility_gives_a_message_back_or_keeps_it_hidden() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "hello").await;
    let change = async |receipt: Option<String>, seconds| {
        let change = served.client.change_message_visibility().queue_url(&url).visibility_timeout(seconds);
        change.set_receipt_handle(receipt).send().await.unwrap();
    };
    change(served.receive_one(&url).await.receipt_handle, 0).await;
    let again = served.receive_one(&url).await;
    let count = &again.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "2");
    change(again.receipt_handle, 60).await;
    assert!(served.receive(&url, 0).await.is_empty());
}

#[tokio::test]
async fn a_group_on_a_standard_queue_is_kept() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send_to_group(&url, "tenant-1", "hello").await;
    let message = served.receive_one(&url).await;
    assert_eq!(message.attributes().unwrap()[&MessageSystemAttributeName::MessageGroupId], "tenant-1");
}
