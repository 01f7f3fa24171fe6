//! Tests with AWS's runtimes and that of the Rust crate: a success, a partial failure, an exception, a crash, and a
//! task longer than its visibility.

use std::time::Duration;

use longshore::{
    duration::{Limit, Span},
    handler::lambda::{EVENT_BYTES, PartialResponses, Settings},
    worker::Drained,
};

use super::{
    functions,
    harness::{Scene, huge_trace_header},
};

/// Defines each test for every client.
macro_rules! clients {
    ($($client:ident),*) => { $(
        mod $client {
            use super::functions;

            #[tokio::test]
            async fn messages_are_run_once_each_and_deleted() {
                super::messages_are_run_once_each_and_deleted(functions::$client()).await;
            }

            #[tokio::test]
            async fn the_messages_that_the_function_names_come_again_and_no_others() {
                super::the_messages_that_the_function_names_come_again(functions::$client()).await;
            }

            #[tokio::test]
            async fn a_trace_header_of_100_kb_fails_no_message_of_its_batch() {
                super::a_trace_header_of_100_kb_fails_no_message(functions::$client()).await;
            }

            #[tokio::test]
            async fn an_exception_fails_the_whole_batch_and_keeps_the_process() {
                super::an_exception_fails_the_whole_batch(functions::$client()).await;
            }

            #[tokio::test]
            async fn a_crash_fails_its_batch_and_the_process_is_replaced() {
                super::a_crash_fails_its_batch(functions::$client()).await;
            }

            #[tokio::test]
            async fn a_task_longer_than_its_visibility_runs_once() {
                super::a_task_longer_than_its_visibility_runs_once(functions::$client()).await;
            }

            #[tokio::test]
            async fn a_function_gets_a_deadline_beyond_fifteen_minutes() {
                super::a_deadline_beyond_fifteen_minutes(functions::$client()).await;
            }
        }
    )* };
}

clients!(rust, python, node);

async fn messages_are_run_once_each_and_deleted(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new().options(|options| options.concurrency = 2);
    let bodies: Vec<String> = (0..20).map(|number| format!("done-{number}")).collect();
    scene.send_all(bodies.iter());
    let running = scene.start(function);
    scene.emptied().await;
    assert_eq!(running.drain().await, Drained::All);
    for body in &bodies {
        assert_eq!(scene.runs_of(body), [1], "{body}");
    }
}

async fn the_messages_that_the_function_names_come_again(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new().batches_of(4);
    for body in ["done-1", "fail-not", "fail", "done-2"] {
        scene.send(body);
    }
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("fail"), [1, 2]);
    for body in ["done-1", "fail-not", "done-2"] {
        assert_eq!(scene.runs_of(body), [1], "{body}");
    }
}

async fn a_trace_header_of_100_kb_fails_no_message(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new().batches_of(3);
    scene.send_traced("done-1", huge_trace_header());
    scene.send_all(["done-2", "done-3"]);
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    for body in ["done-1", "done-2", "done-3"] {
        assert_eq!(scene.runs_of(body), [1], "{body}");
    }
    assert_eq!(scene.processes().len(), 1, "{:?}", scene.runs());
}

async fn an_exception_fails_the_whole_batch(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new().batches_of(2);
    scene.send("done");
    scene.send("raise");
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("raise"), [1, 2]);
    assert_eq!(scene.runs_of("done"), [1, 2], "it came in the same batch");
    assert_eq!(scene.processes().len(), 1, "{:?}", scene.runs());
}

async fn a_crash_fails_its_batch(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new();
    for body in ["done-1", "crash", "done-2"] {
        scene.send(body);
    }
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("crash"), [1, 2]);
    assert_eq!((scene.runs_of("done-1"), scene.runs_of("done-2")), (vec![1], vec![1]));
    assert_eq!(scene.processes().len(), 2, "{:?}", scene.runs());
}

async fn a_task_longer_than_its_visibility_runs_once(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let visibility = Duration::from_secs(2);
    let scene = Scene::new().options(|options| {
        (options.visibility, options.concurrency) = (Span(visibility), 2);
    });
    scene.send("sleep:5");
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("sleep:5"), [1]);
}

async fn a_deadline_beyond_fifteen_minutes(function: impl Into<Option<Settings>>) {
    let Some(function) = function.into() else { return };
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_hours(2)));
    scene.send("deadline:7100");
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("deadline:7100"), [1], "a deadline too near is an exception");
}

#[tokio::test]
async fn a_batch_of_nearly_six_megabytes_is_one_event() {
    let scene = Scene::new().batches_of(8).options(|options| options.batch.bytes = EVENT_BYTES);
    let bodies: Vec<String> = (0..8).map(|number| format!("done-{number}-{}", "x".repeat(750_000))).collect();
    scene.send_all(bodies.iter());
    let running = scene.start(functions::rust());
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs().len(), 8);
}

#[tokio::test]
async fn without_partial_responses_messages_that_the_function_names_are_deleted_too() {
    let scene = Scene::new();
    scene.send("fail");
    let running = scene.start(Settings { partial_responses: PartialResponses::Off, ..functions::rust() });
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("fail"), [1]);
}
