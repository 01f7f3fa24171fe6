//! Promise 15: a handler that is not available, behind a proxy or not, carries no message into the DLQ.

use std::{
    collections::BTreeSet,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::{
    backoff::Backoff,
    consumer::{BatchSettings, BreakerSettings},
    handler::{Batch, Context, Handler, Outcome, Outcomes},
    message::Message,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

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

/// A handler that one process serves, which some messages end with every call that runs.
#[derive(Clone, Default)]
struct Crashing {
    crashes: watch::Sender<u32>,
    handled: HandledMessages,
}

impl Crashing {
    /// Works on messages for a tenth of a second; true if that went well.
    async fn work(&self, batch: &Batch) -> bool {
        self.handled.called();
        let mut crashes = self.crashes.subscribe();
        tokio::select! {
            biased;
            _ = crashes.changed() => return false,
            () = sleep(Duration::from_millis(100)) => {}
        }
        if batch.messages().any(|message| message.body.starts_with("poison")) {
            self.crashes.send_modify(|crashes| *crashes += 1);
            return false;
        }
        batch.messages().for_each(|message| self.handled.did(message));
        true
    }

    fn start(&self, scene: &Scene) -> Running {
        let handler = self.clone();
        scene.start_batches(move |batch, _| {
            let handler = handler.clone();
            async move {
                let has_worked = handler.work(&batch).await;
                Outcomes::All(if has_worked {
                    Outcome::Done
                } else {
                    Outcome::Crashed("it ended".to_owned())
                })
            }
        })
    }
}

fn bad_gateway() -> Outcome {
    Outcome::unavailable("the handler answered 502 Bad Gateway")
}

fn is_paused(worker: &Running) -> bool {
    worker.metrics.count("longshore_polling_paused", &[("reason", "breaker_open")]) == 1
}

async fn outage_of_ten_minutes(scene: Scene, messages: usize) -> Vec<(String, u32)> {
    outage_of_ten_minutes_of(Behind::down(), scene, messages).await
}

async fn outage_of_ten_minutes_of(handler: Behind, scene: Scene, messages: usize) -> Vec<(String, u32)> {
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

async fn dead_within(scene: &Scene, messages: u64, limit: Duration) {
    let began = Instant::now();
    while scene.dead() < messages {
        assert!(began.elapsed() <= limit, "{} of {messages} are in the DLQ", scene.dead());
        sleep(secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_its_handler_with_all_calls_reaches_the_dlq_soon_although_it_is_alone_at_last() {
    for batch in [1, 10] {
        let settings = BatchSettings { size: batch, ..BatchSettings::default() };
        let retry = Backoff { initial: secs(1), max: secs(1), ..Backoff::default() };
        let scene = Scene::new().max_receives(8).options(|options| {
            (options.batch, options.retry) = (settings, retry);
        });
        let handler = Crashing::default();
        for number in 0..40 {
            scene.send(if number == 20 { "poison".to_owned() } else { number.to_string() });
        }
        let worker = handler.start(&scene);
        dead_within(&scene, 1, secs(60)).await;
        // Those that share their calls with it may share its fate.
        while handler.handled.done().len() as u64 + scene.dead() < 40 {
            sleep(secs(1)).await;
        }
        sleep(secs(60)).await;
        assert!(!is_paused(&worker) && worker.health.unready().is_empty());
        worker.drain().await;
        assert!(scene.dead() == 1 || batch > 1 && scene.dead() <= 10, "{} are dead", scene.dead());
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_end_their_handler_reach_the_dlq_although_nothing_else_is_there() {
    let (scene, handler) = (Scene::new().max_receives(3), Crashing::default());
    for number in 0..3 {
        scene.send(format!("poison {number}"));
    }
    let worker = handler.start(&scene);
    dead_within(&scene, 3, secs(3 * 3600)).await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_in_which_every_call_ends_the_handler_carries_no_message_into_the_dlq() {
    let handler = Behind::answering(Outcome::Crashed("it ended".to_owned()));
    outage_of_ten_minutes_of(handler, Scene::new().max_receives(5), 30).await;
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
