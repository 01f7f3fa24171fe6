//! The stop of `longshore run`, and the state of its messages after it.

use std::time::Duration;

use tokio::time::sleep;

use super::support::{Dev, Gate, Handler, Pair, Signal, Sqs, Worker, sqs::Counts, until};

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
async fn an_idle_worker_stops_within_a_second() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("orders", 5).await;
    let handler = Handler::willing();
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Quit, Signal::HangUp] {
        let mut worker = Worker::start(&pair.queue, &handler, "").await;
        // Ready after the first message: the next receive then waits its 20 s.
        dev.sqs.send(&pair.queue, "first").await;
        worker.admin.becomes_ready().await;
        dev.sqs.becomes_empty(&pair.queue).await;
        worker.process.signal(signal);
        let ended = worker.process.ended().await;
        assert_eq!(ended.code, Some(0), "{signal:?}: {}", ended.errors);
        assert!(ended.after < Duration::from_secs(1), "{signal:?} took {:?}", ended.after);
        // No receive that the worker left behind takes it.
        dev.sqs.send(&pair.queue, "later").await;
        assert_eq!(dev.sqs.take_all(&pair.queue).await, [("later".to_owned(), 1)]);
    }
}

#[tokio::test]
async fn dev_stops_like_run() {
    for signal in [Signal::Terminate, Signal::Interrupt, Signal::Quit, Signal::HangUp] {
        let mut dev = Dev::start().await;
        dev.post("{}").await;
        dev.process.says("done").await;
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
