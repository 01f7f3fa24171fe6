//! Nothing is lost while a slow handler crashes and a worker is killed twice.

use std::collections::BTreeSet;

use super::support::tasks;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};

use super::support::{
    Dev, Launch, Signal, Worker,
    http::authority,
    in_time,
    python::{python_with, script},
    until,
    worker::section,
};

const MESSAGES: usize = 320;
/// The body that crashes the handler each time.
const POISON: &str = "poison";

/// The handler, started again where it was whenever it crashes.
struct Supervised {
    url: String,
    directory: TempDir,
    supervising: JoinHandle<()>,
}

impl Supervised {
    async fn start() -> Option<Self> {
        let first = python_with("http.server")?;
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("journal").display().to_string();
        let (addresses, mut address) = watch::channel(String::new());
        let supervising = tasks::detach("supervisor", supervise(first, journal, addresses));
        let address = in_time("the handler listens", address.wait_for(|url| !url.is_empty())).await;
        let url = address.unwrap().clone();
        Some(Self { url, directory, supervising })
    }

    /// The message of each run that came to its end.
    fn done(&self) -> Vec<String> {
        let journal = std::fs::read_to_string(self.directory.path().join("journal")).unwrap_or_default();
        journal.lines().map(str::to_owned).collect()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.supervising.abort();
    }
}

async fn supervise(first: Launch, journal: String, addresses: watch::Sender<String>) {
    let (mut next, mut port) = (Some(first), "0".to_owned());
    while let Some(python) = next {
        let process = python.arguments(&[&script("crashing_handler.py"), &port, &journal]).start();
        let url = process.says("http://").await;
        port = authority(&url).rsplit(':').next().unwrap().to_owned();
        addresses.send_replace(url);
        process.ended().await;
        next = python_with("http.server");
    }
}

#[tokio::test]
async fn every_message_is_done_or_in_the_dlq_whatever_is_killed() {
    let Some(handler) = Supervised::start().await else { return };
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 8).await;
    let mut bodies: Vec<_> = (1..MESSAGES).map(|number| number.to_string()).collect();
    bodies.push(POISON.to_owned());
    dev.sqs.send_all(&pair.queue, &bodies).await;

    let settings = "concurrency = 8\nvisibility = \"2s\"\nretry = { initial = \"1s\", max = \"1s\" }";
    let file = section("orders", &pair.queue, &handler.url, settings);
    let launch = || Launch::of(&["run", "--admin-listen", "127.0.0.1:0"]).file(&file);
    for share in [MESSAGES / 3, MESSAGES * 2 / 3] {
        let mut worker = Worker::launched(launch()).await;
        until("a third more is done", async || handler.done().len() >= share).await;
        worker.process.signal(Signal::Kill);
        worker.process.ended().await;
    }
    let _last = Worker::launched(launch()).await;
    until("the poison is alone", async || {
        let counts = dev.sqs.counts(&pair.queue).await;
        counts.visible + counts.in_flight + counts.delayed <= 1
    })
    .await;
    dev.sqs.becomes_empty(&pair.queue).await;

    let dead: BTreeSet<_> = dev.sqs.take_all(&pair.dlq).await.into_iter().map(|(body, _)| body).collect();
    let done: BTreeSet<_> = handler.done().into_iter().collect();
    assert!(dead.contains(POISON) && !done.contains(POISON), "{dead:?}");
    let accounted: BTreeSet<_> = done.union(&dead).cloned().collect();
    assert_eq!(accounted, bodies.into_iter().collect());
}
