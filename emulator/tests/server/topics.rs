//! SNS at the same address, through the SDK.

use aws_sdk_sns::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata as _,
    types::{MessageAttributeValue, PublishBatchRequestEntry},
};
use aws_sdk_sqs::{primitives::Blob, types::QueueAttributeName};

use super::harness::{Served, exchange, refusal};

fn client(served: &Served) -> Client {
    let config = aws_sdk_sns::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .endpoint_url(served.endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn topic(sns: &Client, name: &str) -> String {
    let create = sns.create_topic().name(name);
    let create = match name.strip_suffix(".fifo") {
        Some(_) => create.attributes("FifoTopic", "true").attributes("ContentBasedDeduplication", "true"),
        None => create,
    };
    create.send().await.unwrap().topic_arn.unwrap()
}

async fn subscribe(
    served: &Served,
    sns: &Client,
    topic: &str,
    url: &str,
    attributes: &[(&str, &str)],
) -> String {
    let endpoint = served.attribute(url, QueueAttributeName::QueueArn).await;
    let mut call = sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(endpoint);
    for (name, value) in attributes {
        call = call.attributes(*name, *value);
    }
    call.return_subscription_arn(true).send().await.unwrap().subscription_arn.unwrap()
}

const RAW: [(&str, &str); 1] = [("RawMessageDelivery", "true")];

fn text(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

#[tokio::test]
async fn a_publication_reaches_a_raw_queue_with_its_attributes() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.queue("q").await);
    let topic = topic(&sns, "orders").await;
    subscribe(&served, &sns, &topic, &url, &RAW).await;
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255]));
    let publish = sns.publish().topic_arn(&topic).message("a & b <c> \r\n ü 🚢");
    let publish = publish.message_attributes("colour", text("red & blue"));
    publish.message_attributes("bytes", bytes.build().unwrap()).send().await.unwrap();
    let message = served.receive_one(&url).await;
    assert_eq!(message.body.as_deref(), Some("a & b <c> \r\n ü 🚢"));
    let attributes = message.message_attributes.unwrap();
    assert_eq!(attributes["colour"].string_value.as_deref(), Some("red & blue"));
    assert_eq!(attributes["bytes"].binary_value.as_ref().unwrap().as_ref(), [0, 255]);
}

#[tokio::test]
async fn another_queue_gets_the_envelope_and_a_filter_is_applied() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.queue("q").await);
    let topic = topic(&sns, "orders").await;
    subscribe(&served, &sns, &topic, &url, &[("FilterPolicy", r#"{"outcome":["reject"]}"#)]).await;
    for outcome in ["done", "reject"] {
        let publish = sns.publish().topic_arn(&topic).message(outcome).subject("a subject");
        publish.message_attributes("outcome", text(outcome)).send().await.unwrap();
    }
    let envelope: serde_json::Value =
        serde_json::from_str(&served.receive_one(&url).await.body.unwrap()).unwrap();
    assert_eq!(envelope["Message"], "reject");
    assert_eq!(envelope["Subject"], "a subject");
    assert_eq!(envelope["TopicArn"], topic);
    assert_eq!(envelope["MessageAttributes"]["outcome"]["Value"], "reject");
}

#[tokio::test]
async fn a_fifo_topic_keeps_groups_and_accepts_a_message_once() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.fifo_queue("q.fifo").await);
    let topic = topic(&sns, "orders.fifo").await;
    subscribe(&served, &sns, &topic, &url, &RAW).await;
    for deduplication in ["1", "2", "2"] {
        let publish = sns.publish().topic_arn(&topic).message("same").message_group_id("g");
        let answer = publish.message_deduplication_id(deduplication).send().await.unwrap();
        assert!(answer.sequence_number.is_some());
    }
    let received = served.receive(&url, 0).await;
    assert_eq!(received.len(), 2);
    let group = &received[0].attributes.as_ref().unwrap()[&"MessageGroupId".into()];
    assert_eq!(group, "g");
}

#[tokio::test]
async fn a_batch_is_answered_entry_by_entry() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.queue("q").await);
    let topic = topic(&sns, "orders").await;
    subscribe(&served, &sns, &topic, &url, &RAW).await;
    let entry = |id: &str, subject: &str| {
        let entry = PublishBatchRequestEntry::builder().id(id).message("m").subject(subject);
        entry.message_attributes("a", text("x")).build().unwrap()
    };
    let batch = sns.publish_batch().topic_arn(&topic);
    let answer = batch
        .publish_batch_request_entries(entry("good", "s"))
        .publish_batch_request_entries(entry("bad", "\n"));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.successful()[0].id(), Some("good"));
    let failed = &answer.failed()[0];
    assert_eq!((failed.id(), failed.code(), failed.sender_fault()), ("bad", "InvalidParameter", true));
    assert_eq!(served.receive(&url, 0).await.len(), 1);
}

#[tokio::test]
async fn each_refusal_has_snss_code_and_status() {
    let served = Served::start().await;
    let sns = client(&served);
    let topic = topic(&sns, "orders").await;
    let gone = "arn:aws:sns:us-east-1:000000000000:gone";
    let refused = refusal(sns.publish().topic_arn(gone).message("x").send().await);
    assert_eq!(refused, ("NotFound".to_owned(), 404));
    let error = sns.publish().topic_arn("orders").message("x").send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_parameter_exception());
    let refused = refusal(sns.publish().phone_number("555").message("x").send().await);
    assert_eq!(refused, ("InvalidParameter".to_owned(), 400));
    let value = MessageAttributeValue::builder().data_type("Word").string_value("x").build().unwrap();
    let error =
        sns.publish().topic_arn(&topic).message("x").message_attributes("a", value).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_parameter_value_exception());
    for (ids, code) in [
        (Vec::new(), "EmptyBatchRequest"),
        ((0..11).map(|id| id.to_string()).collect(), "TooManyEntriesInBatchRequest"),
        (vec!["a".to_owned(), "a".to_owned()], "BatchEntryIdsNotDistinct"),
        (vec!["?".to_owned()], "InvalidBatchEntryId"),
    ] {
        let entry = |id: &String| PublishBatchRequestEntry::builder().id(id).message("m").build().unwrap();
        let entries = ids.iter().map(entry).collect();
        let batch = sns.publish_batch().topic_arn(&topic).set_publish_batch_request_entries(Some(entries));
        assert_eq!(batch.send().await.unwrap_err().code(), Some(code));
    }
}

#[tokio::test]
async fn topics_and_subscriptions_are_listed_changed_and_deleted() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.queue("q").await);
    let topic = topic(&sns, "orders").await;
    let subscription = subscribe(&served, &sns, &topic, &url, &[]).await;
    let listed = sns.list_topics().send().await.unwrap();
    assert_eq!(listed.topics()[0].topic_arn(), Some(topic.as_str()));
    sns.set_topic_attributes()
        .topic_arn(&topic)
        .attribute_name("DisplayName")
        .attribute_value("Orders")
        .send()
        .await
        .unwrap();
    let attributes = sns.get_topic_attributes().topic_arn(&topic).send().await.unwrap().attributes.unwrap();
    assert_eq!(
        (attributes["DisplayName"].as_str(), attributes["SubscriptionsConfirmed"].as_str()),
        ("Orders", "1")
    );
    let set = sns.set_subscription_attributes().subscription_arn(&subscription);
    set.attribute_name("RawMessageDelivery").attribute_value("true").send().await.unwrap();
    let shown = sns.get_subscription_attributes().subscription_arn(&subscription).send().await.unwrap();
    assert_eq!(shown.attributes.unwrap()["RawMessageDelivery"], "true");
    let listed = sns.list_subscriptions_by_topic().topic_arn(&topic).send().await.unwrap();
    assert_eq!(listed.subscriptions()[0].subscription_arn(), Some(subscription.as_str()));
    sns.unsubscribe().subscription_arn(&subscription).send().await.unwrap();
    assert_eq!(sns.list_subscriptions().send().await.unwrap().subscriptions().len(), 0);
    sns.delete_topic().topic_arn(&topic).send().await.unwrap();
    assert_eq!(sns.list_topics().send().await.unwrap().topics().len(), 0);
}

#[tokio::test]
async fn an_sms_is_taken() {
    let served = Served::start().await;
    let answer = client(&served).publish().phone_number("+15550100123").message("ahoy").send().await.unwrap();
    assert!(answer.message_id.is_some());
}

#[tokio::test]
async fn a_test_sees_sent_sms_and_opts_numbers_out_at_the_paths_of_localstack() {
    let served = Served::start().await;
    let sns = client(&served);
    let call = async |request: &str, body: &str| {
        let length = body.len();
        let head = format!("{request} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        exchange(served.address, &head).await
    };
    let sms = async || {
        let answer = call("GET /_aws/sns/sms-messages", "").await;
        serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["sms_messages"].take()
    };
    let publish = async || {
        sns.publish().phone_number("+15550100123").message("ahoy").send().await.unwrap();
    };
    publish().await;
    assert_eq!(sms().await["+15550100123"][0]["Message"], "ahoy");
    assert_eq!(call("DELETE /_aws/sns/sms-messages", "").await.status, 204);
    let opted_out = r#"{"phoneNumber": "+15550100123", "accountId": "000000000000"}"#;
    assert_eq!(call("POST /_aws/sns/phone-opt-outs", opted_out).await.status, 204);
    publish().await;
    assert_eq!(sms().await, serde_json::json!({}));
    let check = || sns.check_if_phone_number_is_opted_out().phone_number("+15550100123").send();
    assert!(check().await.unwrap().is_opted_out);
    let listed = sns.list_phone_numbers_opted_out().send().await.unwrap();
    assert_eq!(listed.phone_numbers(), ["+15550100123"]);
    sns.opt_in_phone_number().phone_number("+15550100123").send().await.unwrap();
    assert!(!check().await.unwrap().is_opted_out);
    let wrong = call("POST /_aws/sns/phone-opt-outs", r#"{"phoneNumber": "me"}"#).await;
    assert!(wrong.status == 400 && wrong.body.contains("input incorrectly formatted"), "{wrong:?}");
}

#[tokio::test]
async fn the_certificate_of_an_envelope_is_at_the_address_of_the_publisher() {
    let served = Served::start().await;
    let (sns, url) = (client(&served), served.queue("q").await);
    let topic = topic(&sns, "orders").await;
    subscribe(&served, &sns, &topic, &url, &[]).await;
    sns.publish().topic_arn(&topic).message("ahoy").send().await.unwrap();
    let envelope = served.receive_one(&url).await.body.unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&envelope).unwrap();
    let certificate = envelope["SigningCertURL"].as_str().unwrap();
    let path = certificate.strip_prefix(&served.endpoint()).unwrap();
    let answer = exchange(served.address, &format!("GET {path} HTTP/1.0\r\n\r\n")).await;
    assert!(answer.body.starts_with("-----BEGIN CERTIFICATE-----"), "{answer:?}");
    let unsubscribe = envelope["UnsubscribeURL"].as_str().unwrap().strip_prefix(&served.endpoint()).unwrap();
    assert_eq!(exchange(served.address, &format!("GET {unsubscribe} HTTP/1.0\r\n\r\n")).await.status, 200);
    assert!(sns.list_subscriptions().send().await.unwrap().subscriptions().is_empty());
}

#[tokio::test]
async fn the_region_of_the_credentials_chooses_the_topics() {
    let served = Served::start().await;
    let list = async |region: &str| {
        let scope = format!("AWS4-HMAC-SHA256 Credential=any/20261130/{region}/sns/aws4_request");
        let target = "/?Action=ListTopics&Version=2010-03-31";
        let head = format!("GET {target} HTTP/1.0\r\nAuthorization: {scope}\r\n\r\n");
        exchange(served.address, &head).await.body
    };
    let arn = topic(&client(&served), "orders").await;
    assert!(list("us-east-1").await.contains(&arn));
    assert!(!list("eu-west-1").await.contains(&arn));
}
