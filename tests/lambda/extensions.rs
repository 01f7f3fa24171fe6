//! Extensions: programs beside the runtime, over the real crate of AWS's, and those in the runtime's own process.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use longshore::{
    duration::Span,
    handler::lambda::{Extensions, Settings},
};

use super::{
    functions,
    harness::{Scene, is_alive, until},
    logged::Log,
};

impl Scene {
    /// A directory with an extension of this name, which is the program of the tests.
    fn extension(&self, name: &str) -> PathBuf {
        let directory = self.extensions_directory();
        std::os::unix::fs::symlink(functions::extension_program(), directory.join(name)).unwrap();
        directory
    }

    /// A directory with the extension `agent`, which is a shell script.
    fn extension_of(&self, script: &str) -> PathBuf {
        let directory = self.extensions_directory();
        let file = directory.join("agent");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    fn extensions_directory(&self) -> PathBuf {
        let directory = self.folder.path().join("extensions");
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// The positions of the journal's lines that start with this text.
    fn positions(&self, start: &str) -> Vec<usize> {
        let lines = self.lines();
        lines.iter().enumerate().filter(|(_, line)| line.starts_with(start)).map(|(at, _)| at).collect()
    }

    /// The process of the extension that has started last.
    fn agent(&self) -> u32 {
        let lines = self.lines();
        let started = lines.iter().rev().find(|line| line.starts_with("agent of ")).unwrap();
        started.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

fn with(function: Settings, directory: PathBuf) -> Settings {
    function.extensions(Extensions::On).extensions_dir(directory)
}

#[tokio::test]
async fn an_extension_starts_before_the_runtime_and_gets_each_invocation_and_the_end() {
    let scene = Scene::new();
    scene.send_all(["done-1", "done-2"]);
    let running = scene.start(with(functions::rust(), scene.extension("agent")));
    scene.emptied().await;
    let agent = scene.agent();
    assert!(is_alive(agent));
    running.drain().await;
    let lines = scene.lines();
    assert!(lines[0].starts_with("agent of orders $LATEST "), "{lines:?}");
    assert_eq!((scene.positions("agent INVOKE ").len(), scene.runs().len()), (2, 2), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("agent SHUTDOWN spindown"));
    assert!(!is_alive(agent));
}

#[tokio::test]
async fn extensions_are_off_by_default() {
    let scene = Scene::new();
    scene.send("done");
    let running = scene.start(functions::rust().extensions_dir(scene.extension("agent")));
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.lines().len(), 1, "{:?}", scene.lines());
}

#[tokio::test]
async fn the_next_invocation_waits_until_the_extension_is_done_with_the_last() {
    let scene = Scene::new();
    scene.send_all(["done-1", "done-2"]);
    let function = with(functions::rust(), scene.extension("agent")).env("EXTENSION", "slow");
    let running = scene.start(function);
    until("the first message is done", || scene.held() == 1).await;
    until("the extension is busy", || !scene.positions("agent INVOKE").is_empty()).await;
    scene.note("go");
    scene.emptied().await;
    running.drain().await;
    let (flushed, second) = (scene.positions("agent flushed")[0], scene.positions("done-")[1]);
    assert!(flushed < second, "{:?}", scene.lines());
}

#[tokio::test]
async fn an_extension_that_ends_fails_the_invocation_and_the_environment_is_replaced() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    scene.send("on-request");
    let function = with(functions::liar(&[]), scene.extension("agent")).env("EXTENSION", "crash");
    let running = scene.start_here(function);
    until("the function runs", || scene.runs().len() == 1).await;
    scene.note("crash");
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.runs_of("on-request"), scene.processes().len()), (vec![1, 2], 2));
    let expected = "the extension agent ended: exit code 9; its last lines: the agent has lost its licence";
    let replaced = log.lines().into_iter().find(|line| line["message"] == "runtime process is replaced");
    assert_eq!(replaced.unwrap()["reason"], expected);
    let written = log.lines().into_iter().find(|line| line["extension"] == "agent");
    assert_eq!(written.unwrap()["line"], "the agent has lost its licence");
}

#[tokio::test]
async fn the_end_of_a_runtime_is_a_failure_for_its_extension() {
    let scene = Scene::new();
    scene.send("abort");
    let running = scene.start(with(functions::liar(&[]), scene.extension("agent")));
    scene.emptied().await;
    running.drain().await;
    let ends: Vec<_> = scene.lines().into_iter().filter(|line| line.starts_with("agent SHUTDOWN")).collect();
    assert_eq!(ends, ["agent SHUTDOWN failure", "agent SHUTDOWN spindown"]);
    assert_eq!(scene.positions("agent of ").len(), 2, "it starts anew with the runtime");
}

#[tokio::test]
async fn an_extension_that_ignores_the_end_is_killed_after_the_grace() {
    let scene = Scene::new();
    scene.send("done");
    let function = with(functions::rust(), scene.extension("agent")).env("EXTENSION", "stubborn");
    let running = scene.start(Settings { grace: Span::millis(300), ..function });
    scene.emptied().await;
    let agent = scene.agent();
    running.drain().await;
    assert_eq!(scene.positions("agent SHUTDOWN spindown").len(), 1);
    until("the extension is gone", || !is_alive(agent)).await;
}

#[tokio::test]
async fn an_extension_that_ends_before_it_registers_pauses_polling() {
    let scene = Scene::new();
    let directory = scene.extension_of("echo no api key >&2; exit 3");
    let reason = scene.unready_reason(with(functions::liar(&[]), directory)).await;
    assert!(
        reason.contains("the extension agent ended: exit code 3; its last lines: no api key"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_extension_that_never_registers_pauses_polling() {
    let scene = Scene::new();
    let function = with(functions::liar(&[]), scene.extension_of("sleep 600"));
    let reason = scene.unready_reason(Settings { init_timeout: Span::millis(300), ..function }).await;
    assert!(reason.contains("did not register within 300ms: the extensions agent"), "{reason}");
}

#[tokio::test]
async fn an_extension_that_cannot_be_started_pauses_polling() {
    let scene = Scene::new();
    let directory = scene.extension_of("");
    fs::set_permissions(directory.join("agent"), fs::Permissions::from_mode(0o644)).unwrap();
    let reason = scene.unready_reason(with(functions::liar(&[]), directory)).await;
    assert!(reason.contains("not allowed to run") && reason.contains("extensions/agent"), "{reason}");
}

#[tokio::test]
async fn a_function_with_the_graceful_shutdown_of_its_crate_runs_its_hook_at_a_stop() {
    let scene = Scene::new();
    scene.send("done");
    let running = scene.start(functions::rust().env("GRACEFUL", "1"));
    scene.emptied().await;
    running.drain().await;
    assert_eq!(
        (scene.runs_of("done"), scene.positions("graceful").len()),
        (vec![1], 1),
        "{:?}",
        scene.lines()
    );
}

#[tokio::test]
async fn a_crash_of_a_function_with_an_internal_extension_is_noticed_at_once() {
    let (log, _here) = Log::start();
    let scene = Scene::new();
    scene.send("crash");
    let running = scene.start_here(functions::rust().env("GRACEFUL", "1"));
    scene.emptied().await;
    running.drain().await;
    assert_eq!(scene.runs_of("crash"), [1, 2]);
    let left =
        log.lines().into_iter().any(|line| line["message"] == "a process ended and left connections open");
    assert!(!left, "its requests for events are answered");
}

#[tokio::test]
async fn the_web_adapter_is_served_in_place_of_the_runtime() {
    let scene = Scene::new();
    scene.send_all(["one", "two"]);
    // The program of the function is the web server, which knows nothing of Lambda.
    let server = Settings::of_command(["sleep", "600"]).env("EXTENSION", "adapter");
    let running = scene.start(with(server, scene.extension("lambda-adapter")));
    scene.emptied().await;
    running.drain().await;
    assert_eq!((scene.positions("adapted ").len(), scene.lines().len()), (2, 2), "{:?}", scene.lines());
}

#[tokio::test]
async fn a_web_adapter_that_is_not_started_is_the_hint_of_a_silent_program() {
    let scene = Scene::new();
    let server = Settings::of_command(["sleep", "600"]).extensions_dir(scene.extension("lambda-adapter"));
    let reason = scene.unready_reason(Settings { init_timeout: Span::millis(300), ..server }).await;
    assert!(reason.contains("extensions/lambda-adapter") && reason.contains("use the http kind"), "{reason}");
}
