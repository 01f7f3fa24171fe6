//! Sampled warnings are counted by queue and reason: nothing is hidden.

use longshore::{handler::Outcome, worker::DeadLetters};
use serde_json::Value;
use tokio::time::sleep;

use crate::support::{logged::Log, scene::Scene, secs};

/// The lines with this message, as the other of these two values of each.
fn told(log: &Log, message: &str) -> Vec<Value> {
    log.lines().into_iter().filter(|line| line["message"] == message).collect()
}

/// The number of warnings left out of this reason.
fn left_out(log: &Log, reason: &str) -> Vec<u64> {
    let lines = told(log, "more like this in the last minute");
    let such = lines.iter().filter(|line| line["reason"] == reason && line["queue"] == "orders");
    such.map(|line| line["count"].as_u64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_number_of_warnings_left_out_is_logged_after_a_minute_by_reason() {
    let (log, _guard) = Log::start();
    let scene = Scene::new().max_receives(1).dead_letters(DeadLetters::Nowhere);
    for number in 0..300 {
        scene.send(if number % 3 == 0 { "full" } else { "gone" });
    }
    let worker =
        scene.start(|message, _| async move { Outcome::Retry(format!("the disk is {}", message.body)) });
    scene.emptied().await;
    assert_eq!(told(&log, "more like this in the last minute").len(), 0, "the minute is not over");
    sleep(secs(61)).await;
    let counts = [left_out(&log, "the disk is full"), left_out(&log, "the disk is gone")];
    let warned = told(&log, "message not done").into_iter().filter(|line| line["level"] == "WARN").count();
    assert_eq!(counts.iter().map(Vec::len).sum::<usize>(), 2, "one line for each reason: {counts:?}");
    assert_eq!(counts.iter().flatten().sum::<u64>(), 300 - warned as u64);
    assert!(warned <= 11, "{warned}");
    let like = &told(&log, "more like this in the last minute")[0]["like"];
    assert_eq!(like, "message not done");
    assert_eq!(told(&log, "message has used up its receives").len(), 300, "the last receive is always told");
    sleep(secs(600)).await;
    assert_eq!(left_out(&log, "the disk is gone").len(), 1);
    worker.drain().await;
}

#[tokio::test(start_paused = true)]
async fn the_number_of_warnings_left_out_is_logged_at_a_stop() {
    let (log, _guard) = Log::start();
    let scene = Scene::new().max_receives(1).dead_letters(DeadLetters::Nowhere);
    scene.send_many(100);
    let worker = scene.start(async |_, _| Outcome::Retry("no luck".to_owned()));
    scene.emptied().await;
    assert!(left_out(&log, "no luck").is_empty());
    worker.drain().await;
    assert_eq!(left_out(&log, "no luck"), [90]);
}
