//! The stop of `longshore run`, and the state of its messages after it.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{
    Dev, Gate, Handler, Pair, Signal, Sqs, Worker, http,
    proxy::{Proxy, ProxyMode},
    sqs::Counts,
    until,
};

/// A worker with two slots, which runs two messages and holds a third that waits.
struct Busy {
    dev: Dev,
    pair: Pair,
    gate: Gate,
    handler: Handler,
    worker: Worker,
}

impl Busy {
    async fn start(arguments: &[&str]) -> Self {
        let dev = Dev::start().await;
        let pair = dev.sqs.pair("orders", 5).await;
        dev.sqs.send_all(&pair.queue, &["a", "b", "c"].map(str::to_owned)).await;
        let gate = Gate::closed();
        let handler = gate.handler();
        // A long visibility, so that a message that is visible early was given back.
        let settings = "concurrency = 2\nprefetch = 1\nvisibility = \"5m\"";
        let launch = Worker::launch(&pair.queue, &handler, settings).arguments(arguments);
        let worker = Worker::launched(launch).await;
        handler.has_started(2).await;
        let busy = Self { dev, pair, gate, handler, worker };
        busy.counts_become(Counts { in_flight: 3, ..Counts::default() }).await;
        busy
    }

    fn sqs(&self) -> &Sqs {
        &self.dev.sqs
    }

    async fn counts_become(&self, counts: Counts) {
        let what = format!("the queue has {counts:?}");
        until(&what, async || self.sqs().counts(&self.pair.queue).await == counts).await;
    }
}

#[tokio::test]
async fn at_a_stop_running_handlers_finish_and_waiting_messages_are_visible_at_once() {
    let mut busy = Busy::start(&[]).await;
    busy.worker.process.signal(Signal::Terminate);
    busy.counts_become(Counts { visible: 1, in_flight: 2, delayed: 0 }).await;
    let (status, draining) = busy.worker.admin.json("/status").await;
    assert_eq!((status, &draining["draining"]), (200, &true.into()));
    assert!(busy.worker.admin.sample("drain_seconds").await > 0.0, "the metrics are served at a stop, too");
    busy.gate.open();
    let ended = busy.worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert_eq!(busy.handler.ended().len(), 2);
    let left = busy.dev.sqs.take_all(&busy.pair.queue).await;
    assert_eq!(left.len(), 1, "{left:?}");
    let counts = busy.dev.sqs.counts(&busy.pair.queue).await;
    assert_eq!(counts, Counts::default(), "those that ran are deleted");
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let mut busy = Busy::start(&[]).await;
    busy.worker.process.signal(Signal::Terminate);
    busy.counts_become(Counts { visible: 1, in_flight: 2, delayed: 0 }).await;
    // SQS may know it before the worker does.
    until("the worker holds two", async || busy.worker.admin.queue("orders").await["held"] == 2).await;
    busy.worker.process.signal(Signal::Interrupt);
    let ended = busy.worker.process.ended().await;
    assert_eq!(ended.code, Some(75), "{}", ended.errors);
    assert!(ended.errors.contains("2 messages come back after their visibility"), "{}", ended.errors);
    assert!(ended.after < Duration::from_secs(5), "it took {:?}", ended.after);
}

#[tokio::test]
async fn a_message_that_outlasts_the_drain_limit_is_visible_at_once() {
    let mut busy = Busy::start(&["--drain-limit", "1s"]).await;
    busy.worker.process.signal(Signal::Terminate);
    let ended = busy.worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let counts = busy.dev.sqs.counts(&busy.pair.queue).await;
    assert_eq!(counts, Counts { visible: 3, in_flight: 0, delayed: 0 });
    assert!(busy.handler.ended().is_empty());
}

#[tokio::test]
async fn an_idle_worker_stops_when_its_receive_is_answered() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::willing();
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Quit] {
        let mut worker = idle(&dev, &pair, &handler, "receive = { wait = \"2s\" }").await;
        worker.process.signal(signal);
        let ended = worker.process.ended().await;
        assert_eq!(ended.code, Some(0), "{signal:?}: {}", ended.errors);
        assert!(ended.after < Duration::from_secs(4), "{signal:?} took {:?}", ended.after);
        assert!(!ended.errors.contains("receives were cut off"), "{}", ended.errors);
        // No receive that the worker left behind takes it.
        dev.sqs.send(&pair.queue, "later").await;
        assert_eq!(dev.sqs.take_all(&pair.queue).await, [("later".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn a_setting_and_a_second_signal_cut_receives_off() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::willing();
    let mut worker = idle(&dev, &pair, &handler, "[drain]\nreceives = \"500ms\"").await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("receives were cut off"), "{}", ended.errors);
    assert!(ended.after < Duration::from_secs(4), "it took {:?}", ended.after);

    let mut worker = idle(&dev, &pair, &handler, "").await;
    worker.process.signal(Signal::Terminate);
    worker.process.complains("draining").await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert!(ended.after < Duration::from_secs(4), "it took {:?}", ended.after);
}

/// A worker whose long poll is in flight, as it has received its first message.
async fn idle(dev: &Dev, pair: &Pair, handler: &Handler, settings: &str) -> Worker {
    let launch = Worker::launch(&pair.queue, handler, settings).waiting_for_receives();
    let worker = Worker::launched(launch).await;
    dev.sqs.send(&pair.queue, "first").await;
    worker.admin.becomes_ready().await;
    dev.sqs.becomes_empty(&pair.queue).await;
    worker
}

#[tokio::test]
async fn a_stop_hides_nothing_although_receives_are_answered_late() {
    let dev = Dev::start().await;
    let proxy = Proxy::before(http::authority(&dev.endpoint)).await;
    proxy.set_mode(ProxyMode::Late(Duration::from_millis(250)));
    let pair = dev.sqs.pair("orders", 5).await;
    let bodies: Vec<_> = (0..4_000).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    let handler = Handler::start(async |_| {
        sleep(Duration::from_millis(20)).await;
        200
    });
    let queue = pair.queue.replace(http::authority(&dev.endpoint), &proxy.address.to_string());
    let settings = "concurrency = 32\nvisibility = \"5m\"";
    let launch = Worker::launch(&queue, &handler, settings).waiting_for_receives();
    let mut worker = Worker::launched(launch).await;
    handler.has_ended(200).await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    let counts = dev.sqs.counts(&pair.queue).await;
    assert_eq!((counts.in_flight, counts.visible), (0, 4_000 - handler.ended().len() as u64));
}

#[tokio::test]
async fn what_was_done_while_the_process_was_suspended_is_deleted_and_not_run_again() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let gate = Gate::closed();
    let handler = gate.handler();
    dev.sqs.send(&pair.queue, "once").await;
    let settings = "concurrency = 1\nprefetch = 0\nvisibility = \"2s\"\nreceive = { wait = \"1s\" }";
    let mut worker = Worker::start(&pair.queue, &handler, settings).await;
    handler.has_started(1).await;
    worker.process.signal(Signal::Stop);
    gate.open();
    handler.has_ended(1).await;
    until("its lease is over", async || dev.sqs.counts(&pair.queue).await.visible == 1).await;
    worker.process.signal(Signal::Continue);
    dev.sqs.becomes_empty(&pair.queue).await;
    assert_eq!(handler.started().len(), 1);
    assert_eq!(dev.sqs.counts(&pair.dlq).await, Counts::default());
}

#[tokio::test]
async fn dev_stops_like_run() {
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Quit] {
        let mut dev = Dev::start().await;
        dev.post("{}").await;
        dev.process.says("✓").await;
        dev.process.signal(signal);
        let ended = dev.process.ended().await;
        assert_eq!(ended.code, Some(0), "{signal:?}: {}", ended.errors);
    }
}

#[tokio::test]
async fn a_killed_worker_loses_nothing() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::start(async |_| {
        sleep(Duration::from_millis(20)).await;
        200
    });
    let bodies: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
    let settings = "concurrency = 4\nvisibility = \"2s\"";
    let mut worker = Worker::start(&pair.queue, &handler, settings).await;
    handler.has_ended(20).await;
    worker.process.signal(Signal::Kill);
    assert_eq!(worker.process.ended().await.code, None);

    let _again = Worker::start(&pair.queue, &handler, settings).await;
    dev.sqs.becomes_empty(&pair.queue).await;
    let mut done = handler.ended_bodies();
    done.sort_unstable();
    done.dedup();
    assert_eq!(done.len(), bodies.len(), "every message ran to its end");
    assert_eq!(dev.sqs.counts(&pair.dlq).await, Counts::default());
}
