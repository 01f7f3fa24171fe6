//! The metrics as Prometheus itself reads them.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use longshore::telemetry::{
    Action, CallResult, Counts, Described, Ending, FailureCause, HandlerKind, HeldGroup, Metrics, Notified,
    Occasion,
};
use tokio::time::Instant;

/// Everything that a queue can have, of queues of these names.
fn text(names: &[&str]) -> String {
    let metrics = Metrics::new();
    for name in names {
        let queue = metrics.queue(name);
        queue.describe(Described { destination: (*name).into(), kind: HandlerKind::Lambda });
        queue.called(Action::Receive, CallResult::Ok, Instant::now());
        queue.called(Action::Receive, CallResult::Hung, Instant::now());
        queue.published(CallResult::Ok, Instant::now());
        queue.process_time.of(Ending::Done).observe(0.2);
        queue.queue_wait.observe(0.1);
        queue.notifications.of(Occasion::Done).of(Notified::Sent).inc();
        queue.failures.of(FailureCause::Crash).inc();
        queue.depth.polls_every(Duration::from_secs(30));
        queue.depth.polled(Counts::default());
        queue.depth.dlq_polled(3);
        drop(HeldGroup::begin(&queue, "tenant"));
    }
    metrics.drain_limit(Duration::from_secs(110));
    metrics.protection(|| true);
    metrics.text()
}

/// Debian's package `prometheus` has it; where it is not, the parser beside the metrics is the judge.
#[test]
fn prometheus_has_nothing_to_say_against_the_metrics_of_queues_of_any_name() {
    let hostile = "a\"} 1\nlongshore_forged{x=\"\\n\\ ünï💥 \u{202e}\t{}";
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut check) = check else { return };
    check.stdin.take().unwrap().write_all(text(&["orders", hostile]).as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
