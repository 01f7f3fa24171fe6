//! What is served, whatever the queues are called.

use std::time::Duration;

use super::*;
use crate::telemetry::{Action, CATALOG, CallResult, Ending, HandlerKind};

#[test]
fn a_queue_asked_for_twice_is_counted_once() {
    let metrics = Metrics::new();
    metrics.queue("orders").started.inc();
    metrics.queue("orders").started.inc();
    assert!(metrics.text().contains("longshore_messages_started_total{queue=\"orders\"} 2"));
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_last_poll_is_counted_in_seconds() {
    let metrics = Metrics::new();
    let queue = metrics.queue("orders");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(metrics.text().contains("since_successful_receive{queue=\"orders\"} 61"));
    queue.called(Action::Receive, CallResult::Ok, Instant::now());
    assert_eq!(queue.poll_age_seconds(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_depth_that_polls_could_not_renew_disappears_and_its_age_grows() {
    let metrics = Metrics::new();
    let queue = metrics.queue("orders");
    assert!(!metrics.text().contains("queue_depth_age"), "nobody polls");
    queue.depth.polls_every(Duration::from_secs(30));
    queue.depth.polled(Counts { visible: 7, ..Counts::default() });
    let shown = "longshore_queue_messages{queue=\"orders\",state=\"visible\"} 7";
    assert!(metrics.text().contains(shown), "{}", metrics.text());
    tokio::time::advance(Duration::from_secs(91)).await;
    let text = metrics.text();
    assert!(!text.contains("longshore_queue_messages{") && !text.contains("oldest_message_age"), "{text}");
    assert!(text.contains("longshore_queue_depth_age_seconds{queue=\"orders\"} 91"), "{text}");
}

#[test]
fn groups_are_counted_and_never_named() {
    let metrics = Metrics::new();
    let queue = metrics.queue("orders");
    assert!(!metrics.text().contains("longshore_groups_held"), "it has none");
    let held: Vec<_> = ["a", "b", "a", "a"].map(|name| HeldGroup::begin(&queue, name)).into();
    let text = metrics.text();
    assert!(text.contains("longshore_groups_held{queue=\"orders\"} 2"), "{text}");
    assert!(text.contains("longshore_group_messages_held_max{queue=\"orders\"} 3"), "{text}");
    drop(held);
    let text = metrics.text();
    assert!(text.contains("longshore_groups_held{queue=\"orders\"} 0"), "{text}");
    assert!(text.contains("longshore_group_messages_held_max{queue=\"orders\"} 0"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_seconds_of_a_stop_are_counted_from_when_it_was_asked_for() {
    let metrics = Metrics::new();
    metrics.drain_limit(Duration::from_secs(110));
    assert!(metrics.text().contains("longshore_drain_seconds 0\n"));
    metrics.draining();
    tokio::time::advance(Duration::from_secs(9)).await;
    metrics.draining();
    let text = metrics.text();
    assert!(text.contains("longshore_drain_seconds 9\n"), "{text}");
    assert!(text.contains("longshore_drain_limit_seconds 110\n"), "{text}");
    assert!(!text.contains("task_protected"), "nothing protects it");
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_process_uses_is_told() {
    let text = Metrics::new().text();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e6);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_threads ") >= 1.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let up = now - value("process_start_time_seconds ");
    assert!((-2.0..86_400.0).contains(&up), "{up}");
}

/// The series of Prometheus's text format: each name with its labels, unescaped.
fn parse(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    text.lines().filter(|line| !line.starts_with('#')).map(series).collect()
}

/// Panics at whatever the format does not allow.
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
fn a_hostile_name_of_a_queue_comes_out_as_it_is_and_breaks_nothing() {
    let hostile = "a\"} 1\nlongshore_forged{x=\"\\n\\ ünï💥 \u{202e}\t{}";
    let metrics = Metrics::new();
    let queue = metrics.queue(hostile);
    queue.describe(Described { destination: hostile.into(), kind: HandlerKind::Exec });
    queue.process_time.of(Ending::Done).observe(1.0);
    queue.depth.polls_every(Duration::from_secs(30));
    queue.depth.polled(Counts::default());
    let series = parse(&metrics.text());
    assert!(series.len() > 60);
    for (name, labels) in &series {
        let is_known = CATALOG.iter().any(|known| name.starts_with(known.name));
        assert!(is_known, "forged: {name} {labels:?}");
        for (label, value) in labels {
            assert!(
                value == hostile || !["queue", "messaging_destination_name"].contains(&&**label),
                "{value}"
            );
        }
    }
}
