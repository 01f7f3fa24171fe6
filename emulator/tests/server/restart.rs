//! The data directory: what was answered is there after a restart, also after a kill.

use std::{
    collections::HashSet,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use futures_util::future::join_all;
use longshore_emulator::{Emulator, EmulatorError, ReceiveOptions, StringMap};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::harness::{AT_ONCE, Served, client};

async fn served(directory: &Path) -> Served {
    Served::of(Emulator::builder().data_dir(directory).start().await.unwrap())
}

/// The program with a data directory, and a client of it.
async fn program(directory: &Path) -> (Child, Client) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore-emulator"))
        .args(["127.0.0.1:0", "orders", "--data"])
        .arg(directory)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("the endpoint");
        if let Some((_, address)) = line.split_once("endpoint  http://") {
            break address.parse().unwrap();
        }
    };
    (child, client(address))
}

/// The messages whose send was answered, and those whose delete was.
#[derive(Clone, Debug, Default)]
struct Answered {
    sent: Arc<Mutex<HashSet<String>>>,
    deleted: Arc<Mutex<HashSet<String>>>,
}

impl Answered {
    /// Sends until the server is gone.
    async fn send(&self, client: &Client, url: &str) {
        loop {
            let Ok(sent) = client.send_message().queue_url(url).message_body("x").send().await else {
                return;
            };
            self.sent.lock().unwrap().insert(sent.message_id.unwrap());
        }
    }

    /// Receives and deletes until the server is gone.
    async fn settle(&self, client: &Client, url: &str) {
        loop {
            let Ok(received) = client.receive_message().queue_url(url).wait_time_seconds(1).send().await
            else {
                return;
            };
            for message in received.messages.unwrap_or_default() {
                let handle = message.receipt_handle.unwrap();
                if client.delete_message().queue_url(url).receipt_handle(handle).send().await.is_ok() {
                    self.deleted.lock().unwrap().insert(message.message_id.unwrap());
                }
            }
        }
    }

    fn counts(&self) -> (usize, usize) {
        (self.sent.lock().unwrap().len(), self.deleted.lock().unwrap().len())
    }
}

const SENDERS: usize = 8;
const SETTLERS: usize = 2;

#[tokio::test]
async fn after_a_kill_in_the_middle_of_sends_every_answer_still_holds() {
    let directory = tempfile::tempdir().unwrap();
    let all = Answered::default();
    for round in 1..=3 {
        let (mut child, client) = program(directory.path()).await;
        let url = client.get_queue_url().queue_name("orders").send().await.unwrap().queue_url.unwrap();
        let kill = async {
            while all.counts().0 < 200 * round || all.counts().1 < 20 * round {
                tokio::task::yield_now().await;
            }
            child.start_kill().unwrap();
            child.wait().await.unwrap();
        };
        let senders = join_all((0..SENDERS).map(|_| all.send(&client, &url)));
        let settlers = join_all((0..SETTLERS).map(|_| all.settle(&client, &url)));
        tokio::time::timeout(6 * AT_ONCE, async { tokio::join!(senders, settlers, kill) }).await.unwrap();

        let restored = served(directory.path()).await;
        let there = restored.emulator.sqs().messages("orders").unwrap();
        let ids: HashSet<String> = there.iter().map(|content| content.id.to_string()).collect();
        assert_eq!(ids.len(), there.len(), "a message is there twice");
        let (sent, deleted) = (all.sent.lock().unwrap().clone(), all.deleted.lock().unwrap().clone());
        let left: HashSet<_> = sent.difference(&deleted).cloned().collect();
        let lost = left.difference(&ids).count();
        assert!(lost <= SETTLERS * round, "{lost} lost: only deletes that were not answered may be");
        assert!(ids.is_disjoint(&deleted), "a deleted message is back");
        assert!(
            ids.difference(&sent).count() <= SENDERS * round,
            "more than the sends that were not answered"
        );
        restored.emulator.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_restart_keeps_queues_messages_receipts_and_topics() {
    let directory = tempfile::tempdir().unwrap();
    let before = served(directory.path()).await;
    let (url, _) = before.queue_with_dlq("orders").await;
    let fifo = before.fifo_queue("orders.fifo").await;
    before.client.tag_queue().queue_url(&url).tags("team", "shop").send().await.unwrap();
    before.send(&url, "first").await;
    before.send_to_group(&fifo, "g", "once").await;
    let held = before.receive_one(&fifo).await.receipt_handle.unwrap();
    let topics = before.emulator.sns();
    let topic = topics.create_topic("events", &StringMap::new(), &StringMap::new()).unwrap();
    let queue_arn = before.emulator.sqs().arn("orders").unwrap();
    let raw = StringMap::from([("RawMessageDelivery".to_owned(), "true".to_owned())]);
    let subscription = topics.subscribe(topic.as_str(), &queue_arn, &raw).unwrap();
    before.emulator.shutdown().await.unwrap();

    let after = served(directory.path()).await;
    let url = url.replace(&before.address.to_string(), &after.address.to_string());
    let sqs = after.emulator.sqs();
    assert_eq!(sqs.tags("orders").unwrap()["team"], "shop");
    assert!(sqs.snapshot("orders").unwrap().redrive.is_some());
    // The id is remembered, the message is still in flight, and its receipt handle is valid.
    after.send_to_group(&fifo, "g", "once").await;
    let counts = sqs.snapshot("orders.fifo").unwrap();
    assert_eq!((counts.visible, counts.in_flight), (0, 1));
    after.client.delete_message().queue_url(&fifo).receipt_handle(held).send().await.unwrap();
    assert_eq!(sqs.snapshot("orders.fifo").unwrap().in_flight, 0);
    let attributes = after.emulator.sns().subscription_attributes(&subscription).unwrap();
    assert_eq!(attributes["RawMessageDelivery"], "true");
    let first = after.receive_one(&url).await;
    assert_eq!(first.body.as_deref(), Some("first"));
    assert_eq!(after.attribute(&url, QueueAttributeName::VisibilityTimeout).await, "0");
}

#[tokio::test]
async fn receives_are_counted_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let receive = ReceiveOptions { visibility: Some(Duration::ZERO), ..ReceiveOptions::default() };
    for expected in 1..=3 {
        let served = served(directory.path()).await;
        let sqs = served.emulator.sqs();
        if expected == 1 {
            sqs.create_queue("orders", &StringMap::new(), &StringMap::new()).unwrap();
            sqs.send("orders", "x").unwrap();
        }
        let received = sqs.receive("orders", receive.clone()).await.unwrap();
        assert_eq!(received[0].receive_count, expected);
        served.emulator.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_purge_and_a_deleted_queue_stay_so() {
    let directory = tempfile::tempdir().unwrap();
    let before = served(directory.path()).await;
    for name in ["kept", "gone"] {
        before.emulator.create_queue(name).unwrap();
        before.emulator.sqs().send(name, "x").unwrap();
    }
    before.emulator.sqs().purge("kept").unwrap();
    before.emulator.sqs().delete_queue("gone").unwrap();
    before.emulator.shutdown().await.unwrap();
    let after = served(directory.path()).await;
    assert_eq!(after.emulator.sqs().queue_names(""), ["kept"]);
    assert!(after.emulator.sqs().messages("kept").unwrap().is_empty());
}

#[tokio::test]
async fn the_data_of_another_account_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    served(directory.path()).await.emulator.shutdown().await.unwrap();
    let other = Emulator::builder().data_dir(directory.path()).account_id("111111111111").start().await;
    let Err(error @ EmulatorError::Data(_)) = other else { panic!("started") };
    assert!(error.to_string().contains("queues.jsonl:1: it belongs to the account 000000000000"), "{error}");
}
