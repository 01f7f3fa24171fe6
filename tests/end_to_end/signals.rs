//! The signals that stop `longshore run`: which they are, how early they count, and as the first process of a container.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::Command,
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::support::{Dev, Ended, Handler, Launch, Process, Signal, Worker, in_time, until, worker::section};

const ALL: [Signal; 4] = [Signal::Terminate, Signal::Interrupt, Signal::Quit, Signal::HangUp];

/// A worker whose SQS accepts connections and answers nothing, and the socket that does so.
fn silent() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let queue = format!("http://{}/000000000000/orders", silent.local_addr().unwrap());
    (silent, section("orders", &queue, "http://127.0.0.1:9/", ""))
}

fn run() -> Launch {
    Launch::of(&["run", "--admin-listen", "127.0.0.1:0"])
}

fn assert_drained(ended: &Ended, when: &str) {
    assert_eq!(ended.code, Some(0), "{when}: {}", ended.errors);
    assert!(ended.after < Duration::from_secs(5), "{when}: it took {:?}", ended.after);
}

/// True if this mask of a process, such as `SigCgt` for its handlers, has the signal of this number.
fn has_signal(process: u32, mask: &str, number: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(mask)?.strip_prefix(':')).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() & (1 << (number - 1)) != 0
}

#[tokio::test]
async fn a_signal_that_comes_before_the_configuration_is_read_ends_the_worker_in_order() {
    let (_silent, file) = silent();
    for signal in ALL {
        // Without a terminal a hangup is a reload, unless the settings say so.
        let launch = run().variable("LONGSHORE__DRAIN__HANGUP", "drain");
        let (launch, path) = launch.file_by_pipe();
        let mut process = launch.start();
        // The pipe opens once the worker opens it to read.
        let opening = spawn_blocking(|| OpenOptions::new().write(true).open(path));
        let mut pipe = in_time("the worker reads its configuration", opening).await.unwrap().unwrap();
        process.signal(signal);
        pipe.write_all(file.as_bytes()).unwrap();
        drop(pipe);
        let ended = process.ended().await;
        assert_drained(&ended, &format!("{signal:?}"));
        assert!(ended.errors.contains("draining, a second signal stops at once"), "{}", ended.errors);
    }
}

#[tokio::test]
async fn from_its_first_milliseconds_on_a_worker_ends_by_a_signal_in_order() {
    let (_silent, file) = silent();
    for delay in (0..40).map(|step| Duration::from_micros(500) * step) {
        let mut process = run().file(&file).start();
        until("the program has begun", async || has_signal(process.id(), "SigCgt", 15)).await;
        sleep(delay).await;
        process.signal(Signal::Terminate);
        assert_drained(&process.ended().await, &format!("after {delay:?}"));
    }
}

#[tokio::test]
async fn a_hangup_that_the_parent_ignores_stays_ignored() {
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let file = section("orders", &pair.queue, &handler.url(), "receive = { wait = \"1s\" }");
    let program = env!("CARGO_BIN_EXE_longshore");
    let launch = Launch::program(Path::new("/usr/bin/nohup"));
    let launch = launch.arguments(&[program, "run", "--admin-listen", "127.0.0.1:0"]).file(&file);
    let mut worker = Worker::launched(launch).await;
    assert!(has_signal(worker.process.id(), "SigIgn", 1));
    worker.process.signal(Signal::HangUp);
    dev.sqs.send(&pair.queue, "after the hangup").await;
    handler.has_ended(1).await;
    worker.process.signal(Signal::Terminate);
    let ended = worker.process.ended().await;
    assert_drained(&ended, "SIGTERM");
    assert!(ended.errors.contains("SIGTERM") && !ended.errors.contains("SIGHUP"), "{}", ended.errors);
}

#[tokio::test]
async fn a_terminal_that_is_closed_drains_the_worker() {
    let Some(script) = ["/usr/bin/script"].iter().map(Path::new).find(|path| path.exists()) else {
        println!("skipped: there is no script(1) here");
        return;
    };
    let (dev, handler) = (Dev::start().await, Handler::willing());
    let pair = dev.sqs.pair("orders", 5).await;
    let file = section("orders", &pair.queue, &handler.url(), "receive = { wait = \"1s\" }");
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let program = env!("CARGO_BIN_EXE_longshore");
    let command = format!("exec {program} run --admin-listen 127.0.0.1:0 2>{}", log.display());
    let launch = Launch::program(script).variable("PATH", "/usr/bin:/bin").variable("SHELL", "/bin/sh");
    let mut terminal = launch.arguments(&["-qec", &command, "/dev/null"]).file(&file).start();
    let has_logged = async |text: &str| fs::read_to_string(&log).unwrap_or_default().contains(text);
    until("the queue is open", async || has_logged("queue opened").await).await;
    // The other side of the terminal is gone with its program.
    terminal.signal(Signal::Kill);
    until("the worker drains", async || has_logged("draining, a second signal stops at once").await).await;
    until("the worker has drained", async || has_logged("drained").await).await;
    assert!(has_logged("SIGHUP").await, "{}", fs::read_to_string(&log).unwrap());
}

/// The only child of a process.
fn child_of(process: &Process) -> Option<String> {
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next().map(str::to_owned)
}

#[tokio::test]
async fn the_first_process_of_a_container_drains_at_every_signal() {
    let namespace = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    let tried = Command::new("unshare").args(namespace).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        println!("skipped: no process namespace may be made here");
        return;
    }
    let (_silent, file) = silent();
    for (signal, name) in [("QUIT", "SIGQUIT"), ("HUP", "SIGHUP"), ("TERM", "SIGTERM"), ("INT", "SIGINT")] {
        let launch = Launch::program(Path::new("unshare")).arguments(&namespace);
        let program = env!("CARGO_BIN_EXE_longshore");
        let launch = launch.variable("PATH", "/usr/bin:/bin").file(&file);
        let launch = launch.variable("LONGSHORE__DRAIN__HANGUP", "drain");
        let launch = launch.arguments(&[program, "run", "--admin-listen", "127.0.0.1:0"]);
        let worker = Worker::launched(launch).await;
        let first = child_of(&worker.process).unwrap();
        let sent = Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "kill", signal, &first]).status();
        assert!(sent.unwrap().success());
        let ended = worker.process.ended().await;
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert!(ended.errors.contains(name), "{}", ended.errors);
    }
}
