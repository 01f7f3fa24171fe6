//! The bounds of memory: of one request, and of all that is stored.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use longshore_emulator::Emulator;

use super::harness::{Served, post_form, post_json, refusal};

/// The largest body that is read.
const BODY: usize = 8 * 1024 * 1024;
/// The bytes that a message takes besides its body.
const OVERHEAD: usize = 512;

#[tokio::test]
async fn a_form_of_many_or_of_deep_parameters_is_refused() {
    let served = Served::start().await;
    served.queue("orders").await;
    let receive = "Action=ReceiveMessage&";
    for (parameters, reason) in [
        ("N.a.a.a.a.a.a=&".repeat(BODY / 16), "more than 1000 parameters"),
        ("=&".repeat(BODY / 4), "more than 1000 parameters"),
        ("N.".repeat(BODY / 4), "a name of more than 8 parts"),
        ("N".repeat(BODY / 2), "a name of more than 256 bytes"),
    ] {
        let answer =
            post_form(served.address, "/000000000000/orders", &format!("{receive}{parameters}")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("<Code>InvalidParameterValue</Code>"), "{}", answer.body);
        assert!(answer.body.contains(reason), "{}", answer.body);
    }
}

#[tokio::test]
async fn json_of_many_or_of_deep_values_is_refused() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let many = format!(r#"{{"QueueUrl":"{url}","Entries":[{}{{}}]}}"#, "{},".repeat(BODY / 4));
    let deep = format!(r#"{{"QueueUrl":"{url}","Entries":{}"#, "[".repeat(BODY / 2));
    for (body, reason) in [(many, "more than 1000 values"), (deep, "nested deeper than 8 levels")] {
        let answer = post_json(served.address, "SendMessageBatch", &body).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("#SerializationException"), "{}", answer.body);
        assert!(answer.body.contains(reason), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_attribute_larger_than_any_policy_is_refused() {
    let served = Served::start().await;
    let url = served.queue("orders").await;
    let policy = format!("[{}0]", "0,".repeat(BODY / 4));
    for name in ["Policy", "RedrivePolicy"] {
        let body = format!(r#"{{"QueueUrl":"{url}","Attributes":{{"{name}":"{policy}"}}}}"#);
        let answer = post_json(served.address, "SetQueueAttributes", &body).await;
        assert!(answer.body.contains("#InvalidAttributeValue"), "{}", answer.body);
    }
}

/// An emulator with room for this many messages of a kilobyte beside one queue.
async fn small(messages: usize) -> (Served, String) {
    // The attributes of a queue are shorter than a kilobyte.
    let bytes = (messages + 1) * (1024 + OVERHEAD);
    let served = Served::of(Emulator::builder().stored_bytes(bytes).start().await.unwrap());
    let url = served.queue("orders").await;
    (served, url)
}

#[tokio::test]
async fn a_send_beyond_the_stored_bytes_is_over_the_limit_until_a_message_is_deleted() {
    let (served, url) = small(2).await;
    let body = "x".repeat(1024);
    served.send(&url, &body).await;
    served.send(&url, &body).await;
    let send = || served.client.send_message().queue_url(&url).message_body(&body).send();
    assert_eq!(refusal(send().await), ("OverLimit".to_owned(), 400));
    let form = format!("Action=SendMessage&MessageBody={body}");
    let answer = post_form(served.address, "/000000000000/orders", &form).await;
    assert!(answer.status == 403 && answer.body.contains("<Code>OverLimit</Code>"), "{answer:?}");
    let entry = SendMessageBatchRequestEntry::builder().id("a").message_body(&body).build().unwrap();
    let batch = served.client.send_message_batch().queue_url(&url).entries(entry).send().await.unwrap();
    assert_eq!(batch.failed[0].code, "OverLimit");
    let held = served.receive(&url, 0).await;
    let receipt = held[0].receipt_handle.clone().unwrap();
    served.client.delete_message().queue_url(&url).receipt_handle(receipt).send().await.unwrap();
    send().await.unwrap();
}

#[tokio::test]
async fn queues_tags_and_topics_take_stored_bytes_too() {
    let (served, url) = small(1).await;
    served.send(&url, &"x".repeat(1024)).await;
    let value = "v".repeat(1024);
    let tagged = served.client.tag_queue().queue_url(&url).tags("k", &value).send().await;
    assert_eq!(refusal(tagged), ("OverLimit".to_owned(), 400));
    let created = served.client.create_queue().queue_name("other").tags("k", &value).send().await;
    assert_eq!(refusal(created), ("OverLimit".to_owned(), 400));
    assert_eq!(served.emulator.sqs().queue_names(""), ["orders"]);
    let topic =
        format!("Action=CreateTopic&Name=t&Attributes.entry.1.key=Policy&Attributes.entry.1.value={value}");
    let answer = post_form(served.address, "/", &topic).await;
    assert!(answer.status == 429 && answer.body.contains("<Code>Throttled</Code>"), "{answer:?}");
    served.client.delete_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(post_form(served.address, "/", &topic).await.status, 200, "the queue's bytes are free");
}

#[tokio::test]
async fn a_fifo_queue_remembers_deduplication_ids_without_their_bodies() {
    let served = Served::of(Emulator::builder().stored_bytes(64 * 1024).start().await.unwrap());
    let url = served.fifo_queue("orders.fifo").await;
    for number in 0..40 {
        served.send_to_group(&url, "a", &format!("{number}{}", "x".repeat(8 * 1024))).await;
        let receipt = served.receive_one(&url).await.receipt_handle.unwrap();
        served.client.delete_message().queue_url(&url).receipt_handle(receipt).send().await.unwrap();
    }
}
