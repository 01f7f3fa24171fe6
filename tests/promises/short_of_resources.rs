//! Promise 14: a shortage of the worker's own resources carries no message into the DLQ, and counts as no failure.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::{
    handler::{Context, Handler, Outcome},
    message::Message,
};
use tokio::time::{Instant, sleep};

use crate::support::{calls::Action, handled::HandledMessages, scene::Scene, secs};

/// A handler whose calls take a second, of which the worker's resources carry so many at once.
#[derive(Clone)]
struct Scarce {
    carried: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    handled: HandledMessages,
}

impl Deref for Scarce {
    type Target = HandledMessages;

    fn deref(&self) -> &HandledMessages {
        &self.handled
    }
}

impl Scarce {
    fn carrying(calls: usize) -> Self {
        let carried = Arc::new(AtomicUsize::new(calls));
        Self { carried, running: Arc::default(), handled: HandledMessages::default() }
    }

    fn carry(&self, calls: usize) {
        self.carried.store(calls, Ordering::SeqCst);
    }
}

impl Handler for Scarce {
    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        self.called();
        if self.running.fetch_add(1, Ordering::SeqCst) >= self.carried.load(Ordering::SeqCst) {
            self.running.fetch_sub(1, Ordering::SeqCst);
            return Outcome::ShortOfResources("too many open files".to_owned());
        }
        sleep(secs(1)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.did(&message);
        Outcome::Done
    }
}

#[tokio::test(start_paused = true)]
async fn with_resources_for_a_few_calls_every_message_runs_in_its_first_receive() {
    let (scene, handler) = (Scene::new().permits(64, 0).max_receives(3), Scarce::carrying(15));
    scene.send_many(500);
    let worker = scene.start_handler(handler.clone());
    let began = Instant::now();
    handler.has_done(500).await;
    assert!(handler.done().iter().all(|(_, receives)| *receives == 1), "{:?}", handler.done());
    let took = began.elapsed();
    assert!(took < secs(90), "{took:?}, and 34 s at best");
    let ended = |ending| worker.metrics.count("longshore_messages_ended_total", &[("ending", ending)]);
    let kept = worker.metric("longshore_messages_kept_total");
    assert!((49..250).contains(&kept), "{kept}");
    assert_eq!((ended("done"), ended("retry"), ended("handler_down")), (500, 0, 0));
    assert_eq!(worker.metrics.count("longshore_handler_failures_total", &[]), 0);
    worker.drain().await;
    assert_eq!((scene.dead(), scene.described().visible), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn while_short_nothing_is_received_and_what_is_held_stays_hidden() {
    let (scene, handler) = (Scene::new().permits(4, 4).max_receives(1), Scarce::carrying(0));
    scene.send_many(20);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(1)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    let held = worker.metric("longshore_messages_held");
    assert!(held >= 4, "{held}");
    sleep(secs(240)).await;
    assert!(scene.queue.calls(Action::Receive).len() <= receives + 1);
    assert_eq!(worker.metric("longshore_messages_held"), held);
    assert_eq!(scene.described().in_flight, held);
    let paused = |reason| worker.metrics.count("longshore_polling_paused", &[("reason", reason)]);
    assert_eq!((paused("short_of_resources"), paused("handler_down")), (1, 0));
    assert!(worker.health.unready()["orders handler"].contains("short of resources: too many open files"));
    assert!(handler.calls() < 60, "{} calls in four minutes", handler.calls());
    handler.carry(64);
    handler.has_done(20).await;
    assert!(worker.health.unready().is_empty());
    assert!(handler.done().iter().all(|(_, receives)| *receives == 1));
    worker.drain().await;
    assert_eq!(scene.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shortage_that_lasts_leaves_messages_to_other_workers() {
    let (scene, handler) = (Scene::new().permits(4, 0).max_receives(3), Scarce::carrying(0));
    scene.send_many(4);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(290)).await;
    assert_eq!(worker.metric("longshore_messages_given_back_total"), 0);
    sleep(secs(20)).await;
    assert_eq!(worker.metric("longshore_messages_given_back_total"), 4);
    handler.carry(4);
    handler.has_done(4).await;
    assert!(handler.done().iter().all(|(_, receives)| *receives == 2), "{:?}", handler.done());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_further_receive_is_kept_for_as_long_as_a_shortage_takes() {
    let (scene, handler) = (Scene::new().permits(4, 0).max_receives(1), Scarce::carrying(0));
    scene.send_many(4);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(3 * 3600)).await;
    assert_eq!((worker.metric("longshore_messages_held"), scene.dead()), (4, 0));
    handler.carry(4);
    handler.has_done(4).await;
    worker.drain().await;
    assert_eq!(scene.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_call_is_tried_before_the_others() {
    let (scene, handler) = (Scene::new().permits(16, 0), Scarce::carrying(0));
    scene.send_many(16);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(60)).await;
    let before = handler.calls();
    handler.carry(16);
    while handler.running.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(handler.calls(), before + 1, "one is tried");
    sleep(Duration::from_millis(900)).await;
    assert_eq!(handler.calls(), before + 1, "and no other while it is not known how it ends");
    handler.has_done(16).await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_was_kept() {
    let (scene, handler) = (Scene::new().permits(4, 0), Scarce::carrying(0));
    scene.send_many(4);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(60)).await;
    assert_eq!(worker.metric("longshore_messages_held"), 4);
    worker.drain().await;
    assert_eq!(scene.described().visible, 4);
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_through_a_shortage() {
    let (scene, handler) = (Scene::fifo().permits(8, 8).max_receives(3), Scarce::carrying(1));
    for number in 0..30 {
        scene.send_to(["a", "b", "c"][number % 3], number.to_string());
    }
    let worker = scene.start_handler(handler.clone());
    handler.has_done(30).await;
    let done = handler.done();
    for group in 0..3 {
        let numbers: Vec<usize> =
            done.iter().map(|(body, _)| body.parse().unwrap()).filter(|number| number % 3 == group).collect();
        assert!(numbers.is_sorted() && numbers.len() == 10, "{numbers:?}");
    }
    assert!(done.iter().all(|(_, receives)| *receives == 1), "{done:?}");
    worker.drain().await;
}
