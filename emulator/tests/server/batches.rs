//! Batches: a result for each entry, and the rules for the whole.

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
};

use super::harness::{Served, refusal};

fn send(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

#[tokio::test]
async fn a_batch_of_sends_answers_entry_by_entry() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let late = SendMessageBatchRequestEntry::builder().id("late").message_body("x").delay_seconds(901);
    let batch = served.client.send_message_batch().queue_url(&url).entries(send("good", "x"));
    let answer = batch.entries(late.build().unwrap()).entries(send("empty", "")).send().await.unwrap();
    assert_eq!(answer.successful().iter().map(SendMessageBatchResultEntry::id).collect::<Vec<_>>(), ["good"]);
    let failed: Vec<_> = answer.failed().iter().map(|entry| (entry.id(), entry.code())).collect();
    assert_eq!(failed, [("late", "InvalidParameterValue"), ("empty", "MissingParameter")]);
    assert!(answer.failed().iter().all(BatchResultErrorEntry::sender_fault));
}

#[tokio::test]
async fn a_batch_of_deletes_answers_entry_by_entry() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "x").await;
    let receipt = served.receive_one(&url).await.receipt_handle.unwrap();
    let entry = |id: &str, receipt: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(receipt).build().unwrap()
    };
    let batch = served.client.delete_message_batch().queue_url(&url);
    let answer = batch.entries(entry("a", &receipt)).entries(entry("b", "garbage")).send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "a");
    assert_eq!((answer.failed()[0].id(), answer.failed()[0].code()), ("b", "ReceiptHandleIsInvalid"));
}

#[tokio::test]
async fn a_batch_of_changes_answers_entry_by_entry() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "x").await;
    let receipt = served.receive_one(&url).await.receipt_handle.unwrap();
    let entry = |id: &str, receipt: &str| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).visibility_timeout(0);
        entry.receipt_handle(receipt).build().unwrap()
    };
    let batch = served.client.change_message_visibility_batch().queue_url(&url);
    let answer = batch.entries(entry("a", &receipt)).entries(entry("b", "garbage")).send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), "a");
    assert_eq!((answer.failed()[0].id(), answer.failed()[0].code()), ("b", "ReceiptHandleIsInvalid"));
    served.receive_one(&url).await;
}

#[tokio::test]
async fn the_rules_for_a_whole_batch_are_kept() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let eleven = (0..11).map(|number| send(&number.to_string(), "x")).collect();
    for (entries, code) in [
        (vec![], "EmptyBatchRequest"),
        (eleven, "TooManyEntriesInBatchRequest"),
        (vec![send("same", "x"), send("same", "y")], "BatchEntryIdsNotDistinct"),
        (vec![send("with:colon", "x")], "InvalidBatchEntryId"),
        (vec![send("a", &"x".repeat(1_048_576)), send("b", "y")], "BatchRequestTooLong"),
    ] {
        let answer =
            served.client.send_message_batch().queue_url(&url).set_entries(Some(entries)).send().await;
        assert_eq!(refusal(answer), (format!("AWS.SimpleQueueService.{code}"), 400));
    }
    assert!(served.receive(&url, 0).await.is_empty());
}

#[tokio::test]
async fn a_fifo_queue_refuses_the_batch_for_one_entry_without_a_group() {
    let served = Served::start().await;
    let url = served.fifo_queue("orders.fifo").await;
    let grouped = SendMessageBatchRequestEntry::builder().id("a").message_body("x").message_group_id("g");
    let batch = served.client.send_message_batch().queue_url(&url).entries(grouped.build().unwrap());
    let answer = batch.entries(send("b", "y")).send().await;
    assert_eq!(refusal(answer), ("InvalidParameterValue".to_owned(), 400));
    assert!(served.receive(&url, 0).await.is_empty());
}
