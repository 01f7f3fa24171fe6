//! A worker raises the desired count of its service while messages wait for more tasks than the service has.

use std::{num::NonZeroU32, sync::Arc};

use longshore::{consumer::depth::Interval, ecs::ScaleOutPlan, handler::Outcome};
use tokio::time::sleep;

use crate::support::{
    agent::FakeService,
    gate::Gate,
    logged::Log,
    scene::{Running, Scene},
    secs,
};

/// A worker of two slots, whose calls wait at the gate, of a service of ten tasks at most.
fn scene(service: &Arc<FakeService>) -> Scene {
    let plan = ScaleOutPlan::with(service.clone(), NonZeroU32::new(10).unwrap());
    let scene = Scene::new().permits(2, 0).scaled_out_by(plan.backlog_target(secs(60)));
    scene.options(|options| options.depth.interval = Interval::Every(secs(10)))
}

/// Starts it with so many messages.
async fn started(scene: &Scene, gate: &Gate, messages: usize) -> Running {
    scene.send_many(messages);
    let worker = scene.start_gated(gate, Outcome::Done);
    scene.journal.began(2.min(messages)).await;
    worker
}

#[tokio::test(start_paused = true)]
async fn tasks_are_ordered_by_what_waits_and_how_long_it_takes() {
    let (service, gate) = (Arc::new(FakeService::of(Some(1))), Gate::default());
    let scene = scene(&service);
    // Eight of ten wait. If each takes 20 s, as long as the two that run, they need 8 x 20 s / 60 s = 2.7 slots of two tasks.
    let worker = started(&scene, &gate, 10).await;
    sleep(secs(10)).await;
    assert_eq!(service.set(), Vec::<u32>::new(), "one task has slots enough for calls of 10 s");
    sleep(secs(15)).await;
    assert_eq!(service.set(), [2]);
    // There is no use in more than a slot for each message: five tasks.
    sleep(secs(3_600)).await;
    assert_eq!(service.set(), [2, 3, 4, 5]);
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn no_more_tasks_are_ordered_than_there_may_be() {
    let (service, gate) = (Arc::new(FakeService::of(Some(1))), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    sleep(secs(60)).await;
    assert_eq!(service.set().last(), Some(&10));
    assert!(service.set().is_sorted(), "{:?}", service.set());
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_desired_count_that_is_enough_is_left_alone_and_read_twice_a_minute_at_most() {
    let (service, gate) = (Arc::new(FakeService::of(Some(12))), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    sleep(secs(600)).await;
    assert_eq!(service.set(), Vec::<u32>::new(), "a scale-out takes no task away");
    assert!(service.reads().len() <= 20, "{}", service.reads().len());
    // Others take tasks away too early.
    service.wants(3);
    sleep(secs(40)).await;
    assert_eq!(service.set(), [10]);
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_no_task_stays_without() {
    let (service, gate) = (Arc::new(FakeService::of(Some(0))), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    sleep(secs(600)).await;
    assert_eq!(service.set(), Vec::<u32>::new());
    assert!(!service.reads().is_empty());
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_orders_no_task() {
    let (service, gate) = (Arc::new(FakeService::of(Some(1))), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    worker.control.pause_all("maintenance");
    sleep(secs(600)).await;
    assert_eq!(service.reads(), Vec::new());
    worker.control.resume_all();
    sleep(secs(20)).await;
    assert_eq!(service.set().last(), Some(&10));
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_orders_no_task() {
    let (service, gate) = (Arc::new(FakeService::of(Some(1))), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    worker.stop.drain();
    sleep(secs(90)).await;
    assert_eq!(service.reads(), Vec::new());
    worker.stop.halt();
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_logged_and_tried_again_twice_a_minute_and_harms_no_work() {
    let (service, gate) = (Arc::new(FakeService::of(Some(1))), Gate::default());
    let (log, _logging) = Log::start();
    let scene = scene(&service);
    service.set_fails(true);
    let worker = started(&scene, &gate, 5_000).await;
    sleep(secs(300)).await;
    let lines = log.lines();
    let failures = lines.iter().filter(|line| line.to_string().contains("could not be raised"));
    assert_eq!(failures.count(), 1, "{lines:?}");
    assert!((9..=10).contains(&service.reads().len()), "{}", service.reads().len());
    service.set_fails(false);
    sleep(secs(40)).await;
    assert_eq!(service.set(), [10]);
    gate.open();
    scene.emptied().await;
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_of_no_service_orders_none_and_asks_once() {
    let (service, gate) = (Arc::new(FakeService::of(None)), Gate::default());
    let scene = scene(&service);
    let worker = started(&scene, &gate, 5_000).await;
    sleep(secs(600)).await;
    assert_eq!(service.reads().len(), 1);
    worker.stop.halt();
}
