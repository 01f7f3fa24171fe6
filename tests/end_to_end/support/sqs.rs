//! A client of the served queues.

use std::collections::HashMap;

use aws_sdk_sqs::{
    Client,
    types::{QueueAttributeName, SendMessageBatchRequestEntry},
};

use super::{aws, until};

/// A client of an SQS server.
#[derive(Clone, Debug)]
pub(crate) struct Sqs {
    pub(crate) client: Client,
}

/// A queue and its DLQ, by their URLs.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) queue: String,
    pub(crate) dlq: String,
}

/// The numbers of messages in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
}

impl Sqs {
    pub(crate) fn at(endpoint: &str) -> Self {
        Self { client: Client::new(&aws::config(endpoint)) }
    }

    /// Creates a queue; returns its URL.
    pub(crate) async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, String)]) -> String {
        let attributes: HashMap<_, _> = attributes.iter().cloned().collect();
        let create = self.client.create_queue().queue_name(name).set_attributes(Some(attributes));
        create.send().await.unwrap().queue_url.unwrap()
    }

    /// Creates a queue whose messages move to its DLQ after this many receives; `x.fifo` is a FIFO queue.
    pub(crate) async fn pair(&self, name: &str, max_receive_count: u32) -> Pair {
        let (base, suffix) = name.strip_suffix(".fifo").map_or((name, ""), |base| (base, ".fifo"));
        let mut attributes = Vec::new();
        if suffix == ".fifo" {
            attributes.push((QueueAttributeName::FifoQueue, "true".to_owned()));
            attributes.push((QueueAttributeName::ContentBasedDeduplication, "true".to_owned()));
        }
        let dlq = self.queue(&format!("{base}-dead{suffix}"), &attributes).await;
        let arn = self.attribute(&dlq, QueueAttributeName::QueueArn).await;
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{max_receive_count}}}"#);
        attributes.push((QueueAttributeName::RedrivePolicy, policy));
        Pair { queue: self.queue(name, &attributes).await, dlq }
    }

    pub(crate) async fn attribute(&self, url: &str, name: QueueAttributeName) -> String {
        let get = self.client.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        get.send().await.unwrap().attributes.unwrap().remove(&name).unwrap()
    }

    pub(crate) async fn send(&self, url: &str, body: &str) {
        self.client.send_message().queue_url(url).message_body(body).send().await.unwrap();
    }

    pub(crate) async fn send_to_group(&self, url: &str, group: &str, body: &str) {
        let send = self.client.send_message().queue_url(url).message_group_id(group).message_body(body);
        send.send().await.unwrap();
    }

    /// Sends many messages, ten at a time.
    pub(crate) async fn send_all(&self, url: &str, bodies: &[String]) {
        for bodies in bodies.chunks(10) {
            let entry = |(id, body): (usize, &String)| {
                let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body);
                entry.build().unwrap()
            };
            let entries = bodies.iter().enumerate().map(entry).collect();
            let send = self.client.send_message_batch().queue_url(url).set_entries(Some(entries));
            let answer = send.send().await.unwrap();
            assert!(answer.failed.is_empty(), "{:?}", answer.failed);
        }
    }

    pub(crate) async fn counts(&self, url: &str) -> Counts {
        let get = self.client.get_queue_attributes().queue_url(url);
        let answer = get.attribute_names(QueueAttributeName::All).send().await.unwrap();
        let attributes = answer.attributes.unwrap();
        let number = |name: QueueAttributeName| attributes[&name].parse().unwrap();
        Counts {
            visible: number(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        }
    }

    /// Waits until a queue has no message left, visible or not.
    pub(crate) async fn becomes_empty(&self, url: &str) {
        until("the queue is empty", async || self.counts(url).await == Counts::default()).await;
    }

    /// Receives and deletes every visible message of a queue; returns their bodies and receive counts.
    pub(crate) async fn take_all(&self, url: &str) -> Vec<(String, u32)> {
        let mut all = Vec::new();
        loop {
            let receive = self.client.receive_message().queue_url(url).max_number_of_messages(10);
            let receive = receive.message_system_attribute_names("All".into());
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in messages {
                let delete = self.client.delete_message().queue_url(url);
                delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
                let count = &message.attributes.unwrap()[&"ApproximateReceiveCount".into()];
                all.push((message.body.unwrap(), count.parse().unwrap()));
            }
        }
    }
}
