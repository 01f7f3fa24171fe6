//! The log of a program's output.

use longshore::handler::{Outcome, exec::Settings};

use super::{
    alive::{is_running, peak_kib},
    harness::{ScriptDirectory, exec, message, outcome_of},
    logged::Log,
};

/// The logged lines of this stream.
fn written(log: &Log, stream: &str) -> Vec<String> {
    let lines = log.lines().into_iter().filter(|line| line["stream"] == stream);
    lines.map(|line| line["line"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn output_is_logged_with_the_id_of_its_message() {
    let (log, _here) = Log::start();
    let exec = ScriptDirectory::new().exec("echo out; printf 'broken \\377'; echo 'Err: \"x\"' >&2");
    assert_eq!(outcome_of(&exec, message("secret body")).await, Outcome::Done);
    assert_eq!(written(&log, "stdout"), ["out", "broken \u{fffd}"]);
    assert_eq!(written(&log, "stderr"), ["Err: \"x\""]);
    for line in log.lines() {
        assert_eq!((&line["message_id"], &line["queue"]), (&"message-1".into(), &"orders".into()), "{line}");
        assert!(!line.to_string().contains("secret"), "{line}");
    }
}

#[tokio::test]
async fn a_flood_is_logged_to_its_limit_and_counted_in_bounded_memory() {
    let (log, _here) = Log::start();
    let before = peak_kib();
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; echo; yes 1234567 | head -c 8000000 >&2; exit 0";
    let settings = Settings { output_bytes: 10_000, ..ScriptDirectory::new().settings(script) };
    assert_eq!(outcome_of(&exec(settings), message("")).await, Outcome::Done);
    assert!(peak_kib() < before + 48 * 1024, "{before} KiB became {} KiB", peak_kib());
    let logged: usize = written(&log, "stdout").iter().chain(&written(&log, "stderr")).map(String::len).sum();
    assert!((8_192..10_500).contains(&logged), "{logged} bytes are logged");
    let note = log.lines().pop().unwrap();
    assert_eq!(note["message"], "program output dropped", "{note}");
    let dropped = note["bytes"].as_u64().unwrap();
    assert!((7_990_000..108_000_000).contains(&dropped), "{dropped} bytes are dropped");
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_pipes_delays_nothing_and_is_killed() {
    let directory = ScriptDirectory::new();
    let exec = directory.exec("sleep 600 & echo $! > $DIR/pid; echo last; exit 0");
    let (log, _here) = Log::start();
    assert_eq!(outcome_of(&exec, message("x".repeat(1 << 20))).await, Outcome::Done);
    assert_eq!(written(&log, "stdout"), ["last"]);
    let pid = directory.pid("pid").await;
    super::alive::until(|| !is_running(pid)).await;
}
