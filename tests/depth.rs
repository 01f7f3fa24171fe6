//! Tests of the polls of a queue's depth, and of the metrics that they update.

use longshore::{consumer::depth::Interval, handler::Outcome, message::OutgoingMessage, worker::DeadLetters};
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

/// The value of a series, if it is shown.
fn value(worker: &Running, series: &str) -> Option<f64> {
    let text = worker.metrics.text();
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

fn visible(worker: &Running) -> Option<f64> {
    value(worker, "longshore_queue_messages{queue=\"orders\",state=\"visible\"} ")
}

fn in_flight(worker: &Running) -> Option<f64> {
    value(worker, "longshore_queue_messages{queue=\"orders\",state=\"in_flight\"} ")
}

fn of_queue(worker: &Running, metric: &str) -> Option<f64> {
    value(worker, &format!("{metric}{{queue=\"orders\"}} "))
}

fn asked(scene: &Scene) -> usize {
    scene.queue.calls(Action::Describe).len() + scene.dlq.calls(Action::Describe).len()
}

/// A queue whose visible messages stay visible, because the only slot is taken and nothing is prefetched.
async fn crowded(scene: &Scene, gate: &Gate) -> Running {
    scene.send_many(5);
    let held = gate.clone();
    let worker = scene.start(move |_, _| {
        let gate = held.clone();
        async move {
            gate.passed().await;
            Outcome::Done
        }
    });
    scene.journal.began(1).await;
    sleep(secs(36)).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_takes_less_than_four_requests_a_minute_in_all() {
    let scene = Scene::new().max_receives(3);
    let worker = scene.start(async |_, _| Outcome::Done);
    sleep(secs(3600)).await;
    let receives = scene.queue.calls(Action::Receive).len();
    assert!(receives + asked(&scene) <= 4 * 60, "{receives} receives, {} more", asked(&scene));
    assert!((20..=32).contains(&asked(&scene)), "both queues every five minutes: {}", asked(&scene));
    assert_eq!((visible(&worker), of_queue(&worker, "longshore_dlq_messages")), (Some(0.0), Some(0.0)));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_queue_and_its_dlq_are_asked_for_twice_a_minute() {
    let scene = Scene::new().max_receives(3).permits(1, 0);
    let worker = crowded(&scene, &Gate::default()).await;
    let before = asked(&scene);
    sleep(secs(600)).await;
    assert!((36..=48).contains(&(asked(&scene) - before)), "{}", asked(&scene) - before);
    assert_eq!((visible(&worker), in_flight(&worker)), (Some(4.0), Some(1.0)));
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_whose_groups_are_blocked_is_counted_at_the_full_rate() {
    let (scene, gate) = (Scene::fifo().permits(4, 0), Gate::default());
    for number in 0..5 {
        scene.send_to("blocked", number.to_string());
    }
    let worker = scene.start_gated(&gate, Outcome::Done);
    scene.journal.began(1).await;
    sleep(secs(900)).await;
    for number in 5..40 {
        scene.send_to("blocked", number.to_string());
    }
    sleep(secs(36)).await;
    let counted = visible(&worker).unwrap() + in_flight(&worker).unwrap();
    assert!((counted - 40.0).abs() < 0.5, "receives come back empty, and nothing is idle: {counted}");
    gate.open();
    scene.emptied().await;
    sleep(secs(120)).await;
    let before = asked(&scene);
    sleep(secs(600)).await;
    assert!(asked(&scene) - before <= 3, "an idle FIFO queue is asked rarely: {}", asked(&scene) - before);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_to_an_idle_queue_are_counted_within_an_interval() {
    let scene = Scene::new().permits(1, 0);
    let worker = scene.start(async |_, _| {
        sleep(secs(3600)).await;
        Outcome::Done
    });
    sleep(secs(100)).await;
    assert_eq!(visible(&worker), Some(0.0));
    scene.send_many(5);
    sleep(secs(36)).await;
    assert_eq!((visible(&worker), in_flight(&worker)), (Some(4.0), Some(1.0)));
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn the_oldest_grows_while_messages_wait_and_is_none_once_they_are_gone() {
    let (scene, gate) = (Scene::new().permits(1, 0), Gate::default());
    let worker = crowded(&scene, &gate).await;
    let age = || of_queue(&worker, "longshore_queue_oldest_message_age_seconds").unwrap();
    sleep(secs(500)).await;
    assert!(age() >= 500.0, "{}", age());
    gate.open();
    scene.emptied().await;
    sleep(secs(30)).await;
    assert!(age() <= 0.0, "{}", age());
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_backlog_is_how_long_this_worker_alone_would_need() {
    let scene = Scene::new().permits(2, 0);
    scene.send_many(40);
    let worker = scene.start(async |_, _| {
        sleep(secs(60)).await;
        Outcome::Done
    });
    assert_eq!(of_queue(&worker, "longshore_backlog_seconds"), None);
    sleep(secs(300)).await;
    let counts = visible(&worker).unwrap() + in_flight(&worker).unwrap();
    let backlog = of_queue(&worker, "longshore_backlog_seconds").unwrap();
    assert!((backlog - counts * 60.0 / 2.0).abs() < 1.0, "{backlog} for {counts}");
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_counted() {
    one_dead_letter_is_counted(Scene::new(), Outcome::Reject("poison".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn dead_letters_of_the_policy_are_counted_although_nothing_is_copied_there() {
    let scene = Scene::new().dead_letters(DeadLetters::Nowhere);
    one_dead_letter_is_counted(scene, Outcome::Retry("poison".to_owned())).await;
}

async fn one_dead_letter_is_counted(scene: Scene, outcome: Outcome) {
    let scene = scene.max_receives(1);
    scene.send("poison");
    let worker = scene.start(move |_, _| std::future::ready(outcome.clone()));
    scene.emptied().await;
    sleep(secs(340)).await;
    assert_eq!(of_queue(&worker, "longshore_dlq_messages"), Some(1.0));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_is_given_up_and_asked_again() {
    let scene = Scene::new().permits(1, 0);
    let worker = crowded(&scene, &Gate::default()).await;
    scene.queue.always(Action::Describe, Fault::Hangs);
    sleep(secs(200)).await;
    assert_eq!(visible(&worker), None);
    scene.queue.heal(Action::Describe);
    sleep(secs(60)).await;
    assert_eq!(visible(&worker), Some(4.0));
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_permission_warns_once_polls_rarely_and_shows_no_stale_counts() {
    let (log, _logging) = Log::start();
    let scene = Scene::new().permits(1, 0);
    let worker = crowded(&scene, &Gate::default()).await;
    assert_eq!(visible(&worker), Some(4.0));
    scene.queue.always(Action::Describe, Fault::Fails(Failure::Refused));
    let before = asked(&scene);
    sleep(secs(3600)).await;
    assert!((10..=16).contains(&(asked(&scene) - before)), "{}", asked(&scene) - before);
    assert_eq!(
        (visible(&worker), of_queue(&worker, "longshore_queue_oldest_message_age_seconds")),
        (None, None)
    );
    assert!(of_queue(&worker, "longshore_queue_depth_age_seconds").unwrap() > 3500.0);
    let refused = "longshore_api_calls_total{action=\"attributes\",queue=\"orders\",result=\"refused\"} ";
    assert!(value(&worker, refused).unwrap() >= 10.0);
    let logged = |level: &str, text: &str| {
        let is_told =
            |line: &Value| line["level"] == level && line["message"].as_str().unwrap().contains(text);
        log.lines().iter().filter(|line| is_told(line)).count()
    };
    assert_eq!(logged("WARN", "grant sqs:GetQueueAttributes, or set depth.interval"), 1);
    scene.queue.heal(Action::Describe);
    sleep(secs(360)).await;
    assert_eq!(
        (visible(&worker), logged("INFO", "sqs reports the number of messages again")),
        (Some(4.0), 1)
    );
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_failing_queue_is_asked_no_more_often_than_a_healthy_one() {
    let scene = Scene::new().permits(1, 0);
    let worker = crowded(&scene, &Gate::default()).await;
    scene.queue.always(Action::Describe, Fault::Fails(Failure::Throttled));
    let before = asked(&scene);
    sleep(secs(600)).await;
    assert!(asked(&scene) - before <= 24, "{}", asked(&scene) - before);
    assert_eq!(visible(&worker), None);
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_polled_or_shown_while_depth_is_off() {
    let scene = Scene::new().options(|options| options.depth.interval = Interval::Off);
    let worker = scene.start(async |_, _| Outcome::Done);
    sleep(secs(3600)).await;
    assert_eq!(asked(&scene), 1, "the queue is described when it is opened");
    assert!(!worker.metrics.text().contains("longshore_queue_depth_age_seconds{"));
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_tenants_of_a_fair_queue_are_counted_while_their_messages_are_held() {
    let (scene, gate) = (Scene::new(), Gate::default());
    for (tenant, count) in [("quiet", 1), ("noisy", 4)] {
        for number in 0..count {
            let message =
                OutgoingMessage { group_id: Some(tenant.to_owned()), ..format!("{tenant}{number}").into() };
            scene.send_message(message);
        }
    }
    scene.send("without a group");
    let held = gate.clone();
    let worker = scene.start(move |_, _| {
        let gate = held.clone();
        async move {
            gate.passed().await;
            Outcome::Done
        }
    });
    scene.journal.began(6).await;
    assert_eq!(of_queue(&worker, "longshore_groups_held"), Some(2.0));
    assert_eq!(of_queue(&worker, "longshore_group_messages_held_max"), Some(4.0));
    assert!(!worker.metrics.text().contains("noisy"), "a name that a sender chose");
    gate.open();
    scene.emptied().await;
    sleep(secs(1)).await;
    assert_eq!(of_queue(&worker, "longshore_groups_held"), Some(0.0));
    worker.drain().await;
}
