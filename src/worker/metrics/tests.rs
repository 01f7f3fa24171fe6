//! Tests of the served metrics: their text, with queues of any name, and its check by Prometheus's own tool.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::*;
use crate::{
    consumer::{
        depth::{Counts, QueueDepth},
        lease::GroupTally,
    },
    handler::FailureCounter,
    in_progress::InProgress,
    telemetry::{
        Action, CallResult, ConnectionFault, Ending, FailureCause, HandlerKind, Label, MessageState,
        MetricKind, Metrics, Notified, Occasion, ProcessExit, ProcessState,
    },
};

/// The text of all metrics of queues with these names.
fn everything(names: &[&str]) -> String {
    let metrics = Metrics::new();
    for name in names {
        let scope = metrics.queue(name, &format!("shop-{name}"));
        let calls = scope.group::<CallMetrics>();
        calls.called(Action::Receive, CallResult::Ok, Instant::now());
        calls.called(Action::Receive, CallResult::Hung, Instant::now());
        scope.group::<PublishMetrics>().published(CallResult::Ok, Instant::now());
        let consumer = scope.group::<ConsumerMetrics>();
        consumer.process_time.of(Ending::Done).observe(0.2);
        consumer.queue_wait.observe(0.1);
        scope.group::<NotificationMetrics>().notifications.of(Occasion::Done).of(Notified::Sent).inc();
        let handler = scope.group::<HandlerMetrics>();
        handler.info.of(HandlerKind::Lambda).set(1);
        handler.failures.of(FailureCause::Crash).inc();
        let processes = scope.group::<ProcessMetrics>();
        processes.processes.begin(ProcessState::ALL);
        processes.process_starts.inc_by(0);
        processes.process_exits.begin(ProcessExit::ALL);
        scope.group::<HttpMetrics>().attributes_left_out.inc_by(0);
        scope.group::<SettleMetrics>().show(&InProgress::default());
        scope.group::<ExhaustedMetrics>();
        let depth = QueueDepth::in_scope(&scope, 1, RunningCalls::in_scope(&scope));
        depth.polls_every(Duration::from_secs(30));
        depth.polled(Counts::default());
        depth.kept_for(Duration::from_hours(96));
        depth.dlq_polled(3);
        drop(GroupTally::in_scope(&scope).hold("tenant"));
    }
    let drain = DrainMetrics::in_scope(&metrics.process());
    drain.limit(Duration::from_secs(110));
    drain.unopened(|| 0);
    metrics.process().group::<AdminMetrics>().closed.of(ConnectionFault::Unread).inc();
    metrics.process().group::<ProtectionMetrics>().task_protected.by(|| Some(1.0));
    metrics.text()
}

#[test]
fn every_declared_metric_is_served() {
    let text = everything(&["orders"]);
    for MetricDefinition { name, .. } in all_metrics() {
        assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
    }
}

#[test]
fn the_name_in_sqs_is_a_label_beside_the_configured_one() {
    let text = everything(&["orders"]);
    for series in [
        r#"messaging_client_consumed_messages_total{messaging_destination_name="shop-orders",messaging_operation_name="receive",messaging_system="aws_sqs",queue="orders"} 0"#,
        r#"messaging_process_duration_seconds_count{error_type="",messaging_destination_name="shop-orders",messaging_operation_name="process",messaging_system="aws_sqs",queue="orders"} 1"#,
        r#"messaging_client_operation_duration_seconds_count{error_type="",messaging_destination_name="",messaging_operation_name="publish",messaging_operation_type="send",messaging_system="aws.sns",queue="orders"} 1"#,
        r#"longshore_handler_info{kind="lambda",queue="orders"} 1"#,
    ] {
        assert!(text.contains(series), "{series}: {text}");
    }
}

#[test]
fn a_call_is_counted_by_its_action() {
    let text = everything(&["orders"]);
    for series in [
        r#"longshore_api_calls_total{action="receive",queue="orders",result="hung"} 1"#,
        r#"messaging_client_operation_duration_seconds_count{error_type="hung",messaging_destination_name="shop-orders",messaging_operation_name="receive",messaging_operation_type="receive",messaging_system="aws_sqs",queue="orders"} 1"#,
    ] {
        assert!(text.contains(series), "{series}: {text}");
    }
}

/// `promtool` is in Debian's package `prometheus`.
#[test]
fn promtool_accepts_the_metrics_of_queues_of_any_name() {
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
    check.stdin.take().unwrap().write_all(everything(&["orders", hostile]).as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn names_follow_prometheus_conventions() {
    const NAMESPACES: [&str; 3] = ["longshore_", "messaging_", "process_"];
    for MetricDefinition { name, kind, help, .. } in all_metrics() {
        assert!(NAMESPACES.iter().any(|namespace| name.starts_with(namespace)), "{name}");
        assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name}");
        assert!(matches!(kind, MetricKind::Histogram(_)) <= name.ends_with("_seconds"), "{name}");
        assert!(help.ends_with('.'), "{name}");
    }
}

#[test]
fn every_metric_that_an_event_counts_is_declared() {
    let known = all_metrics();
    for metric in telemetry::events::counted_metrics() {
        assert!(known.iter().any(|known| known.name == metric), "{metric}");
    }
}

#[test]
fn metrics_of_one_name_are_declared_alike() {
    let definitions = all_metrics();
    for one in &definitions {
        for other in definitions.iter().filter(|other| other.name == one.name) {
            let (labels, others) = (one.labels.iter(), other.labels.iter());
            assert!(labels.map(|label| label.name).eq(others.map(|label| label.name)), "{}", one.name);
            assert_eq!((one.help, one.kind), (other.help, other.kind), "{}", one.name);
        }
    }
}

#[test]
fn every_metric_has_a_queue_label_or_is_about_the_process() {
    let of_process = |name: &str| {
        name.starts_with("process_")
            || name.starts_with("longshore_drain_")
            || name.starts_with("longshore_admin_")
            || name == "longshore_task_protected"
            || name == "longshore_build_info"
            || name == "longshore_queues_unopened"
    };
    for MetricDefinition { name, labels, .. } in all_metrics() {
        let of_queue = labels.first().is_some_and(|label| label.name == "queue");
        assert!(of_queue || of_process(name), "{name}");
    }
}

#[test]
fn the_buckets_have_the_bounds_that_objectives_are_stated_in() {
    for MetricDefinition { name, kind, .. } in all_metrics() {
        let MetricKind::Histogram(buckets) = kind else { continue };
        assert!(!buckets.is_empty() && buckets.is_sorted(), "{name}");
        if !name.contains("client_operation") {
            assert!([60.0, 300.0].iter().all(|bound| buckets.contains(bound)), "{name}");
        }
    }
}

#[test]
fn a_quantile_of_long_jobs_is_little_off() {
    let of_calls =
        all_metrics().into_iter().find(|metric| metric.name == "messaging_process_duration_seconds");
    let MetricKind::Histogram(buckets) = of_calls.unwrap().kind else { panic!("no histogram") };
    // Prometheus takes equal jobs for evenly spread over their bucket: the median is its middle.
    let median = |job: f64| {
        let above = buckets.iter().position(|bound| job <= *bound).unwrap();
        f64::midpoint(buckets[above - 1], buckets[above])
    };
    for (job, least, most) in [(70.0, 60.0, 84.0), (65.0 * 60.0, 3_600.0, 5_040.0)] {
        assert!((least..most).contains(&median(job)), "{job}: {}", median(job));
    }
    for job in 30_u32..43_200 {
        let error = (median(f64::from(job)) / f64::from(job) - 1.0).abs();
        assert!(error < 0.22, "{job}: {error}");
    }
}

#[test]
fn the_reference_lists_every_label_value() {
    fn assert_listed<L: Label>(page: &str) {
        let names: Vec<_> = L::ALL.iter().map(|label| format!("`{}`", label.as_str())).collect();
        assert!(page.contains(&names.join(", ")), "{names:?}");
    }
    let page = metrics_reference();
    assert_listed::<Ending>(&page);
    assert_listed::<Occasion>(&page);
    assert_listed::<Notified>(&page);
    assert_listed::<Action>(&page);
    assert_listed::<CallResult>(&page);
    assert_listed::<MessageState>(&page);
    assert_listed::<HandlerKind>(&page);
    assert_listed::<FailureCause>(&page);
    assert_listed::<ProcessState>(&page);
    assert_listed::<ProcessExit>(&page);
}

#[test]
fn the_metrics_of_a_queue_are_created_once() {
    let metrics = Metrics::new();
    metrics.queue("orders", "orders").group::<ConsumerMetrics>().started.inc();
    metrics.queue("orders", "orders").group::<ConsumerMetrics>().started.inc();
    assert!(metrics.text().contains("longshore_messages_started_total{queue=\"orders\"} 2"));
    assert_eq!(metrics.count("longshore_messages_started_total", &[("queue", "orders")]), 2);
    assert_eq!(metrics.count("longshore_messages_started_total", &[("queue", "others")]), 0);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_last_poll_is_counted_in_seconds() {
    let metrics = Metrics::new();
    let queue = metrics.queue("orders", "orders").group::<ConsumerMetrics>();
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(metrics.text().contains("since_successful_receive{queue=\"orders\"} 61"));
    queue.poll_age.reset();
    assert_eq!(queue.poll_age.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_seconds_of_a_stop_are_counted_from_its_request() {
    let metrics = Metrics::new();
    let drain = DrainMetrics::in_scope(&metrics.process());
    drain.limit(Duration::from_secs(110));
    assert!(metrics.text().contains("longshore_drain_seconds 0\n"));
    drain.draining();
    tokio::time::advance(Duration::from_secs(9)).await;
    drain.draining();
    let text = metrics.text();
    assert!(text.contains("longshore_drain_seconds 9\n"), "{text}");
    assert!(text.contains("longshore_drain_limit_seconds 110\n"), "{text}");
    assert!(!text.contains("task_protected"), "nothing protects it");
}

/// The series of Prometheus's text format: each name with its labels, unescaped.
fn parse(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    text.lines().filter(|line| !line.starts_with('#')).map(series).collect()
}

/// Parses one line; panics if it does not follow the format.
fn series(line: &str) -> (String, Vec<(String, String)>) {
    let name: String =
        line.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    let mut rest = &line[name.len()..];
    let mut labels = Vec::new();
    while let Some(inside) = rest.strip_prefix(['{', ',']) {
        let (label, quoted) = inside.split_once("=\"").unwrap();
        let (value, after) = unescaped(quoted);
        labels.push((label.to_owned(), value));
        rest = after;
    }
    rest.trim_start_matches('}').trim().parse::<f64>().unwrap();
    (name, labels)
}

/// The text up to its closing quote, and what follows.
fn unescaped(quoted: &str) -> (String, &str) {
    let (mut text, mut letters) = (String::new(), quoted.char_indices());
    loop {
        match letters.next().unwrap() {
            (at, '"') => return (text, &quoted[at + 1..]),
            (_, '\\') => text.push(match letters.next().unwrap().1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                other => panic!("no escape: {other}"),
            }),
            (_, letter) => text.push(letter),
        }
    }
}

#[test]
fn a_hostile_queue_name_is_escaped_in_the_text() {
    let hostile = "a\"} 1\nlongshore_forged{x=\"\\n\\ ünï💥 \u{202e}\t{}";
    let metrics = Metrics::new();
    let scope = metrics.queue(hostile, hostile);
    FailureCounter::of_code(&scope);
    let consumer = scope.group::<ConsumerMetrics>();
    consumer.process_time.of(Ending::Done).observe(1.0);
    scope.group::<CallMetrics>();
    scope.group::<LeaseMetrics>();
    scope.group::<SettleMetrics>();
    let depth = QueueDepth::in_scope(&scope, 1, RunningCalls::in_scope(&scope));
    depth.polls_every(Duration::from_secs(30));
    depth.polled(Counts::default());
    let (series, known) = (parse(&metrics.text()), all_metrics());
    assert!(series.len() > 60);
    for (name, labels) in &series {
        assert!(known.iter().any(|known| name.starts_with(known.name)), "forged: {name} {labels:?}");
        for (label, value) in labels {
            assert!(
                value == hostile || !["queue", "messaging_destination_name"].contains(&&**label),
                "{value}"
            );
        }
    }
}
