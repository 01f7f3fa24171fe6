//! An operator pauses, resumes and scales queues while they are consumed.

use longshore::{ControlError, handler::Outcome, testing::TestWorker};
use tokio::time::sleep;

use crate::support::{calls::Action, gate::Gate, scene::Scene, secs};

const QUEUE: &str = "orders";

/// The value of the gauge of an operator's pause.
fn is_shown_as_paused(worker: &TestWorker) -> bool {
    worker.metrics.text().contains("longshore_polling_paused{queue=\"orders\",reason=\"operator\"} 1")
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_finishes_what_runs_gives_back_what_waits_and_receives_nothing() {
    let (scene, gate) = (Scene::new().permits(2, 3), Gate::default());
    scene.send_many(10);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(2).await;
    sleep(secs(1)).await;
    assert_eq!((scene.in_flight(), scene.visible()), (5, 5));
    worker.control.pause(QUEUE, "maintenance").unwrap();
    sleep(secs(10)).await;
    assert_eq!(
        (scene.in_flight(), scene.visible()),
        (2, 8),
        "the running ones are kept, the others are back"
    );
    let receives = scene.queue.calls(Action::Receive).len();
    gate.open();
    scene.journal.done(2).await;
    sleep(secs(3_600)).await;
    assert_eq!(scene.journal.runs().len(), 2, "no call starts");
    assert_eq!(scene.queue.calls(Action::Receive).len(), receives, "nothing is received");
    assert!(is_shown_as_paused(&worker));
    assert_eq!(worker.health.notices()["orders polling"], "paused by the operator: maintenance");
    assert!(worker.health.unready().is_empty() && worker.health.silent().is_empty(), "{:?}", worker.health);

    worker.control.resume(QUEUE).unwrap();
    scene.emptied().await;
    assert!(!is_shown_as_paused(&worker) && worker.health.notices().is_empty());
    assert_eq!(scene.journal.runs().len(), 10);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_receive_brings_after_the_pause_is_given_back_and_costs_one_receive_at_most() {
    let scene = Scene::new().permits(4, 0);
    let worker = scene.start(async |_, _| Outcome::Done);
    sleep(secs(5)).await;
    assert_eq!(scene.queue.receives_under_way(), 1, "a long poll is under way");
    worker.control.pause_all("maintenance");
    scene.send_many(3);
    sleep(secs(60)).await;
    assert_eq!((scene.visible(), scene.journal.runs().len()), (3, 0));
    worker.control.resume_all();
    scene.emptied().await;
    assert!(scene.journal.runs().iter().all(|run| run.message.receive_count <= 2));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_at_its_last_receive_waits_out_the_pause_and_does_not_reach_the_dlq() {
    let (scene, gate) = (Scene::new().permits(1, 2).max_receives(1), Gate::default());
    scene.send_many(3);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    sleep(secs(1)).await;
    worker.control.pause(QUEUE, "maintenance").unwrap();
    gate.open();
    sleep(secs(3_600)).await;
    assert_eq!((scene.in_flight(), scene.journal.runs().len()), (2, 1), "they stay hidden, and do not run");
    worker.control.resume(QUEUE).unwrap();
    scene.emptied().await;
    assert_eq!((scene.dead(), scene.journal.runs().len()), (0, 3));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_through_a_pause() {
    let (scene, gate) = (Scene::fifo().permits(1, 5), Gate::default());
    for number in 0..5 {
        scene.send_to("group", number.to_string());
    }
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    sleep(secs(1)).await;
    worker.control.pause(QUEUE, "maintenance").unwrap();
    gate.open();
    sleep(secs(60)).await;
    assert_eq!(scene.journal.runs().len(), 1);
    worker.control.resume(QUEUE).unwrap();
    scene.emptied().await;
    assert_eq!(scene.journal.done_bodies(), ["0", "1", "2", "3", "4"]);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_its_settings_pause_is_ready_and_receives_nothing_before_it_is_resumed() {
    let scene = Scene::new().options(|options| options.paused = true);
    scene.send_many(2);
    let worker = scene.start(async |_, _| Outcome::Done);
    sleep(secs(60)).await;
    assert!(scene.queue.calls(Action::Receive).is_empty());
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    let notice = "paused by the operator: paused = true in its settings";
    assert_eq!(worker.health.notices()["orders polling"], notice);
    worker.control.resume_all();
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_queue_is_open_holds_once_it_is() {
    let scene = Scene::new();
    scene.send_many(1);
    let worker = scene.start(async |_, _| Outcome::Done);
    worker.control.pause(QUEUE, "at once").unwrap();
    sleep(secs(60)).await;
    assert!(scene.queue.calls(Action::Receive).is_empty() && is_shown_as_paused(&worker));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_pause_leaves_other_reasons_and_a_paused_queue_drains() {
    let scene = Scene::new();
    let worker = scene.start(async |_, _| Outcome::Down("connection refused".to_owned()));
    scene.send_many(1);
    sleep(secs(1)).await;
    worker.control.pause(QUEUE, "maintenance").unwrap();
    worker.control.resume(QUEUE).unwrap();
    let shown = worker.metrics.text();
    assert!(!is_shown_as_paused(&worker) && shown.contains("reason=\"operator\"} 0"), "{shown}");
    worker.control.pause(QUEUE, "maintenance").unwrap();
    worker.drain().await;
    assert_eq!(
        scene.in_flight() + scene.visible(),
        1,
        "the message comes again after the delay of a handler that is down"
    );
}

#[tokio::test(start_paused = true)]
async fn more_calls_run_at_once_after_a_larger_concurrency() {
    let (scene, gate) = (Scene::new().permits(1, 0), Gate::default());
    scene.send_many(30);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    worker.control.set_concurrency(QUEUE, 20).unwrap();
    scene.journal.began(20).await;
    sleep(secs(60)).await;
    assert_eq!((scene.journal.most_running(), scene.in_flight()), (20, 20));
    assert_eq!(worker.metric("longshore_concurrency"), 20);
    assert_eq!(worker.metric("longshore_permits"), 20);
    gate.open();
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_concurrency_drops_no_call_and_is_reached_as_calls_end() {
    let scene = Scene::new().permits(10, 0);
    scene.send_many(60);
    let worker = scene.start(|_, _| async {
        sleep(secs(10)).await;
        Outcome::Done
    });
    scene.journal.began(10).await;
    sleep(secs(1)).await;
    worker.control.set_concurrency(QUEUE, 2).unwrap();
    assert_eq!(worker.metric("longshore_messages_running"), 10, "all of them go on");
    scene.journal.done(10).await;
    sleep(secs(1)).await;
    assert!(worker.metric("longshore_messages_running") <= 2);
    scene.emptied().await;
    let runs = scene.journal.runs();
    assert!(runs.iter().all(|run| run.message.receive_count == 1), "no message came twice");
    let later = &runs[10..];
    let most = later.iter().map(|run| {
        later
            .iter()
            .filter(|other| other.began <= run.began && other.ended.as_ref().unwrap().0 > run.began)
            .count()
    });
    assert_eq!(most.max(), Some(2));
    assert_eq!(worker.metric("longshore_permits"), 2);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_prefetch_stays_beside_a_changed_concurrency() {
    let (scene, gate) = (Scene::new().permits(1, 3), Gate::default());
    scene.send_many(30);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    worker.control.set_concurrency(QUEUE, 10).unwrap();
    scene.journal.began(10).await;
    sleep(secs(60)).await;
    assert_eq!((worker.metric("longshore_permits"), scene.in_flight()), (13, 13));
    gate.open();
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let scene = Scene::new();
    let worker = scene.start(async |_, _| Outcome::Done);
    let not_open = worker.control.set_concurrency(QUEUE, 3);
    assert!(matches!(not_open, Err(ControlError::NotOpen { .. })), "{not_open:?}");
    sleep(secs(5)).await;
    let missing = worker.control.pause("mails", "x").unwrap_err();
    assert_eq!(missing.to_string(), "no such queue: mails, there is orders");
    let zero = worker.control.set_concurrency(QUEUE, 0).unwrap_err().to_string();
    assert!(zero.contains("concurrency = 0: out of range"), "{zero}");
    assert_eq!(worker.metric("longshore_concurrency"), 16, "nothing has changed");
    worker.drain().await;
}
