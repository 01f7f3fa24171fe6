//! Dead-letter queues and the tasks that move messages out of them.

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use super::harness::{Served, refusal};

#[tokio::test]
async fn a_message_that_was_received_too_often_moves() {
    let served = Served::start().await;
    let (url, dead) = served.queue_with_dlq("orders").await;
    served.send(&url, "hello").await;
    served.receive_one(&url).await;
    assert!(served.receive(&url, 0).await.is_empty());
    let message = served.receive_one(&dead).await;
    let attributes = message.attributes().unwrap();
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "2");
    let source = served.attribute(&url, QueueAttributeName::QueueArn).await;
    assert_eq!(attributes[&MessageSystemAttributeName::DeadLetterQueueSourceArn], source);
}

#[tokio::test]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let served = Served::start().await;
    let (url, dead) = served.queue_with_dlq("orders").await;
    let listed = served.client.list_dead_letter_source_queues().queue_url(&dead).send().await.unwrap();
    assert_eq!(listed.queue_urls(), [url]);
}

#[tokio::test]
async fn dead_messages_are_moved_back_by_a_task() {
    let served = Served::start().await;
    let (url, dead) = served.queue_with_dlq("orders").await;
    let dead_arn = served.attribute(&dead, QueueAttributeName::QueueArn).await;
    served.send(&dead, "hello").await;
    let url_arn = served.attribute(&url, QueueAttributeName::QueueArn).await;
    let start = served.client.start_message_move_task().source_arn(&dead_arn).destination_arn(&url_arn);
    start.send().await.unwrap();
    assert_eq!(served.receive_one(&url).await.body(), Some("hello"));
    let listed = served.client.list_message_move_tasks().source_arn(&dead_arn).send().await.unwrap();
    let task = &listed.results()[0];
    assert_eq!(task.status(), Some("COMPLETED"));
    assert_eq!(task.approximate_number_of_messages_moved(), 1);
    assert_eq!(task.destination_arn(), Some(url_arn.as_str()));
    assert!(task.started_timestamp() > 0);
}

#[tokio::test]
async fn a_slow_move_is_cancelled_by_its_handle() {
    let served = Served::start().await;
    let (_, dead) = served.queue_with_dlq("orders").await;
    for _ in 0..20 {
        served.send(&dead, "hello").await;
    }
    let dead_arn = served.attribute(&dead, QueueAttributeName::QueueArn).await;
    let elsewhere = served.queue("elsewhere").await;
    let elsewhere_arn = served.attribute(&elsewhere, QueueAttributeName::QueueArn).await;
    let start = served.client.start_message_move_task().source_arn(&dead_arn);
    let start = start.destination_arn(elsewhere_arn).max_number_of_messages_per_second(1);
    let handle = start.send().await.unwrap().task_handle.unwrap();
    let listed = served.client.list_message_move_tasks().source_arn(&dead_arn).send().await.unwrap();
    assert_eq!(listed.results()[0].task_handle(), Some(handle.as_str()));
    served.client.cancel_message_move_task().task_handle(&handle).send().await.unwrap();
    let again = served.client.cancel_message_move_task().task_handle(&handle).send().await;
    assert!(refusal(again).1 >= 400);
}

#[tokio::test]
async fn a_move_from_no_queue_is_not_found() {
    let served = Served::start().await;
    let start =
        served.client.start_message_move_task().source_arn("arn:aws:sqs:us-east-1:000000000000:nobody");
    assert_eq!(refusal(start.send().await), ("ResourceNotFoundException".to_owned(), 404));
}
