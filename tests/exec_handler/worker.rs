//! Programs in a whole worker over a queue in memory.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt as _, time::Duration};

use longshore::{
    backoff::{Backoff, Jitter},
    duration::{Limit, Span},
    handler::exec::Settings,
    worker::Drained,
};

use super::{
    alive::{is_running, state, until, within},
    harness::{ScriptDirectory, exec},
    support::{calls::Action, scene::Scene, secs},
};

/// A queue whose failed messages come back at once.
fn scene() -> Scene {
    Scene::new().options(|options| {
        options.retry =
            Backoff { initial: Duration::ZERO, factor: 1.0, max: Duration::ZERO, jitter: Jitter::None };
    })
}

fn lines(directory: &ScriptDirectory, name: &str) -> Vec<String> {
    let text = fs::read_to_string(directory.file(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_program_exits_with_0_is_deleted() {
    let (scene, directory) = (scene(), ScriptDirectory::new());
    let sent: HashSet<String> = scene.send_many(40).iter().map(ToString::to_string).collect();
    let worker = scene.start_apart(directory.exec("echo $LONGSHORE_MESSAGE_ID >> $DIR/ids"));
    within(scene.emptied()).await;
    assert_eq!(worker.drain().await, Drained::All);
    let ran = lines(&directory, "ids");
    assert_eq!((ran.len(), ran.into_iter().collect::<HashSet<_>>()), (40, sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_program_fails_comes_again_until_it_is_in_the_dlq() {
    let (scene, directory) = (scene().max_receives(3), ScriptDirectory::new());
    scene.send("x");
    let worker = scene.start_apart(directory.exec("echo $LONGSHORE_RECEIVE_COUNT >> $DIR/counts; exit 75"));
    until(|| scene.dead() == 1).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(lines(&directory, "counts"), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_message_ends_up_in_the_dlq() {
    let (scene, directory) = (scene().max_receives(1), ScriptDirectory::new());
    scene.send("x");
    let worker = scene.start_apart(directory.exec("echo ran >> $DIR/log; exit 65"));
    until(|| scene.dead() == 1).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(lines(&directory, "log"), ["ran"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_outlasts_its_visibility_runs_once() {
    let (scene, directory) = (scene().visibility(secs(2)), ScriptDirectory::new());
    scene.send("x");
    let worker = scene.start_apart(directory.exec("echo ran >> $DIR/log; sleep 3"));
    within(scene.emptied()).await;
    assert_eq!(worker.drain().await, Drained::All);
    assert_eq!(lines(&directory, "log"), ["ran"]);
    assert!(!scene.queue.calls(Action::ChangeVisibility).is_empty(), "it was never extended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_programs_at_the_drain_limit_and_leaves_nothing_running() {
    let (scene, directory) = (scene().drain_limit(secs(1)), ScriptDirectory::new());
    scene.send("x");
    let script = "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > $DIR/child; while :; do sleep 1; done' & \
        echo $$ > $DIR/leader; while :; do sleep 1; done";
    let settings = Settings { grace: Span::secs(600), ..directory.settings(script) };
    let worker = scene.start_apart(exec(settings));
    let (leader, child) = (directory.pid("leader").await, directory.pid("child").await);
    assert_eq!(within(worker.drain()).await, Drained::All);
    until(|| !is_running(leader) && !is_running(child)).await;
    assert_eq!(scene.described().visible, 1, "the message is given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_at_their_time_limit_are_ended_and_never_exceed_the_concurrency() {
    let scene =
        scene().permits(2, 2).options(|options| options.timeout = Limit::After(Duration::from_millis(200)));
    let directory = ScriptDirectory::new();
    scene.send_many(4);
    let script = "trap '' TERM; mkdir $DIR/$$; while :; do sleep 1; done";
    let settings = Settings { grace: Span::millis(300), ..directory.settings(script) };
    let worker = scene.start_apart(exec(settings));
    let pids = || -> Vec<u32> {
        let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_str().unwrap().parse().unwrap()).collect()
    };
    until(|| {
        let running = pids().into_iter().filter(|pid| is_running(*pid)).count();
        assert!(running <= 2, "{running} programs run at once");
        pids().len() >= 6
    })
    .await;
    within(worker.drain()).await;
    assert!(pids().into_iter().all(|pid| state(pid).is_none()), "a program outlives the worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_exist_pauses_polling_until_it_does() {
    let (scene, directory) = (scene(), ScriptDirectory::new());
    let program = directory.file("job");
    scene.send("x");
    let worker = scene.start_apart(exec(Settings::of_command([program.to_str().unwrap()])));
    let paused = "longshore_polling_paused{queue=\"orders\"} 1\n";
    until(|| worker.metrics.text().contains(paused)).await;
    // Written elsewhere and then renamed: a program that is open for writing cannot be run.
    directory.write("new", "#!/bin/sh\ncat >> \"$0.log\"\n");
    fs::set_permissions(directory.file("new"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(directory.file("new"), &program).unwrap();
    within(scene.emptied()).await;
    assert_eq!(lines(&directory, "job.log"), ["x"]);
    assert_eq!(worker.drain().await, Drained::All);
}
