//! A client of the served topics.

use aws_sdk_sns::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::{Sqs, aws, until};

/// A client of a server that speaks both SNS and SQS.
#[derive(Clone, Debug)]
pub(crate) struct Sns {
    pub(crate) client: Client,
    sqs: Sqs,
}

impl Sns {
    pub(crate) fn at(endpoint: &str) -> Self {
        Self { client: Client::new(&aws::config(endpoint)), sqs: Sqs::at(endpoint) }
    }

    /// Creates a topic, or finds it; returns its ARN.
    pub(crate) async fn topic(&self, name: &str) -> String {
        let create = self.client.create_topic().name(name);
        let create = match name.strip_suffix(".fifo") {
            Some(_) => create.attributes("FifoTopic", "true"),
            None => create,
        };
        create.send().await.unwrap().topic_arn.unwrap()
    }

    /// Creates a queue with a raw subscription to a topic; returns its URL.
    pub(crate) async fn listener(&self, topic: &str, name: &str) -> String {
        let fifo = name.strip_suffix(".fifo").map(|_| (QueueAttributeName::FifoQueue, "true".to_owned()));
        let url = self.sqs.queue(name, &fifo.into_iter().collect::<Vec<_>>()).await;
        self.subscribe(topic, &url, true).await;
        url
    }

    /// Subscribes a queue to a topic.
    pub(crate) async fn subscribe(&self, topic: &str, url: &str, is_raw: bool) {
        let endpoint = self.sqs.attribute(url, QueueAttributeName::QueueArn).await;
        let subscribe = self.client.subscribe().topic_arn(topic).protocol("sqs").endpoint(endpoint);
        subscribe.attributes("RawMessageDelivery", is_raw.to_string()).send().await.unwrap();
    }

    /// Waits until a subscribed queue has received this many messages; returns their bodies.
    pub(crate) async fn received(&self, url: &str, count: usize) -> Vec<String> {
        let mut received = Vec::new();
        until("every message is received", async || {
            received.extend(self.sqs.take_all(url).await.into_iter().map(|(body, _)| body));
            received.len() >= count
        })
        .await;
        received
    }

    /// Waits until a subscribed queue has received this many notifications, and returns them.
    pub(crate) async fn notified(&self, url: &str, count: usize) -> Vec<Value> {
        let received = self.received(url, count).await;
        received.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }
}
