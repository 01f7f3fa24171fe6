//! The example of the `exec` kind, as a reader would run it, and programs under the real `longshore run`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::support::{
    Dev, Launch, Pair, Process, Signal, alive::is_running, secrets::inherits_no_secret, until,
};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/exec");

/// A `dev` with the example's files, which archives into this directory.
async fn archiving_into(archive: &Path) -> Dev {
    let files = ["longshore.toml", "archive.sh"].map(|name| Path::new(EXAMPLE).join(name));
    let launch = Dev::launch()
        .copies_of(&files.each_ref().map(PathBuf::as_path))
        .variable("ARCHIVE", archive.to_str().unwrap())
        .variable("LONGSHORE__QUEUES__ARCHIVE__RETRY__INITIAL", "1s")
        .variable("LONGSHORE__QUEUES__ARCHIVE__RETRY__MAX", "1s");
    Dev::launched(launch).await
}

async fn send(dev: &Dev, arguments: &[&str]) {
    let sent = Launch::of(&["send", "--queue-url", &dev.queue]).arguments(arguments).run().await;
    assert_eq!(sent.code, Some(0), "{}", sent.errors);
}

/// The bodies in a tenant's archive.
fn archived(archive: &Path, tenant: &str) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(archive.join(tenant)) else { return Vec::new() };
    let mut bodies: Vec<_> = files.map(|file| unzipped(&file.unwrap().path())).collect();
    bodies.sort_unstable();
    bodies
}

fn unzipped(file: &Path) -> String {
    String::from_utf8(Command::new("gzip").arg("-dc").arg(file).output().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn the_exec_example_archives_messages_and_leaves_bad_ones_to_the_dlq() {
    let archive = tempfile::tempdir().unwrap();
    let dev = archiving_into(archive.path()).await;
    for body in ["one\n\n", "ünd 🚢"] {
        send(&dev, &[body, "--attribute", "tenant=acme"]).await;
    }
    send(&dev, &["astray", "--attribute", "tenant=../../etc"]).await;
    until("the bad message is in the dlq", async || dev.sqs.counts(&dev.dlq).await.visible == 1).await;
    dev.sqs.becomes_empty(&dev.queue).await;
    assert_eq!(archived(archive.path(), "acme"), ["one\n\n", "ünd 🚢"]);
    assert_eq!(dev.sqs.take_all(&dev.dlq).await[0].0, "astray");
    dev.process.complains("archived for acme").await;
    let complaint = dev.process.complains("the attribute tenant is missing").await;
    assert!(complaint.contains("message_id"), "{complaint}");
}

#[tokio::test]
async fn the_exec_example_tries_again_when_its_archive_is_back() {
    let home = tempfile::tempdir().unwrap();
    let archive = home.path().join("archive");
    let dev = archiving_into(&archive).await;
    send(&dev, &["patient", "--attribute", "tenant=acme"]).await;
    dev.process.complains("there is no directory for the archive").await;
    std::fs::create_dir(&archive).unwrap();
    dev.sqs.becomes_empty(&dev.queue).await;
    assert_eq!(archived(&archive, "acme"), ["patient"]);
}

/// A `run` whose program ignores SIGTERM, and that program's id.
async fn stubborn(dev: &Dev, pair: &Pair, drain_limit: &str) -> (Process, u32) {
    let file = format!(
        "admin.listen = '127.0.0.1:0'\ndrain.limit = '{drain_limit}'\n[queues.stubborn]\nurl = '{}'\n\
         [queues.stubborn.handler]\nkind = 'exec'\ngrace = '1s'\n\
         command = ['sh', '-c', \"trap '' TERM; echo pid $$; while :; do sleep 1; done\"]\n",
        pair.queue
    );
    let worker = Launch::of(&["run"]).file(&file).start();
    dev.sqs.send(&pair.queue, "x").await;
    let pid = pid(&worker.complains("pid ").await);
    assert!(is_running(pid));
    (worker, pid)
}

/// The process id in a line that a program wrote.
fn pid(line: &str) -> u32 {
    let digits = line.split("pid ").nth(1).unwrap().chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap()
}

#[tokio::test]
async fn a_stopped_worker_leaves_no_program_running() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("stubborn", 3).await;
    let (mut worker, pid) = stubborn(&dev, &pair, "1s").await;
    worker.signal(Signal::Terminate);
    let ended = worker.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(!is_running(pid), "the program outlives its worker");
    until("the message is given back", async || dev.sqs.counts(&pair.queue).await.visible == 1).await;
}

#[tokio::test]
async fn a_second_signal_kills_programs_too() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("stubborn", 3).await;
    let (mut worker, pid) = stubborn(&dev, &pair, "1h").await;
    worker.signal(Signal::Terminate);
    worker.complains("draining, a second signal").await;
    worker.signal(Signal::Terminate);
    assert_eq!(worker.ended().await.code, Some(75));
    until("the program is killed", async || !is_running(pid)).await;
}

#[tokio::test]
async fn a_missing_program_is_reported_at_the_start() {
    let dev = Dev::start().await;
    let file = format!(
        "admin.listen = '127.0.0.1:0'\n[queues.q]\nurl = '{}'\n\
         [queues.q.handler]\nkind = 'exec'\ncommand = ['no-such-program']\n",
        dev.queue
    );
    let worker = Launch::of(&["run"]).file(&file).variable("PATH", "/nowhere:/bin").start();
    let complaint = worker.complains("no such program: no-such-program").await;
    assert!(complaint.contains("hint:"), "{complaint}");
}

#[tokio::test]
async fn a_program_does_not_inherit_the_workers_secrets_unless_it_is_allowed_to() {
    let dev = Dev::start().await;
    let pair = dev.sqs.pair("secrets", 3).await;
    dev.sqs.send(&pair.queue, "x").await;
    let program = "kind = 'exec'\ncommand = ['sh', '-c', 'env; echo whole environment']";
    inherits_no_secret(&pair.queue, program).await;
}

#[tokio::test]
async fn files_that_a_killed_worker_leaves_behind_are_removed_by_the_next() {
    let (dev, files) = (Dev::start().await, tempfile::tempdir().unwrap());
    let pair = dev.sqs.pair("killed", 3).await;
    let file = format!(
        "admin.listen = '127.0.0.1:0'\n[queues.killed]\nurl = '{}'\n[queues.killed.handler]\nkind = 'exec'\n\
         body_file_bytes = 0\ntemporary_directory = '{}'\ncommand = ['sh', '-c', 'echo pid $$; sleep 600']\n",
        pair.queue,
        files.path().display()
    );
    let mut worker = Launch::of(&["run"]).file(&file).variable("PATH", "/usr/bin:/bin").start();
    dev.sqs.send(&pair.queue, "secret").await;
    let program = pid(&worker.complains("pid ").await);
    worker.signal(Signal::Kill);
    worker.ended().await;
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 1, "it had no time to remove its files");
    let next = Launch::of(&["run"]).file(&file).variable("PATH", "/usr/bin:/bin").start();
    next.complains("files of a process that was killed are removed").await;
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 0);
    let ended =
        Command::new("sh").args(["-c", "kill -s KILL -- \"-$1\"", "kill", &program.to_string()]).status();
    assert!(ended.unwrap().success(), "the program that the worker could not end");
}
