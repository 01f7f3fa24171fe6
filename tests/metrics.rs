//! What is served of queues that have used every metric, by its text and as Prometheus itself reads it.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use longshore::telemetry::{
    Action, CATALOG, CallResult, Counts, Definition, Described, Ending, FailureCause, HandlerKind, HeldGroup,
    Metrics, Notified, Occasion,
};
use tokio::time::Instant;

/// Everything that a queue can have, of queues of these names.
fn text(names: &[&str]) -> String {
    let metrics = Metrics::new();
    for name in names {
        let queue = metrics.queue(name);
        queue.describe(Described { destination: format!("shop-{name}").into(), kind: HandlerKind::Lambda });
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

#[test]
fn every_metric_of_the_catalogue_is_served() {
    let text = text(&["orders"]);
    for Definition { name, .. } in CATALOG {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
    }
}

#[test]
fn the_name_in_sqs_is_told_beside_the_configured_one() {
    let text = text(&["orders"]);
    for series in [
        r#"messaging_client_consumed_messages_total{messaging_destination_name="shop-orders",messaging_operation_name="receive",messaging_system="aws_sqs",queue="orders"} 0"#,
        r#"messaging_process_duration_seconds_count{error_type="",messaging_destination_name="shop-orders",messaging_operation_name="process",messaging_system="aws_sqs",queue="orders"} 1"#,
        r#"messaging_client_operation_duration_seconds_count{error_type="",messaging_destination_name="",messaging_operation_name="publish",messaging_operation_type="send",messaging_system="aws.sns",queue="orders"} 1"#,
        r#"longshore_handler_info{kind="lambda",queue="orders"} 1"#,
    ] {
        assert!(text.contains(series), "{series}: {text}");
    }
}

/// `promtool` is of Debian's package `prometheus`.
#[test]
fn prometheus_has_nothing_to_say_against_the_metrics_of_queues_of_any_name() {
    if crate::support::skips::skips("LONGSHORE_SKIP_PROMETHEUS") {
        return;
    }
    let hostile = "a\"} 1\nlongshore_forged{x=\"\\n\\ ünï💥 \u{202e}\t{}";
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut check = check.expect("no promtool, hint: run make tests, or set LONGSHORE_SKIP_PROMETHEUS=1");
    check.stdin.take().unwrap().write_all(text(&["orders", hostile]).as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
