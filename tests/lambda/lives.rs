//! Runtime processes: they are started, ended and replaced, and none is left behind.

use std::time::Duration;

use longshore::{
    duration::{Limit, Span},
    handler::lambda::Settings,
    worker::Drained,
};

use super::{
    functions,
    harness::{Scene, is_alive, until},
};

/// The reason why a worker is not ready while the function's processes cannot start; it must not receive a message.
async fn unready_reason(function: Settings) -> String {
    Scene::new().unready_reason(function).await
}

#[tokio::test]
async fn a_command_that_does_not_exist_pauses_polling() {
    let reason = unready_reason(Settings::of_command(["/nowhere/bootstrap"])).await;
    assert!(reason.contains("/nowhere/bootstrap"), "{reason}");
}

#[tokio::test]
async fn an_init_error_pauses_polling() {
    let reason = unready_reason(functions::liar(&["init-error"])).await;
    assert!(reason.contains("Runtime.ImportModuleError: no module named app"), "{reason}");
}

#[tokio::test]
async fn a_process_that_ends_before_it_asks_for_work_pauses_polling() {
    let reason = unready_reason(functions::liar(&["exit"])).await;
    assert!(reason.contains("exit code 3"), "{reason}");
}

#[tokio::test]
async fn a_process_that_never_asks_for_work_pauses_polling() {
    let init_timeout = Span::millis(300);
    let reason = unready_reason(Settings { init_timeout, ..functions::liar(&["silent"]) }).await;
    assert!(reason.contains("did not ask for work within 300ms"), "{reason}");
}

#[tokio::test]
async fn polling_goes_on_once_a_process_starts() {
    let scene = Scene::new();
    scene.send("honest");
    let ready = scene.folder.path().join("ready");
    let script = format!("test -e {} || exit 9; exec \"$0\"", ready.display());
    let running = scene.start(functions::liar_after(&script));
    until("the handler is down", || running.unready_reasons().contains("exit code 9")).await;
    std::fs::write(ready, "").unwrap();
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("honest"), [1]);
}

#[tokio::test]
async fn polling_pauses_when_a_process_that_has_ended_cannot_be_replaced() {
    let scene = Scene::new();
    scene.send("abort");
    let (broken, mended) = (scene.folder.path().join("broken"), scene.folder.path().join("mended"));
    let (broken, mended) = (broken.display(), mended);
    let script =
        format!("test -e {broken} && ! test -e {} && exit 9; touch {broken}; exec \"$0\"", mended.display());
    let running = scene.start(functions::liar_after(&script));
    until("the handler is down", || running.unready_reasons().contains("exit code 9")).await;
    std::fs::write(mended, "").unwrap();
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("abort").len(), 2);
}

#[tokio::test]
async fn a_process_that_ends_while_idle_fails_no_message() {
    let scene = Scene::new();
    scene.send("honest:1");
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    let idle = scene.runs()[0].process;
    end(idle);
    until("the process is gone", || !is_alive(idle)).await;
    scene.send("honest:2");
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs_of("honest:2"), scene.processes().len()), (vec![1], 2));
}

/// Ends a process that the test has started.
fn end(process: u32) {
    // The shell's own kill: a signal needs either that or unsafe code.
    let kill = ["-c", "kill -s KILL \"$1\"", "kill", &process.to_string()];
    assert!(std::process::Command::new("sh").args(kill).status().unwrap().success());
}

#[tokio::test]
async fn as_many_processes_run_as_the_concurrency_is_after_it_has_changed() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(10)));
    scene.send("hang:1");
    let running = scene.start(functions::liar(&[]));
    until("the only process is busy", || scene.runs().len() == 1).await;
    running.control.set_concurrency("orders", 3).unwrap();
    scene.send_all(["hang:2", "hang:3"]);
    until("all three are busy", || scene.runs().len() == 3).await;
    assert_eq!(scene.processes().len(), 3, "each call has a process of its own");
    running.control.set_concurrency("orders", 1).unwrap();
    assert!(scene.processes().into_iter().all(is_alive), "no call is dropped");
    // The time limit ends the calls, and the messages are done when they come again.
    scene.emptied().await;
    let idle = "longshore_handler_processes{queue=\"orders\",state=\"idle\"} 1";
    until("one process is left", || running.metrics.text().contains(idle)).await;
    running.control.set_concurrency("orders", 2).unwrap();
    let idle = "longshore_handler_processes{queue=\"orders\",state=\"idle\"} 2";
    until("a retired one is started again", || running.metrics.text().contains(idle)).await;
    running.control.set_concurrency("orders", 1).unwrap();
    let idle = "longshore_handler_processes{queue=\"orders\",state=\"idle\"} 1";
    until("an idle one ends", || running.metrics.text().contains(idle)).await;
    running.drain().await;
}

#[tokio::test]
async fn a_process_that_aborts_is_replaced() {
    let scene = Scene::new();
    scene.send("abort");
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs_of("abort"), scene.processes().len()), (vec![1, 2], 2));
}

#[tokio::test]
async fn at_the_time_limit_the_process_is_ended_and_replaced() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(1)));
    scene.send("hang");
    let running = scene.start(functions::liar(&[]));
    scene.emptied().await;
    let processes = scene.processes();
    assert_eq!((scene.runs_of("hang"), processes.len()), (vec![1, 2], 2));
    let first = scene.runs()[0].process;
    assert!(!is_alive(first));
    running.drain().await;
    assert!(!processes.into_iter().any(is_alive));
}

#[tokio::test]
async fn the_time_limit_counts_from_the_event_and_not_from_the_wait_for_a_process() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(1)));
    scene.send_all(["hang", "honest:1", "honest:2"]);
    // Each process, also that which replaces a hanging one, takes longer to start than a call may run.
    let running = scene.start(functions::liar_after("sleep 1.5; exec \"$0\""));
    scene.emptied().await;
    running.drain().await;
    let runs = ["hang", "honest:1", "honest:2"].map(|body| scene.runs_of(body));
    assert_eq!(runs, [vec![1, 2], vec![1], vec![1]], "no receive is spent on a wait");
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_after_its_grace() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_secs(1)));
    scene.send("hang");
    let function = functions::liar_after("trap '' TERM; \"$0\"; exit 0");
    let running = scene.start(Settings { grace: Span::millis(100), ..function });
    scene.emptied().await;
    running.drain().await;
    // The group was killed; the system may take some time to end each of its processes.
    until("the processes are gone", || !scene.processes().into_iter().any(is_alive)).await;
    assert_eq!(scene.runs_of("hang"), [1, 2]);
}

#[tokio::test]
async fn a_process_that_answers_and_never_asks_again_is_replaced() {
    let scene = Scene::new();
    scene.send("never-again");
    scene.send("honest");
    let function = Settings { init_timeout: Span::secs(2), ..functions::liar(&[]) };
    let running = scene.start(function);
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs_of("never-again"), scene.runs_of("honest")), (vec![1], vec![1]));
    assert_eq!(scene.processes().len(), 2);
}

#[tokio::test]
async fn calls_wait_if_there_are_fewer_processes() {
    let scene = Scene::new().options(|options| options.concurrency = 4);
    scene.send_all((0..12).map(|number| format!("honest:{number}")));
    let running = scene.start(Settings { processes: Some(1), ..functions::liar(&[]) });
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs().len(), scene.processes().len()), (12, 1));
}

#[tokio::test]
async fn a_stop_waits_for_the_function_and_ends_its_process_last() {
    let scene = Scene::new();
    scene.send("sleep:2");
    let running = scene.start(functions::rust());
    until("the function runs", || scene.runs().len() == 1).await;
    assert_eq!(running.drain().await, Drained::All);
    assert_eq!((scene.held(), scene.runs_of("sleep:2")), (0, vec![1]));
    assert!(!scene.processes().into_iter().any(is_alive));
}

#[tokio::test]
async fn a_process_gets_sigterm_at_a_stop_after_its_last_answer() {
    let scene = Scene::new();
    scene.send("on-request");
    let script = "trap 'echo SIGTERM >> \"$JOURNAL\"; exit 0' TERM; \"$0\" & wait";
    let running = scene.start(functions::liar_after(script));
    until("the function runs", || scene.runs().len() == 1).await;
    running.stop.drain();
    until("the worker drains", || running.unready_reasons().contains("draining")).await;
    // The answer is noted before it is sent: afterwards the group may be ended before it writes anything.
    scene.note("go");
    running.drain().await;
    assert_eq!(scene.held(), 0);
    assert_eq!(scene.lines()[1..], ["go", "answers", "SIGTERM"]);
}

#[tokio::test]
async fn a_function_that_runs_at_the_drain_limit_is_ended_and_its_message_given_back() {
    let scene = Scene::new().drain_limit(Duration::from_secs(2));
    scene.send("hang");
    let running = scene.start(functions::liar(&[]));
    until("the function runs", || scene.runs().len() == 1).await;
    assert_eq!(running.drain().await, Drained::All);
    assert_eq!((scene.visible(), scene.runs_of("hang")), (1, vec![1]));
    until("the process has ended", || !scene.processes().into_iter().any(is_alive)).await;
}

#[tokio::test]
async fn nothing_that_a_process_has_started_is_left_behind() {
    let scene = Scene::new();
    scene.send("honest");
    let child = scene.folder.path().join("child");
    let script = format!("sleep 600 & echo $! > {}; exec \"$0\"", child.display());
    let running = scene.start(functions::liar_after(&script));
    scene.emptied().await;
    running.drain().await;
    let child = std::fs::read_to_string(child).unwrap().trim().parse().unwrap();
    assert!(!is_alive(child) && !scene.processes().into_iter().any(is_alive));
}

#[tokio::test]
async fn processes_are_counted_by_state_and_their_exits_by_cause() {
    let scene = Scene::new();
    let running = scene.start(functions::liar(&[]));
    let metrics = running.metrics.clone();
    let count = |state| metrics.count("longshore_handler_processes", &[("state", state)]);
    let starts = || metrics.count("longshore_handler_process_starts_total", &[]);
    let exits = |cause| metrics.count("longshore_handler_process_exits_total", &[("cause", cause)]);
    let crashes = || metrics.count("longshore_handler_failures_total", &[("cause", "crash")]);
    until("one waits for work", || count("idle") == 1).await;
    assert_eq!((starts(), count("busy")), (1, 0));
    scene.send("abort");
    until("it has crashed", || exits("crashed") >= 1).await;
    until("the call has failed", || crashes() >= 1).await;
    until("another one has started", || starts() >= 2).await;
    scene.emptied().await;
    running.drain().await;
    assert_eq!(exits("expected"), 1);
    let (starts, crashes) = (starts(), exits("crashed"));
    assert_eq!((starts, count("idle"), count("waiting")), (crashes + 1, 0, 0));
}

#[tokio::test]
async fn a_process_that_is_ended_at_its_time_limit_counts_as_killed() {
    let scene = Scene::new().options(|options| options.timeout = Limit::After(Duration::from_millis(300)));
    scene.send("hang");
    let running = scene.start(functions::liar(&[]));
    let metrics = running.metrics.clone();
    until("it was killed", || {
        metrics.count("longshore_handler_process_exits_total", &[("cause", "killed")]) >= 1
    })
    .await;
    assert!(metrics.count("longshore_handler_failures_total", &[("cause", "timeout")]) >= 1);
    running.stop.halt();
}
