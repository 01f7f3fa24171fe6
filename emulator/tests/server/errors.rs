//! Errors: the codes that the SDK reports, and the errors of the JSON protocol on the wire.

use super::harness::{Served, post_json, refusal};

const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";

#[tokio::test]
async fn every_action_reports_a_missing_queue() {
    let served = Served::start().await;
    let url = format!("{}/000000000000/nobody", served.endpoint());
    let client = &served.client;
    let expected = (NO_QUEUE.to_owned(), 400);
    assert_eq!(refusal(client.receive_message().queue_url(&url).send().await), expected);
    assert_eq!(refusal(client.send_message().queue_url(&url).message_body("x").send().await), expected);
    assert_eq!(refusal(client.delete_message().queue_url(&url).receipt_handle("x").send().await), expected);
    assert_eq!(refusal(client.purge_queue().queue_url(&url).send().await), expected);
    assert_eq!(refusal(client.delete_queue().queue_url(&url).send().await), expected);
    assert_eq!(refusal(client.list_dead_letter_source_queues().queue_url(&url).send().await), expected);
}

#[tokio::test]
async fn numbers_out_of_range_are_invalid() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let receive = || served.client.receive_message().queue_url(&url);
    for receive in [
        receive().wait_time_seconds(21),
        receive().wait_time_seconds(-1),
        receive().max_number_of_messages(11),
        receive().max_number_of_messages(0),
        receive().max_number_of_messages(-1),
        receive().visibility_timeout(43_201),
    ] {
        assert_eq!(refusal(receive.send().await), ("InvalidParameterValue".to_owned(), 400));
    }
}

#[tokio::test]
async fn garbage_as_a_receipt_is_invalid() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let deleted = served.client.delete_message().queue_url(&url).receipt_handle("garbage").send().await;
    assert!(deleted.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
    let change = served.client.change_message_visibility().queue_url(&url).receipt_handle("garbage");
    let changed = change.visibility_timeout(1).send().await;
    assert_eq!(refusal(changed), ("ReceiptHandleIsInvalid".to_owned(), 400));
}

#[tokio::test]
async fn an_error_in_json_carries_both_codes_and_a_request_id() {
    let served = Served::start().await;
    let answer = post_json(served.address, "GetQueueUrl", r#"{"QueueName":"nobody"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains(r#""__type":"com.amazonaws.sqs#QueueDoesNotExist""#), "{answer:?}");
    let header = "x-amzn-query-error: aws.simplequeueservice.nonexistentqueue;sender";
    assert!(answer.head.contains(header), "{answer:?}");
    assert!(answer.head.contains("x-amzn-requestid: "), "{answer:?}");
    assert!(answer.head.contains("content-type: application/x-amz-json-1.0"), "{answer:?}");
}

#[tokio::test]
async fn an_unreadable_request_is_refused_with_its_error() {
    let served = Served::start().await;
    for (action, body, shape) in [
        ("GetQueueUrl", "{\"QueueName\": ", "SerializationException"),
        ("GetQueueUrl", "{\"QueueName\": 7}", "SerializationException"),
        ("GetQueueUrl", "{}", "MissingRequiredParameterException"),
        ("GetQueueUrl", "", "MissingRequiredParameterException"),
        ("Frobnicate", "{}", "UnknownOperationException"),
        ("SendMessage", r#"{"QueueUrl":"http://localhost/"}"#, "MissingRequiredParameterException"),
        ("PurgeQueue", r#"{"QueueUrl":"http://localhost/"}"#, "InvalidAddress"),
    ] {
        let answer = post_json(served.address, action, body).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(answer.body.contains(&format!("#{shape}\"")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_larger_than_any_request_is_refused_in_one_piece() {
    let served = Served::start().await;
    let body = format!(r#"{{"QueueName":"{}"}}"#, "x".repeat(9 * 1024 * 1024));
    let answer = post_json(served.address, "GetQueueUrl", &body).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("#RequestEntityTooLargeException"), "{answer:?}");
}

#[tokio::test]
async fn a_null_in_json_is_a_missing_parameter() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let body = format!(r#"{{"QueueUrl":"{url}","AttributeNames":null,"WaitTimeSeconds":null}}"#);
    let answer = post_json(served.address, "ReceiveMessage", &body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"));
}
