//! Workers that the system refuses descriptors or processes: every message runs in the end, and none dies without a run.

use std::{path::Path, time::Duration};

use tokio::time::sleep;

use super::{
    examples::example,
    support::{Dev, Handler, Launch, Pair, Process, Signal, until},
};

const LONGSHORE: &str = env!("CARGO_BIN_EXE_longshore");

/// A `longshore run` behind a shell that first runs this line, with this file.
fn limited(before: &str, file: &str) -> Launch {
    let line = format!("{before}\nexec \"$0\" run --admin-listen 127.0.0.1:0");
    Launch::program(Path::new("/bin/sh")).arguments(&["-c", &line, LONGSHORE]).file(file)
}

/// The settings of a queue with 64 slots.
fn settings(pair: &Pair, handler: &str) -> String {
    format!("[queues.orders]\nurl = '{}'\nconcurrency = 64\n[queues.orders.handler]\n{handler}", pair.queue)
}

/// Settings of a handler that starts this shell script for each message.
fn script(script: &str) -> String {
    format!("kind = 'exec'\ncommand = ['/bin/sh', '-c', '{script}']\n")
}

async fn send_hundred(dev: &Dev, pair: &Pair) {
    let bodies: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    dev.sqs.send_all(&pair.queue, &bodies).await;
}

/// Waits until a worker has handled all messages, and sees that none is in the DLQ.
async fn has_handled_all(dev: &Dev, pair: &Pair, worker: Process, shortage: &str) {
    let complaint = worker.complains("short of resources, polling is paused").await;
    assert!(complaint.contains(shortage) && complaint.contains("hint: "), "{complaint}");
    worker.complains("resources are back, polling goes on").await;
    dev.sqs.becomes_empty(&pair.queue).await;
    let dead = dev.sqs.take_all(&pair.dlq).await;
    assert!(dead.is_empty(), "died without a run: {dead:?}");
}

/// The lines of a file, sorted.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// The bodies of the hundred messages, sorted as texts.
fn hundred() -> Vec<String> {
    let mut bodies: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    bodies.sort_unstable();
    bodies
}

#[tokio::test]
async fn programs_beyond_the_limit_of_open_files_wait_and_every_message_runs_once() {
    let (dev, directory) = (Dev::start().await, tempfile::tempdir().unwrap());
    let (pair, runs) = (dev.sqs.pair("orders", 3).await, directory.path().join("runs"));
    send_hundred(&dev, &pair).await;
    let program = script(&format!("read -r body; echo $body >> {}; exec sleep 0.2", runs.display()));
    let worker =
        limited("ulimit -n 64", &settings(&pair, &program)).variable("PATH", "/usr/bin:/bin").start();
    has_handled_all(&dev, &pair, worker, "Too many open files").await;
    assert_eq!(lines(&runs), hundred());
}

#[tokio::test]
async fn programs_beyond_the_limit_of_processes_wait_and_every_message_runs_once() {
    let is_root = rustix::process::geteuid().is_root();
    if !(is_root && Path::new("/usr/bin/setpriv").exists()) {
        // Root has no such limit, and any other user has processes beside the test's.
        eprintln!("skipped: only root with setpriv can start a worker as a user without other processes");
        return;
    }
    let (dev, directory) = (Dev::start().await, tempfile::tempdir().unwrap());
    let (pair, runs) = (dev.sqs.pair("orders", 3).await, directory.path().join("runs"));
    send_hundred(&dev, &pair).await;
    let program = script(&format!("read -r body; echo $body >> {}; exec sleep 0.2", runs.display()));
    let worker = format!(
        "chmod 755 .; chmod 777 {0}; cp \"$1\" {0}/longshore && cd {0}\n\
         exec setpriv --reuid 54321 --regid 54321 --clear-groups prlimit --nproc=40 ./longshore run \
         --admin-listen 127.0.0.1:0 --config \"$OLDPWD/longshore.toml\"",
        directory.path().display()
    );
    let launch = Launch::program(Path::new("/bin/sh")).arguments(&["-c", &worker, "sh", LONGSHORE]);
    let launch = launch.file(&settings(&pair, &program)).variable("PATH", "/usr/bin:/bin");
    has_handled_all(&dev, &pair, launch.start(), "Resource temporarily unavailable").await;
    assert_eq!(lines(&runs), hundred());
}

#[tokio::test]
async fn connections_beyond_the_limit_of_open_files_wait_and_every_message_is_done() {
    let dev = Dev::start().await;
    let handler = Handler::start(async |_| {
        sleep(Duration::from_millis(200)).await;
        200
    });
    for (name, url) in
        [("by-address", handler.url()), ("by-name", handler.url().replace("127.0.0.1", "localhost"))]
    {
        let pair = dev.sqs.pair(name, 3).await;
        send_hundred(&dev, &pair).await;
        let settings = settings(&pair, &format!("kind = 'http'\nurl = '{url}'\n"));
        has_handled_all(&dev, &pair, limited("ulimit -n 40", &settings).start(), "Too many open files").await;
    }
    assert_eq!(handler.ended_bodies().len(), 200, "no message ran twice");
}

#[tokio::test]
async fn a_function_with_descriptors_for_a_few_processes_handles_every_message_once() {
    let (dev, directory) = (Dev::start().await, tempfile::tempdir().unwrap());
    let (pair, runs) = (dev.sqs.pair("orders", 3).await, directory.path().join("runs"));
    send_hundred(&dev, &pair).await;
    let function = format!(
        "kind = 'lambda'\nprocesses = 32\ncommand = ['{}']\nenv = {{ JOURNAL = '{}' }}\n",
        example("lambda_test_function").display(),
        runs.display()
    );
    let worker = limited("ulimit -n 64", &settings(&pair, &function)).start();
    let complaint = worker.complains("runtime process did not start").await;
    assert!(complaint.contains("Too many open files") && complaint.contains("hint: "), "{complaint}");
    dev.sqs.becomes_empty(&pair.queue).await;
    // Each line has the body, the receive count and the process.
    let mut handled: Vec<_> =
        lines(&runs).iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
    handled.sort_unstable();
    let mut expected: Vec<_> = (0..100).map(|number| format!("{number} 1")).collect();
    expected.sort_unstable();
    assert_eq!(handled, expected);
    assert!(dev.sqs.take_all(&pair.dlq).await.is_empty());
}

#[tokio::test]
async fn a_low_soft_limit_of_open_files_is_raised_and_programs_get_it_back() {
    let (dev, directory) = (Dev::start().await, tempfile::tempdir().unwrap());
    let (pair, runs) = (dev.sqs.pair("orders", 3).await, directory.path().join("runs"));
    send_hundred(&dev, &pair).await;
    let program = script(&format!("sleep 0.3; ulimit -Sn >> {}", runs.display()));
    let mut worker =
        limited("ulimit -Sn 64", &settings(&pair, &program)).variable("PATH", "/usr/bin:/bin").start();
    until("every message has run", async || lines(&runs).len() >= 100).await;
    assert_eq!(lines(&runs), vec!["64"; 100]);
    worker.signal(Signal::Terminate);
    let ended = worker.ended().await;
    assert!(!ended.errors.contains("short of resources"), "{}", ended.errors);
}
