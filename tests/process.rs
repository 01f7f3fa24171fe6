//! Real programs in their own process groups: their ends and output, and that no process is left behind.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use longshore::process::{Command, LINE_BYTES, Process, StartError, signal_name};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::support::alive::{is_running, peak_kib, state, until, within};

const LONG: Duration = Duration::from_mins(10);

fn shell(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

/// Starts a script whose first line of output is the id of a process to watch.
async fn started(script: &str) -> (Process, u32, impl Future<Output = ()> + use<>) {
    let mut process = shell(script).spawn().unwrap();
    let (sender, mut pids) = tokio::sync::mpsc::unbounded_channel();
    let reading = process.take_stdout().unwrap().for_each_line(move |line| {
        let _gone = sender.send(line.text.parse::<u32>().unwrap());
    });
    let mut reading = Box::pin(reading);
    let pid = tokio::select! {
        () = &mut reading => pids.try_recv().unwrap(),
        pid = pids.recv() => pid.unwrap(),
    };
    (process, pid, reading)
}

async fn lines_of(script: &str) -> Vec<String> {
    let mut process = shell(script).spawn().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let reading =
        process.take_stdout().unwrap().for_each_line(move |line| sink.lock().unwrap().push(line.to_string()));
    let (status, ()) = within(async { tokio::join!(process.wait(), reading) }).await;
    assert!(status.unwrap().success());
    Arc::into_inner(seen).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn a_program_gets_its_arguments_environment_and_input_and_its_exit_code_is_returned() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Command::new("sh")
        .args(["-c", "read line; echo $line $GREETING $1 ${HOME-none} > said; exit 3", "sh", "arg"])
        .env("GREETING", "hello")
        .without_env("HOME")
        .directory(directory.path())
        .with_stdin()
        .spawn()
        .unwrap();
    process.take_stdin().unwrap().write_all(b"line\n").await.unwrap();
    assert_eq!(within(process.wait()).await.unwrap().code(), Some(3));
    assert_eq!(fs::read_to_string(directory.path().join("said")).unwrap(), "line hello arg none\n");
}

#[tokio::test]
async fn waiting_can_be_repeated_and_cancelled() {
    let mut process = shell("sleep 0.05; exit 7").spawn().unwrap();
    assert!(timeout(Duration::ZERO, process.wait()).await.is_err());
    for _ in 0..2 {
        assert_eq!(within(process.wait()).await.unwrap().code(), Some(7));
    }
    process.kill();
    assert_eq!(within(process.end(LONG)).await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_program_that_does_not_exist_or_may_not_run_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    fs::write(&plain, "#!/bin/sh\n").unwrap();
    let nowhere = directory.path().join("nowhere");
    let failure = |command: Command| command.spawn().unwrap_err();
    let missing = failure(Command::new("no-such-program"));
    assert!(
        matches!(&missing, StartError::NotFound { program } if program == "no-such-program"),
        "{missing}"
    );
    assert!(
        missing.hint().unwrap().contains("whole path") && missing.reason().contains(", hint: "),
        "{missing}"
    );
    assert!(matches!(failure(Command::new(&plain)), StartError::NotExecutable { .. }));
    assert!(matches!(failure(Command::new(plain.join("x"))), StartError::NotFound { .. }));
    assert!(matches!(
        failure(Command::new("sh").directory(&nowhere)),
        StartError::NoDirectory { directory, .. } if directory == nowhere
    ));
    let huge = "x".repeat(4 * 1024 * 1024);
    assert!(matches!(failure(Command::new("sh").env("HUGE", huge)), StartError::TooLarge { .. }));
    assert!(matches!(failure(Command::new("sh").args(["nul\0"])), StartError::Other { .. }));
}

#[tokio::test]
async fn an_end_by_a_signal_names_the_signal() {
    let mut process = shell("kill -SEGV $$").spawn().unwrap();
    let status = within(process.wait()).await.unwrap();
    assert_eq!(status.signal().map(signal_name).unwrap(), "SIGSEGV");
}

#[tokio::test]
async fn ending_reaches_the_whole_group_and_lets_it_clean_up() {
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    // The shell ends at SIGTERM at once, its child half a second later.
    let child = format!(
        "trap 'sleep 0.5; echo tidy > {}; exit' TERM; echo $$; while :; do sleep 0.05; done",
        done.display()
    );
    let (mut process, pid, reading) =
        started(&format!("sh -c \"{}\" & wait", child.replace('$', "\\$"))).await;
    let (status, ()) = within(async { tokio::join!(process.end(LONG), reading) }).await;
    assert_eq!(status.unwrap().signal(), Some(15));
    assert!(Path::new(&done).exists(), "the child was killed before it was done");
    assert!(!is_running(pid));
}

#[tokio::test]
async fn a_group_that_ignores_sigterm_is_killed_after_the_grace() {
    let (mut process, pid, _reading) =
        started("trap '' TERM; sh -c 'trap \"\" TERM; echo $$; sleep 600; sleep 600' & wait; wait").await;
    let status = within(process.end(Duration::from_millis(50))).await.unwrap();
    assert_eq!(status.signal(), Some(9));
    until(|| !is_running(pid)).await;
}

#[tokio::test]
async fn children_that_a_program_leaves_behind_are_killed() {
    let (mut process, pid, reading) = started("sleep 600 & echo $!; exit 0").await;
    let (status, ()) = within(async { tokio::join!(process.wait(), reading) }).await;
    assert!(status.unwrap().success());
    until(|| !is_running(pid)).await;
}

#[tokio::test]
async fn a_dropped_program_is_killed_with_its_group_and_leaves_no_zombie() {
    let (process, pid, reading) = started("sleep 600 & echo $!; wait").await;
    let leader = process.id();
    assert!(is_running(leader) && is_running(pid));
    drop(process);
    within(reading).await;
    until(|| state(leader).is_none() && !is_running(pid)).await;
}

#[tokio::test]
async fn the_children_of_a_dropped_program_that_has_ended_are_killed() {
    let (process, pid, _reading) = started("sleep 600 & echo $!").await;
    let leader = process.id();
    until(|| state(leader) == Some('Z')).await;
    assert!(is_running(pid));
    drop(process);
    until(|| state(leader).is_none() && !is_running(pid)).await;
}

#[tokio::test]
async fn every_line_is_passed_on_and_the_last_needs_no_line_break() {
    assert_eq!(lines_of("printf 'one\\n\\nthree'").await, ["one", "", "three"]);
    assert_eq!(lines_of("printf '\\377\\n'").await, ["\u{fffd}"]);
    let long = LINE_BYTES + 10;
    let lines = lines_of(&format!("head -c {long} /dev/zero | tr '\\0' x")).await;
    assert!(lines[0].ends_with("x… (10 bytes cut)"), "{:?}", &lines[0][LINE_BYTES - 5..]);
}

#[tokio::test]
async fn output_before_the_end_is_read_though_another_process_keeps_the_pipe() {
    // In another session, so that no signal to the group reaches it.
    let script = "seq 1 2000; setsid sh -c 'echo $$ >&2; exec sleep 600' & read line";
    let mut process = shell(script).with_stdin().spawn().unwrap();
    let (sender, mut pids) = tokio::sync::mpsc::unbounded_channel();
    let stderr = process.take_stderr().unwrap().for_each_line(move |line| {
        let _gone = sender.send(line.text.parse::<u32>().unwrap());
    });
    let numbers = Mutex::new(Vec::new());
    let stdout = process.take_stdout().unwrap();
    let stdout = stdout.for_each_line(|line| numbers.lock().unwrap().push(line.to_string()));
    let stdin = process.take_stdin();
    let ending = async {
        let keeper = pids.recv().await.unwrap();
        drop(stdin);
        (keeper, process.wait().await.unwrap())
    };
    let ((keeper, status), (), ()) = within(async { tokio::join!(ending, stdout, stderr) }).await;
    assert_eq!(status.code(), Some(1), "read meets the end of its input");
    assert_eq!(*numbers.lock().unwrap(), (1..=2000).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(is_running(keeper), "no process kept the pipe");
    let keeper = Pid::from_raw(i32::try_from(keeper).unwrap()).unwrap();
    kill_process(keeper, Signal::KILL).unwrap();
}

#[tokio::test]
async fn output_before_a_drop_is_read_though_the_runtime_has_not_seen_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut process =
        shell("echo said; touch written; sleep 600").directory(directory.path()).spawn().unwrap();
    let stdout = process.take_stdout().unwrap();
    // Not awaited: the runtime would see the line meanwhile.
    while !directory.path().join("written").exists() {
        std::hint::spin_loop();
    }
    drop(process);
    let mut said = Vec::new();
    within(stdout.for_each_line(|line| said.push(line.to_string()))).await;
    assert_eq!(said, ["said"]);
}

#[tokio::test]
async fn a_flood_is_read_in_bounded_memory() {
    let before = peak_kib();
    let mut process = shell("yes | head -c 4000000; head -c 100000000 /dev/zero").spawn().unwrap();
    let seen = Arc::new(Mutex::new((0_u64, 0_u64)));
    let sink = seen.clone();
    let reading = process.take_stdout().unwrap().for_each_line(move |line| {
        let mut seen = sink.lock().unwrap();
        *seen = (seen.0 + 1, seen.1.max(line.text.len() as u64));
    });
    let (status, ()) = within(async { tokio::join!(process.wait(), reading) }).await;
    assert!(status.unwrap().success());
    assert_eq!(*seen.lock().unwrap(), (2_000_001, LINE_BYTES as u64));
    assert!(peak_kib() < before + 32 * 1024, "{before} KiB became {} KiB", peak_kib());
}
