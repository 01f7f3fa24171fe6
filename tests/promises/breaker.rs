//! Promise 15: a handler that is not available, behind a proxy or not, carries no message into the DLQ.

use std::{
    collections::BTreeSet,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    consumer::BreakerSettings,
    handler::{Context, Handler, Outcome},
    message::Message,
};
use tokio::time::{Instant, sleep};

use crate::support::{
    calls::Action,
    handled::HandledMessages,
    scene::{Running, Scene},
    secs,
};

/// A handler behind a proxy, whose calls take a tenth of a second.
#[derive(Clone, Default)]
struct Behind {
    down: Arc<Mutex<Option<Outcome>>>,
    /// The messages that bring it down.
    poison: Arc<BTreeSet<String>>,
    handled: HandledMessages,
}

impl Deref for Behind {
    type Target = HandledMessages;

    fn deref(&self) -> &HandledMessages {
        &self.handled
    }
}

impl Behind {
    fn answering(outcome: Outcome) -> Self {
        Self { down: Arc::new(Mutex::new(Some(outcome))), ..Self::default() }
    }

    fn down() -> Self {
        Self::answering(bad_gateway())
    }

    fn with_poison(bodies: &[&str]) -> Self {
        let poison = bodies.iter().map(|body| (*body).to_owned()).collect();
        Self { poison: Arc::new(poison), ..Self::default() }
    }

    fn is_back(&self) {
        *self.down.lock().unwrap() = None;
    }
}

impl Handler for Behind {
    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        self.called();
        sleep(Duration::from_millis(100)).await;
        if let Some(outcome) = self.down.lock().unwrap().clone() {
            return outcome;
        }
        if self.poison.contains(&message.body) {
            return bad_gateway();
        }
        self.did(&message);
        Outcome::Done
    }
}

fn bad_gateway() -> Outcome {
    Outcome::unavailable("the handler answered 502 Bad Gateway")
}

fn is_paused(worker: &Running) -> bool {
    worker.metrics.count("longshore_polling_paused", &[("reason", "breaker_open")]) == 1
}

async fn outage_of_ten_minutes(scene: Scene, messages: usize) -> Vec<(String, u32)> {
    let handler = Behind::down();
    scene.send_many(messages);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(600)).await;
    assert!(is_paused(&worker));
    assert!(handler.calls() < 120, "{} calls in ten minutes", handler.calls());
    handler.is_back();
    let back = Instant::now();
    handler.has_done(messages).await;
    assert!(back.elapsed() <= secs(60), "{:?}", back.elapsed());
    assert!(!is_paused(&worker) && worker.health.unready().is_empty());
    worker.drain().await;
    assert_eq!((scene.dead(), scene.described().visible), (0, 0));
    handler.done()
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_behind_a_proxy_carries_no_message_into_the_dlq() {
    let done = outage_of_ten_minutes(Scene::new().max_receives(5), 30).await;
    assert!(done.iter().all(|(_, receives)| *receives <= 3), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_carries_no_single_message_into_the_dlq() {
    outage_of_ten_minutes(Scene::new().max_receives(5), 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_carries_no_message_with_one_receive_into_the_dlq() {
    outage_of_ten_minutes(Scene::new().max_receives(1), 30).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_through_an_outage_behind_a_proxy() {
    let (scene, handler) = (Scene::fifo().max_receives(5), Behind::down());
    for number in 0..30 {
        scene.send_to(["a", "b", "c"][number % 3], number.to_string());
    }
    let worker = scene.start_handler(handler.clone());
    sleep(secs(600)).await;
    handler.is_back();
    handler.has_done(30).await;
    for group in 0..3 {
        let numbers = handler.done().into_iter().map(|(body, _)| body.parse::<usize>().unwrap());
        let numbers: Vec<_> = numbers.filter(|number| number % 3 == group).collect();
        assert!(numbers.is_sorted() && numbers.len() == 10, "{numbers:?}");
    }
    worker.drain().await;
    assert_eq!(scene.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_breaker_is_open_one_message_at_a_time_is_tried_and_everybody_sees_it() {
    let (scene, handler) = (Scene::new().permits(8, 0).max_receives(5), Behind::down());
    scene.send_many(100);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(30)).await;
    let reason = "3 calls in a row failed, the last one: the handler answered 502 Bad Gateway";
    let unready = worker.health.unready();
    assert_eq!(unready["orders handler"], format!("handler is down, the breaker is open: {reason}"));
    let (calls, receives) = (handler.calls(), scene.queue.calls(Action::Receive).len());
    sleep(secs(60)).await;
    let (calls, receives) = (handler.calls() - calls, scene.queue.calls(Action::Receive).len() - receives);
    assert!((3..=10).contains(&calls), "{calls} calls in a minute");
    assert!(receives <= calls + 1, "{receives} receives for {calls} calls");
    handler.is_back();
    handler.has_done(100).await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_alone_brings_the_handler_down_reaches_the_dlq_and_blocks_no_other() {
    let (scene, handler) = (Scene::new().max_receives(3), Behind::with_poison(&["poison"]));
    scene.send("poison");
    let worker = scene.start_handler(handler.clone());
    for number in 0..60 {
        scene.send(number.to_string());
        let sent = Instant::now();
        handler.has_done(number + 1).await;
        assert!(sent.elapsed() <= secs(60), "{number} took {:?}", sent.elapsed());
        sleep(secs(60)).await;
    }
    assert_eq!(scene.dead(), 1);
    assert!(!is_paused(&worker));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_alone_in_its_queue_that_brings_the_handler_down_reaches_the_dlq_at_last() {
    let (scene, handler) = (Scene::new().max_receives(3), Behind::with_poison(&["poison"]));
    scene.send("poison");
    let worker = scene.start_handler(handler.clone());
    sleep(secs(3600)).await;
    assert_eq!(scene.dead(), 1);
    sleep(secs(60)).await;
    assert!(!is_paused(&worker), "nothing more fails");
    scene.send("next");
    handler.has_done(1).await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn failures_of_single_messages_open_no_breaker_unless_their_share_is_limited() {
    let failing = || Behind::answering(Outcome::Retry("the handler answered 500".to_owned()));
    let (scene, handler) = (Scene::new().max_receives(5), failing());
    scene.send_many(30);
    let worker = scene.start_handler(handler);
    sleep(secs(600)).await;
    assert_eq!((is_paused(&worker), scene.dead()), (false, 30));
    worker.drain().await;

    let settings = |options: &mut longshore::consumer::ConsumerSettings| {
        options.breaker = Some(BreakerSettings::default());
    };
    let (scene, handler) = (Scene::new().max_receives(5).options(settings), failing());
    scene.send_many(30);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(600)).await;
    assert!(is_paused(&worker) && handler.calls() < 60, "{} calls", handler.calls());
    let reason = &worker.health.unready()["orders handler"];
    assert!(reason.contains("calls within 30s failed, the last one: the handler answered 500"), "{reason}");
    handler.is_back();
    handler.has_done(30).await;
    worker.drain().await;
    assert_eq!(scene.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_was_kept_for_a_handler_that_is_not_available() {
    let (scene, handler) = (Scene::new().permits(4, 0).max_receives(5), Behind::down());
    scene.send_many(4);
    let worker = scene.start_handler(handler);
    sleep(secs(60)).await;
    assert_eq!(worker.metric("longshore_messages_held"), 4);
    worker.drain().await;
    assert_eq!(scene.described().visible, 4);
}
