//! The causes under which failed calls are counted.

use longshore::{
    handler::lambda::Settings,
    telemetry::{FailureCause, Label as _, Metrics},
};
use tokio::net::TcpListener;

use super::{
    emulators::Emulator,
    functions,
    harness::{Scene, until},
};

/// The number of failed calls with this cause.
fn failures(metrics: &Metrics, cause: &str) -> u64 {
    metrics.count("longshore_handler_failures_total", &[("cause", cause)])
}

/// The causes of failed calls, with their numbers.
fn counted(metrics: &Metrics) -> Vec<(&'static str, u64)> {
    let counts = FailureCause::ALL.iter().map(|cause| (cause.as_str(), failures(metrics, cause.as_str())));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// The causes of the failed calls with this message, until it is deleted.
async fn causes(function: Settings, body: &str) -> Vec<(&'static str, u64)> {
    let scene = Scene::new();
    scene.send(body);
    let running = scene.start(function);
    let metrics = running.metrics.clone();
    scene.emptied().await;
    running.drain().await;
    counted(&metrics)
}

#[tokio::test]
async fn a_failure_of_a_process_is_counted_once_by_its_cause() {
    for (lie, cause) in [
        ("honest", None),
        ("error", Some("function_error")),
        ("seven", Some("bad_answer")),
        ("mid-answer", Some("bad_answer")),
        ("abort", Some("crash")),
    ] {
        let once = Vec::from_iter(cause.map(|cause| (cause, 1)));
        assert_eq!(causes(functions::liar(&[]), lie).await, once, "{lie}");
    }
}

#[tokio::test]
async fn messages_that_a_function_names_are_its_error() {
    assert_eq!(causes(functions::rust(), "fail").await, [("function_error", 1)]);
    assert_eq!(causes(functions::rust(), "raise").await, [("function_error", 1)]);
}

#[tokio::test]
async fn a_call_that_finds_no_process_and_none_that_starts_is_an_init_error() {
    let scene = Scene::new();
    scene.send_all(["abort", "honest:1", "honest:2"]);
    let broken = scene.folder.path().join("broken");
    let broken = broken.display();
    let script = format!("test -e {broken} && exit 9; touch {broken}; exec \"$0\"");
    let running = scene.start(functions::liar_after(&script));
    let metrics = running.metrics.clone();
    until("a call has found none", || failures(&metrics, "init_error") > 0).await;
    running.drain().await;
    assert_eq!(failures(&metrics, "crash"), 1);
}

#[tokio::test]
async fn an_answer_of_an_emulator_is_counted_by_its_content() {
    for (body, cause) in [
        ("done", None),
        ("fail", Some("function_error")),
        ("raise", Some("function_error")),
        ("late", Some("function_error")),
        ("status", Some("bad_answer")),
        ("seven", Some("bad_answer")),
    ] {
        let emulator = Emulator::start().await;
        let once = Vec::from_iter(cause.map(|cause| (cause, 1)));
        assert_eq!(causes(emulator.settings(), body).await, once, "{body}");
    }
}

#[tokio::test]
async fn an_emulator_that_closes_the_connection_is_counted_as_connection() {
    let scene = Scene::new();
    scene.send("done");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let running = scene.start(Settings::of_url(url).unwrap());
    let metrics = running.metrics.clone();
    let hanging_up = async { while listener.accept().await.is_ok() {} };
    tokio::select! {
        () = hanging_up => {}
        () = until("it has failed", || failures(&metrics, "connection") > 0) => {}
    }
    running.stop.halt();
}
