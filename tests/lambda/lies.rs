//! A runtime that breaks the rules, in one way for each message: no other message fails.

use longshore::{
    handler::lambda::{PartialResponses, Settings},
    worker::Drained,
};

use super::{
    functions,
    harness::{Scene, huge_trace_header, until},
};

/// Sends a message with a lie between two honest ones; returns the scene once the queue is empty.
async fn lied(lie: &str) -> Scene {
    let scene = Scene::new();
    for body in ["honest:before", lie, "honest:after"] {
        scene.send(body);
    }
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    assert_eq!(running.drain().await, Drained::All);
    assert_eq!((scene.runs_of("honest:before"), scene.runs_of("honest:after")), (vec![1], vec![1]));
    scene
}

#[tokio::test]
async fn a_second_answer_is_refused_and_changes_nothing() {
    let scene = lied("twice").await;
    assert_eq!(scene.runs_of("twice"), [1]);
    assert_eq!((scene.statuses("first"), scene.statuses("second")), (vec![202], vec![400]));
    assert_eq!(scene.statuses("error"), [400]);
}

#[tokio::test]
async fn an_answer_for_another_id_is_refused_and_that_for_the_own_still_counts() {
    let scene = lied("other-id").await;
    assert_eq!(scene.runs_of("other-id"), [1]);
    assert_eq!(scene.statuses("own"), [202]);
    assert!(scene.statuses("other").iter().all(|status| [400, 404].contains(status)), "{:?}", scene.lines());
}

#[tokio::test]
async fn an_answer_for_what_another_process_runs_is_refused() {
    let scene = Scene::new().options(|options| options.concurrency = 2);
    scene.send("meddle:1");
    scene.send("meddle:2");
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    until("both processes have written", || scene.statuses("own").len() == 2).await;
    running.drain().await;
    assert_eq!((scene.runs_of("meddle:1"), scene.runs_of("meddle:2")), (vec![1], vec![1]));
    assert_eq!((scene.statuses("meddled"), scene.statuses("own")), (vec![400, 400], vec![202, 202]));
}

#[tokio::test]
async fn an_answer_of_seven_megabytes_is_refused_and_the_message_comes_again() {
    let scene = lied("seven").await;
    assert_eq!(scene.runs_of("seven"), [1, 2]);
    assert_eq!(scene.statuses("seven"), [413]);
    assert_eq!(scene.processes().len(), 1, "the process goes on");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure() {
    for lie in ["mid-answer", "mid-chunk"] {
        let scene = lied(lie).await;
        assert_eq!(scene.runs_of(lie), [1, 2], "{lie}");
    }
}

#[tokio::test]
async fn invalid_http_fails_no_message() {
    let scene = lied("garbage").await;
    assert_eq!(scene.runs_of("garbage"), [1], "its answer came afterwards");
    assert_eq!(scene.statuses("own"), [202]);
}

#[tokio::test]
async fn a_failure_in_a_trailer_is_a_failure() {
    let scene = lied("trailer").await;
    assert_eq!(scene.runs_of("trailer"), [1, 2]);
    assert_eq!(scene.statuses("trailer"), [202]);
}

#[tokio::test]
async fn an_error_without_a_readable_report_is_a_failure() {
    let scene = lied("error").await;
    assert_eq!(scene.runs_of("error"), [1, 2]);
    assert_eq!(scene.statuses("error"), [202]);
}

#[tokio::test]
async fn asking_again_without_an_answer_fails_the_message_and_replaces_the_process() {
    let scene = lied("asks-again").await;
    assert_eq!(scene.runs_of("asks-again"), [1, 2]);
    assert_eq!(scene.processes().len(), 2);
    // It may be ended before it has read the response.
    assert!(matches!(scene.statuses("again").as_slice(), [] | [403]), "{:?}", scene.lines());
}

#[tokio::test]
async fn an_init_error_during_an_invocation_is_refused() {
    let scene = lied("init-late").await;
    assert_eq!(scene.runs_of("init-late"), [1]);
    assert_eq!((scene.statuses("init"), scene.statuses("own")), (vec![403], vec![202]));
}

#[tokio::test]
async fn a_path_that_is_not_of_the_runtime_api_is_refused() {
    let scene = lied("unknown-path").await;
    assert_eq!(scene.runs_of("unknown-path"), [1]);
    assert_eq!((scene.statuses("unknown"), scene.statuses("own")), (vec![404], vec![202]));
}

#[tokio::test]
async fn an_answer_counts_though_the_process_ends_right_after_it() {
    for lie in ["answer-and-exit", "write-and-exit"] {
        let scene = lied(lie).await;
        assert_eq!(scene.runs_of(lie), [1], "{lie}");
        assert_eq!(scene.processes().len(), 2, "{lie}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_counts_by_partial_responses() {
    let scene = Scene::new();
    scene.send("garbage");
    let settings = Settings { partial_responses: PartialResponses::On, ..functions::liar(&[]) };
    let running = scene.start(settings);
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("garbage"), [1, 2]);
}

#[tokio::test]
async fn a_trace_header_that_a_runtime_cannot_read_is_not_passed_on() {
    let scene = Scene::new();
    scene.send_traced("honest:traced", huge_trace_header());
    scene.send("honest:after");
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs_of("honest:traced"), scene.runs_of("honest:after")), (vec![1], vec![1]));
    assert_eq!(scene.processes().len(), 1, "{:?}", scene.runs());
}
