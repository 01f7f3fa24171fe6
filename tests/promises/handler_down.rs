//! Promise 11 for handlers: while one is down nothing is received, and no receives are spent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::{
    handler::{Context, Handler, Outcome},
    message::Message,
};
use tokio::time::{Instant, sleep};

use crate::support::{calls::Action, scene::Scene, secs};

/// A handler that can be switched off.
#[derive(Clone, Default)]
struct Switched {
    off: Arc<AtomicBool>,
    probes: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    highest_receive_count: Arc<AtomicUsize>,
}

impl Switched {
    fn off() -> Self {
        let handler = Self::default();
        handler.switch_off();
        handler
    }

    fn switch_off(&self) {
        self.off.store(true, Ordering::SeqCst);
    }

    fn switch_on(&self) {
        self.off.store(false, Ordering::SeqCst);
    }

    async fn called(&self, count: usize) {
        reached(&self.calls, count).await;
    }

    async fn done(&self, count: usize) {
        reached(&self.done, count).await;
    }
}

async fn reached(count: &AtomicUsize, goal: usize) {
    while count.load(Ordering::SeqCst) < goal {
        sleep(Duration::from_millis(10)).await;
    }
}

impl Handler for Switched {
    async fn handle(&self, message: Arc<Message>, _context: Context) -> Outcome {
        let receives = usize::try_from(message.receive_count).unwrap();
        self.highest_receive_count.fetch_max(receives, Ordering::SeqCst);
        self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        if self.off.load(Ordering::SeqCst) {
            return Outcome::Down("connection refused".to_owned());
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        Outcome::Done
    }

    async fn probe(&self) -> Result<(), String> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        if self.off.load(Ordering::SeqCst) { Err("connection refused".to_owned()) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_received_before_the_handler_is_up() {
    let (scene, handler) = (Scene::new(), Switched::off());
    scene.send_many(5);
    let worker = scene.start_handler(handler.clone());
    sleep(secs(600)).await;
    assert_eq!(scene.queue.calls(Action::Receive).len(), 0);
    let probes = handler.probes.load(Ordering::SeqCst);
    assert!((40..=100).contains(&probes), "{probes} probes in ten minutes");
    assert!(worker.health.unready().contains_key("orders handler"));
    handler.switch_on();
    let up = Instant::now();
    handler.done(5).await;
    assert!(up.elapsed() <= secs(16), "{:?}", up.elapsed());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_goes_down_pauses_the_polling_and_what_waits_is_given_back() {
    let (scene, handler) = (Scene::new().permits(2, 6), Switched::default());
    let worker = scene.start_handler(handler.clone());
    scene.send_many(8);
    handler.called(2).await;
    handler.switch_off();
    sleep(secs(1)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    sleep(secs(120)).await;
    assert_eq!(scene.queue.calls(Action::Receive).len(), receives);
    assert_eq!(handler.calls.load(Ordering::SeqCst), 2, "what waited was not tried in vain");
    assert_eq!((scene.described().visible, worker.metric("longshore_messages_held")), (8, 0));
    handler.switch_on();
    handler.done(8).await;
    let highest = handler.highest_receive_count.load(Ordering::SeqCst);
    assert!(highest <= 3, "an outage of two minutes took {highest} receives of one message");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_goes_down_carries_no_message_at_its_last_receive_into_the_dlq() {
    for scene in [Scene::new(), Scene::fifo()] {
        let (scene, handler) = (scene.max_receives(1).permits(2, 6), Switched::default());
        let worker = scene.start_handler(handler.clone());
        for message in 0..8 {
            scene.send_to(&format!("group-{}", message % 3), message.to_string());
        }
        handler.called(2).await;
        for outage in [secs(1), secs(120), secs(1_200)] {
            handler.switch_off();
            sleep(outage).await;
            handler.switch_on();
            sleep(Duration::from_millis(150)).await;
        }
        sleep(secs(60)).await;
        let done = handler.done.load(Ordering::SeqCst);
        assert_eq!((done, scene.dead(), scene.described().visible), (8, 0, 0));
        worker.drain().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_alone_does_not_reach_its_handler_is_kept_for_two_minutes() {
    let scene = Scene::new().max_receives(2).permits(2, 0);
    scene.send("bad");
    let worker = scene.start(|message, _| async move {
        match &*message.body {
            "bad" => Outcome::Down("too large to be sent".to_owned()),
            _ => Outcome::Done,
        }
    });
    for second in (0..240).step_by(10) {
        scene.send("good");
        sleep(secs(10)).await;
        assert!(second > 110 || scene.dead() == 0, "second {second}");
    }
    assert_eq!((scene.dead(), scene.described().visible), (1, 0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_over_soon_although_many_calls_failed_at_once() {
    let (scene, handler) = (Scene::new().permits(50, 0), Switched::default());
    let worker = scene.start_handler(handler.clone());
    scene.send_many(50);
    handler.called(50).await;
    handler.switch_off();
    sleep(secs(1)).await;
    handler.switch_on();
    let up = Instant::now();
    while worker.metrics.count("longshore_polling_paused", &[("reason", "handler_down")]) == 1 {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(up.elapsed() <= secs(2), "polling went on only after {:?}", up.elapsed());
    handler.done(50).await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_probe_succeeds_and_whose_calls_fail_is_called_less_and_less() {
    let scene = Scene::new().permits(1, 0);
    scene.send_many(100);
    let worker = scene.start(|_, _| async { Outcome::Down("refused".to_owned()) });
    sleep(secs(600)).await;
    let calls = scene.journal.runs().len();
    assert!((30..=120).contains(&calls), "{calls} calls in ten minutes");
    worker.drain().await;
}

/// A handler whose first probes hang or panic.
struct BadProbe {
    probes: AtomicUsize,
}

impl Handler for BadProbe {
    async fn handle(&self, _message: Arc<Message>, _context: Context) -> Outcome {
        Outcome::Done
    }

    async fn probe(&self) -> Result<(), String> {
        match self.probes.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("on purpose"),
            1 => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_or_hangs_has_found_the_handler_down() {
    let scene = Scene::new();
    scene.send("1");
    let worker = scene.start_handler(BadProbe { probes: AtomicUsize::new(0) });
    sleep(secs(60)).await;
    assert_eq!(worker.metric("longshore_messages_started_total"), 1);
    worker.drain().await;
}
