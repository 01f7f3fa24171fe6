//! A worker inside a program: its own registry, and its own configuration of the SDK.

use longshore_emulator::Emulator;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use longshore::{Consumer, DeadLetters, Drained, Message, Stop, Worker, handler, tasks, testing::TestQueue};
use prometheus::{IntCounter, Registry};
use tokio::sync::Notify;

/// A handler that is always done, and says so.
fn done() -> (impl handler::Handler, Arc<Notify>) {
    let called = Arc::new(Notify::new());
    let calls = called.clone();
    let handler = handler::from_fn(move |_: Arc<Message>| {
        calls.notify_one();
        std::future::ready(())
    });
    (handler, called)
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_on_the_programs_registry_beside_its_own() {
    let registry = Registry::new();
    let own = IntCounter::new("shop_orders_total", "Orders.").unwrap();
    registry.register(Box::new(own.clone())).unwrap();
    own.inc();
    let scene = TestQueue::new();
    scene.send("1");
    let ((handler, called), stop) = (done(), Stop::new());
    let worker = Worker::new().registry(registry.clone()).consumer(
        Consumer::of("orders", Arc::new(scene.queue()), handler).dead_letters(DeadLetters::Nowhere),
    );
    let ended = tasks::detach("worker", worker.run_here(stop.clone()));
    called.notified().await;
    let families = registry.gather();
    let names: Vec<_> = families.iter().map(prometheus::proto::MetricFamily::name).collect();
    assert!(names.contains(&"shop_orders_total"), "{names:?}");
    assert!(names.contains(&"longshore_messages_started_total"), "{names:?}");
    stop.drain();
    assert_eq!(ended.await.unwrap().unwrap(), Drained::All);
}

#[tokio::test]
async fn a_consumer_works_with_an_sdk_configuration_that_the_program_has_loaded() {
    let emulator = Emulator::start().await.unwrap();
    emulator.create_queue("orders").unwrap();
    emulator.sqs().send("orders", "1").unwrap();
    let credentials = Credentials::new("id", "secret", None, None, "the program");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .endpoint_url(emulator.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let ((handler, called), stop) = (done(), Stop::new());
    let worker = Worker::new().consumer(Consumer::new("orders", handler).sdk_config(config));
    let ended = tasks::detach("worker", worker.run_until(stop.clone()));
    called.notified().await;
    stop.drain();
    assert_eq!(ended.await.unwrap().unwrap(), Drained::All);
    assert_eq!(emulator.sqs().snapshot("orders").unwrap().visible, 0);
}
