//! What stands still is seen in the metrics, in the health and in the log: calls that hang, deletes that are refused,
//! messages whose retention is nearly over.

use std::time::Duration;

use longshore::{backoff::Backoff, handler::Outcome, worker::DeadLetters};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{
    calls::Action,
    faulty::{Failure, Fault},
    gate::Gate,
    logged::Log,
    scene::{Running, Scene},
    secs,
};

/// The value of a gauge of the queue.
fn gauge(worker: &Running, name: &str) -> f64 {
    let (text, start) = (worker.metrics.text(), format!("longshore_{name}{{queue=\"orders\"}} "));
    let found = text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok());
    found.unwrap_or_else(|| panic!("no {name}: {text}"))
}

fn assert_about(value: f64, expected: f64) {
    assert!((value - expected).abs() <= expected * 0.1 + 2.0, "{value} is not about {expected}");
}

/// The lines with this message.
fn lines(log: &Log, message: &str) -> Vec<Value> {
    log.lines().into_iter().filter(|line| line["message"] == message).collect()
}

const RUNS_LONG: &str = "call of the handler runs for unusually long";
const UNSETTLED: &str = "message is not settled yet, sqs has not confirmed it";

/// A handler that needs two seconds, and hangs at bodies that begin with `hang`.
async fn two_seconds_or_hanging(body: String) -> Outcome {
    if body.starts_with("hang") {
        sleep(Duration::from_hours(10)).await;
    }
    sleep(secs(2)).await;
    Outcome::Done
}

fn start(scene: &Scene) -> Running {
    scene.start(|message, _| two_seconds_or_hanging(message.body.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_shows_in_the_gauges_and_in_the_backlog() {
    let (log, _guard) = Log::start();
    let scene = Scene::new().permits(4, 3);
    scene.send_many(60);
    let worker = start(&scene);
    scene.emptied().await;
    assert_about(gauge(&worker, "oldest_running_seconds"), 0.0);
    for number in 0..500 {
        scene.send(format!("hang {number}"));
    }
    let began = scene.journal.runs().len();
    scene.journal.began(began + 4).await;
    let work_before = gauge(&worker, "work_seconds_total");
    sleep(secs(13 * 60)).await;
    assert_about(gauge(&worker, "oldest_running_seconds"), 780.0);
    assert_about(gauge(&worker, "oldest_waiting_seconds"), 780.0);
    assert_about(gauge(&worker, "work_seconds_total") - work_before, 4.0 * 780.0);
    assert_about(gauge(&worker, "backlog_seconds"), 500.0 * 780.0 / 4.0);
    let named = lines(&log, RUNS_LONG);
    let first = |body: &str| scene.journal.runs_of(body)[0].message.id.to_string();
    let of_first: Vec<_> = named.iter().filter(|line| line["message_id"] == first("hang 0")).collect();
    assert_eq!(named.len(), 16, "four calls after one, two, four and eight minutes: {named:?}");
    assert_eq!(of_first.len(), 4, "{named:?}");
    assert!(lines(&log, "more like this in the last minute").is_empty());
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn slots_that_hang_count_in_the_backlog_while_others_work() {
    let scene = Scene::new().permits(4, 0);
    scene.send_many(60);
    let worker = start(&scene);
    scene.emptied().await;
    for number in 0..3 {
        scene.send(format!("hang {number}"));
    }
    scene.send_many(1_000);
    sleep(secs(13 * 60)).await;
    let left = scene.visible() + scene.in_flight();
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let needed = left as f64 * 2.0;
    let backlog = gauge(&worker, "backlog_seconds");
    assert!((backlog - needed).abs() < needed * 0.2, "one slot of four works: {backlog}, not {needed}");
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn calls_that_take_as_long_as_others_of_late_are_not_named() {
    let (log, _guard) = Log::start();
    let scene = Scene::new().permits(1, 0);
    scene.send_many(12);
    let worker = scene.start(async |_, _| {
        sleep(secs(600)).await;
        Outcome::Done
    });
    scene.emptied().await;
    let named = lines(&log, RUNS_LONG);
    assert_eq!(named.len(), 1, "only the first, of which nothing was known: {named:?}");
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_from_its_receive_through_its_preparation_to_its_call() {
    let gate = Gate::default();
    let scene = Scene::new().permits(1, 1);
    scene.send_many(2);
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    sleep(secs(30)).await;
    assert_about(gauge(&worker, "oldest_waiting_seconds"), 30.0);
    gate.open();
    scene.emptied().await;
    assert_about(gauge(&worker, "oldest_waiting_seconds"), 0.0);
    assert_about(gauge(&worker, "oldest_running_seconds"), 0.0);
    worker.drain().await;
}

/// Ten messages that are done and whose deletes fail in this way, for ten minutes.
async fn undeleted(fault: Fault, reason: &str) {
    let (log, _guard) = Log::start();
    let scene = Scene::new();
    scene.queue.always(Action::Delete, fault);
    let ids = scene.send_many(10);
    let worker = scene.start(async |_, _| Outcome::Done);
    sleep(secs(600)).await;
    assert_about(gauge(&worker, "settling"), 10.0);
    assert_about(gauge(&worker, "oldest_settling_seconds"), 600.0);
    let unready = worker.health.unready();
    assert!(unready["orders settle"].contains(reason), "{unready:?}");
    let named = lines(&log, UNSETTLED);
    for id in &ids {
        let of_it = named.iter().filter(|line| line["message_id"] == id.to_string());
        assert!(of_it.count() >= 1, "{id}: {named:?}");
    }
    scene.queue.heal(Action::Delete);
    scene.emptied().await;
    sleep(secs(1)).await;
    assert_about(gauge(&worker, "settling"), 0.0);
    assert_about(gauge(&worker, "oldest_settling_seconds"), 0.0);
    assert!(worker.health.unready().is_empty());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn deletes_that_are_refused_are_counted_named_and_make_the_worker_unready() {
    undeleted(Fault::Fails(Failure::Refused), "AccessDenied").await;
}

#[tokio::test(start_paused = true)]
async fn deletes_of_which_every_entry_is_refused_make_the_worker_unready_too() {
    undeleted(Fault::Refusals((0..10).collect()), "InvalidMessageContents").await;
}

#[tokio::test(start_paused = true)]
async fn one_delete_that_is_refused_among_others_does_not_make_the_worker_unready() {
    let scene = Scene::new();
    scene.queue.always(Action::Delete, Fault::Refusals(vec![0]));
    scene.send_many(10);
    let worker = scene.start(async |_, _| Outcome::Done);
    scene.journal.done(10).await;
    sleep(secs(1)).await;
    assert!(worker.health.unready().is_empty(), "{:?}", worker.health.unready());
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_retention_is_nearly_over_is_named() {
    let (log, _guard) = Log::start();
    let scene = Scene::new().dead_letters(DeadLetters::Nowhere).options(|options| {
        options.retry = Backoff { initial: secs(60), max: secs(60), ..Backoff::default() };
    });
    // Its age is that of the system clock, which is not paused.
    scene.send("young");
    let worker = scene.start(async |_, _| Outcome::Retry("not today".to_owned()));
    sleep(secs(1)).await;
    assert_about(gauge(&worker, "queue_retention_seconds"), 4.0 * 86_400.0);
    sleep(secs(100)).await;
    assert!(lines(&log, "message nears the end of its retention").is_empty());
    scene.queue.describe_retention(Duration::from_nanos(1));
    sleep(secs(400)).await;
    let named = lines(&log, "message nears the end of its retention");
    assert!(!named.is_empty() && named[0]["receive_count"].as_u64() > Some(1), "{named:?}");
    worker.stop.halt();
}
