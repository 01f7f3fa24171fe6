//! The log of functions' output.

use longshore::handler::lambda::Settings;
use serde_json::Value;

use super::{
    functions,
    harness::{Scene, until},
    logged::Log,
};

impl Log {
    /// Every line that a function wrote.
    fn output(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["target"] == "longshore::function").collect()
    }

    /// The first logged line with this text.
    fn line(&self, text: &str) -> Option<Value> {
        self.output().into_iter().find(|line| line["line"].as_str().unwrap().contains(text))
    }
}

#[tokio::test]
async fn each_line_is_logged_with_the_message_that_it_is_about() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    let ids: Vec<_> = ["done-1", "done-2"].map(|body| scene.send(body)).into();
    let running = scene.start_here(functions::rust());
    scene.emptied().await;
    running.drain().await;
    for id in &ids {
        let line = log.line(id).unwrap();
        assert_eq!((&line["message_id"], &line["queue"]), (&id.as_str().into(), &"orders".into()), "{line}");
        assert_eq!((&line["stream"], &line["level"]), (&"stdout".into(), &"INFO".into()), "{line}");
        assert!(line["request_id"].is_string() && line["process"].is_number(), "{line}");
    }
}

#[tokio::test]
async fn the_lines_of_a_batch_are_logged_with_all_its_messages() {
    let (log, _here) = Log::start();
    let scene = Scene::new().batches_of(2);
    let ids: Vec<_> = ["done-1", "done-2"].map(|body| scene.send(body)).into();
    let running = scene.start_here(functions::rust());
    scene.emptied().await;
    running.drain().await;
    let line = log.line(&ids[0]).unwrap();
    let named = line["message_ids"].as_str().unwrap();
    assert!(ids.iter().all(|id| named.contains(id)), "{line}");
}

#[tokio::test]
async fn output_before_the_first_event_is_logged_too() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    let running = scene.start_here(functions::liar_after("echo no such module >&2; exit 1"));
    until("the line is there", || log.line("no such module").is_some()).await;
    let line = log.line("no such module").unwrap();
    assert_eq!(line["stream"], "stderr");
    assert!(line["message_id"].is_null() && line["request_id"].is_null(), "{line}");
    running.drain().await;
}

#[tokio::test]
async fn a_flood_of_output_neither_stops_the_function_nor_makes_long_lines() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    scene.send("honest");
    let flood = "head -c 3000000 /dev/zero | tr '\\0' x; echo; exec \"$0\"";
    let running = scene.start_here(Settings { processes: Some(1), ..functions::liar_after(flood) });
    scene.emptied().await;
    running.drain().await;
    let longest = log.output().iter().map(|line| line["line"].as_str().unwrap().len()).max();
    assert!(longest.is_some_and(|bytes| (8_000..9_000).contains(&bytes)), "{longest:?}");
}

#[tokio::test]
async fn the_last_lines_of_a_process_that_ends_at_once_are_in_the_reason() {
    let scene = Scene::new();
    let running = scene.start(functions::liar_after("echo no module named app >&2; exit 1"));
    until("the handler is down", || running.unready_reasons().contains("handler is down")).await;
    let reason = running.unready_reasons();
    assert!(reason.contains("exit code 1; its last lines: no module named app"), "{reason}");
    running.drain().await;
}

#[tokio::test]
async fn the_last_lines_of_a_process_that_ends_during_a_call_are_in_its_reason() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    scene.send("done");
    let id = scene.send("crash");
    let running = scene.start_here(functions::rust());
    scene.emptied().await;
    running.drain().await;
    let replaced =
        log.lines().into_iter().find(|line| line["message"] == "runtime process is replaced").unwrap();
    // Those of the message before are of no concern.
    assert_eq!(replaced["reason"], format!("exit code 7; its last lines: handling \"{id}\""));
    let failed = |line: &Value| {
        line["reason"].as_str().is_some_and(|reason| reason.contains("ended before its answer"))
    };
    let failed = log.lines().into_iter().find(failed).unwrap();
    assert!(failed["reason"].as_str().unwrap().contains("its last lines: handling"), "{failed}");
}

#[tokio::test]
async fn sixteen_processes_that_end_alike_are_one_line_with_their_number() {
    let (log, _here) = Log::start();
    let scene = Scene::new().options(|options| options.concurrency = 16);
    let script = "echo \"[$$] no module named app\" >&2; exit 9";
    let running = scene.start_here(functions::liar_after(script));
    let not_started = || -> Vec<Value> {
        let lines = log.lines().into_iter();
        lines.filter(|line| line["message"] == "runtime process did not start").collect()
    };
    until("a line is there", || !not_started().is_empty()).await;
    let line = not_started().remove(0);
    assert_eq!((&line["processes"], not_started().len()), (&16.into(), 1), "{line}");
    assert!(line["reason"].as_str().unwrap().contains("] no module named app"), "{line}");
    running.drain().await;
}
