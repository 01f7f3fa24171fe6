//! Queues: creation, deletion, attributes and tags.

use aws_sdk_sqs::types::QueueAttributeName;

use super::harness::{Served, refusal};

#[tokio::test]
async fn a_queue_is_created_found_listed_and_deleted() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    assert_eq!(url, format!("{}/000000000000/orders", served.endpoint()));
    let found = served.client.get_queue_url().queue_name("orders").send().await.unwrap();
    assert_eq!(found.queue_url(), Some(url.as_str()));
    let listed = served.client.list_queues().queue_name_prefix("ord").send().await.unwrap();
    assert_eq!(listed.queue_urls(), [url.as_str()]);
    served.client.delete_queue().queue_url(&url).send().await.unwrap();
    let gone = served.client.get_queue_url().queue_name("orders").send().await;
    assert!(gone.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn another_accounts_queue_does_not_exist() {
    let served = Served::start().await;
    served.queue("orders").await;
    let ours = served.client.get_queue_url().queue_name("orders").queue_owner_aws_account_id("000000000000");
    ours.send().await.unwrap();
    let theirs =
        served.client.get_queue_url().queue_name("orders").queue_owner_aws_account_id("123456789012");
    assert!(theirs.send().await.unwrap_err().into_service_error().is_queue_does_not_exist());
}

#[tokio::test]
async fn queues_are_listed_in_pages() {
    let served = Served::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(served.queue(&format!("queue-{number}")).await);
    }
    let first = served.client.list_queues().max_results(3).send().await.unwrap();
    assert_eq!(first.queue_urls(), &made[..3]);
    let rest = served.client.list_queues().max_results(3).set_next_token(first.next_token);
    let rest = rest.send().await.unwrap();
    assert_eq!((rest.queue_urls(), rest.next_token()), (&made[3..], None));
}

#[tokio::test]
async fn attributes_are_set_and_read_back() {
    let served = Served::start().await;
    let url = served.queue_with("orders", &[(QueueAttributeName::VisibilityTimeout, "44")]).await;
    assert_eq!(served.attribute(&url, QueueAttributeName::VisibilityTimeout).await, "44");
    let set = served.client.set_queue_attributes().queue_url(&url);
    set.attributes(QueueAttributeName::VisibilityTimeout, "45").send().await.unwrap();
    assert_eq!(served.attribute(&url, QueueAttributeName::VisibilityTimeout).await, "45");
    let again = served.client.create_queue().queue_name("orders");
    let again = again.attributes(QueueAttributeName::VisibilityTimeout, "46").send().await;
    assert!(again.unwrap_err().into_service_error().is_queue_name_exists());
}

#[tokio::test]
async fn tags_are_set_listed_and_removed() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.client.tag_queue().queue_url(&url).tags("team", "a").tags("stage", "b").send().await.unwrap();
    served.client.untag_queue().queue_url(&url).tag_keys("team").send().await.unwrap();
    let tags = served.client.list_queue_tags().queue_url(&url).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("stage".to_owned(), "b".to_owned())]);
}

#[tokio::test]
async fn a_purge_drops_the_messages_once_a_minute() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    served.send(&url, "hello").await;
    served.client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(served.receive(&url, 0).await.is_empty());
    let again = served.client.purge_queue().queue_url(&url).send().await;
    assert_eq!(refusal(again), ("AWS.SimpleQueueService.PurgeQueueInProgress".to_owned(), 403));
}

#[tokio::test]
async fn permissions_are_statements_of_the_policy() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let add = served.client.add_permission().queue_url(&url).label("x").aws_account_ids("111122223333");
    add.actions("SendMessage").send().await.unwrap();
    let policy = served.attribute(&url, QueueAttributeName::Policy).await;
    assert!(policy.contains(r#""Sid":"x""#) && policy.contains("SQS:SendMessage"), "{policy}");
    served.client.remove_permission().queue_url(&url).label("x").send().await.unwrap();
    let again = served.client.remove_permission().queue_url(&url).label("x").send().await;
    assert_eq!(refusal(again), ("InvalidParameterValue".to_owned(), 400));
}
