//! Every metric by name, with its labels and its meaning.

use std::fmt::Write as _;

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size, in these buckets.
    Histogram(&'static [f64]),
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// Its meaning, in one sentence.
    pub help: &'static str,
}

/// From a millisecond to the hours that a handler may take.
const HANDLER_SECONDS: Kind = Kind::Histogram(&[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
    14400.0,
]);
/// From a millisecond to the days that a message may wait.
const WAIT_SECONDS: Kind = Kind::Histogram(&[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
]);
/// From a millisecond to the end of a long poll.
const CALL_SECONDS: Kind = Kind::Histogram(&[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0,
]);

macro_rules! metrics {
    ($($constant:ident = $name:literal, $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $constant: Definition = Definition {
            name: $name, kind: $kind, labels: &[$($label),*], help: $help,
        };)*

        /// Every metric, in the order of the reference page.
        pub const CATALOG: &[Definition] = &[$($constant),*];
    };
}

metrics! {
    RECEIVED = "longshore_messages_received_total", Kind::Counter, ["queue"],
        "Messages received, every receive of a message counted.";
    STARTED = "longshore_messages_started_total", Kind::Counter, ["queue"],
        "Messages whose handler was started.";
    ENDED = "longshore_messages_ended_total", Kind::Counter, ["queue", "ending"],
        "Messages whose handler ended, by how.";
    GIVEN_BACK = "longshore_messages_given_back_total", Kind::Counter, ["queue"],
        "Messages given back before their handler started: at a stop, while the handler is down, or because an earlier message of their FIFO group is to come again first.";
    DUPLICATES = "longshore_messages_duplicate_total", Kind::Counter, ["queue"],
        "Messages received again while this worker still ran them or after it was done with them; none was run again.";
    HANDLER_TIME = "longshore_handler_duration_seconds", HANDLER_SECONDS, ["queue", "ending"],
        "How long messages were in their call of the handler, by how it ended for them; a batch counts once for each of its messages.";
    WORK_SECONDS = "longshore_work_seconds_total", Kind::Counter, ["queue"],
        "Seconds that calls of the handler took, each call counted once however many messages it had; divided by the messages ended, the seconds of a slot that a message takes.";
    QUEUE_WAIT = "longshore_queue_wait_seconds", WAIT_SECONDS, ["queue"],
        "From the sending of a message to the start of its handler, by SQS's clock and ours.";
    RUNNING = "longshore_messages_running", Kind::Gauge, ["queue"],
        "Messages in a call of the handler now.";
    CALLS_RUNNING = "longshore_handler_calls_running", Kind::Gauge, ["queue"],
        "Calls of the handler running now; a batch is one.";
    CONCURRENCY = "longshore_concurrency", Kind::Gauge, ["queue"],
        "The most calls of the handler that may run at once.";
    HELD = "longshore_messages_held", Kind::Gauge, ["queue"],
        "Messages held now: waiting, running or being settled.";
    ROOM = "longshore_room", Kind::Gauge, ["queue"],
        "How many messages may be held before no more are asked for: the concurrency and the prefetch. More are held for a while after the automatic prefetch shrank.";
    EXTENSIONS = "longshore_lease_extensions_total", Kind::Counter, ["queue"],
        "Leases extended.";
    LOST = "longshore_leases_lost_total", Kind::Counter, ["queue"],
        "Leases lost before their message was settled.";
    SETTLED = "longshore_messages_settled_total", Kind::Counter, ["queue", "action"],
        "Messages copied to the DLQ, deleted or given back, as answered by SQS; a rejected message that was copied counts twice, as a copy and as a delete.";
    SETTLE_RETRIES = "longshore_settle_retries_total", Kind::Counter, ["queue", "action"],
        "Entries of copy, delete and give-back batches that failed and were tried again.";
    SETTLE_FAILURES = "longshore_settle_failures_total", Kind::Counter, ["queue", "action"],
        "Copies, deletes and give-backs that were given up: because the lease was lost first, or because the DLQ refused the copy.";
    NOTIFICATIONS = "longshore_notifications_total", Kind::Counter, ["queue", "occasion", "fate"],
        "Notifications over SNS, by what they are about and what became of them.";
    CALLS = "longshore_api_calls_total", Kind::Counter, ["queue", "action", "result"],
        "Calls to SQS, by what they are for and how they ended.";
    CALL_TIME = "longshore_api_call_duration_seconds", CALL_SECONDS, ["queue", "action"],
        "How long calls to SQS took; a receive includes its wait.";
    POLLERS = "longshore_pollers", Kind::Gauge, ["queue"],
        "Receives under way now.";
    POLL_AGE = "longshore_seconds_since_successful_receive", Kind::Gauge, ["queue"],
        "Seconds since a receive was last answered, empty or not; grows while there is no room, too.";
    PAUSED = "longshore_polling_paused", Kind::Gauge, ["queue"],
        "1 while polling is paused because the handler is down, else 0.";
    INFO = "longshore_build_info", Kind::Gauge, ["version"],
        "Always 1; the label tells the version.";
}

/// The reference page of all metrics, in Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nServed by the admin server at `/metrics` in Prometheus's text format. This page is generated from the code: \
         `make docs` writes it anew, and a test fails when it is stale.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Definition { name, kind, labels, help } in CATALOG {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing into a String cannot fail.
        let _infallible = writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    page.push_str(LABELS);
    page.push_str(PLANNED);
    page
}

const LABELS: &str = "\n## Labels\n\n\
    - `queue`: the name in the configuration, never a message's doing.\n\
    - `ending`: `done`, `retry`, `reject`, `handler_down`, `timeout`, `panic`, `lease_lost`, `drained`.\n\
    - `action`: `receive`, `delete`, `extend`, `give_back`, `copy`.\n\
    - `occasion`: `done`, `failure`, `reject`.\n\
    - `fate`: `sent`, `failed`, `dropped`.\n\
    - `result`: `ok`, `retryable`, `refused`, `hung`.\n";

const PLANNED: &str = "\n## Planned\n\n\
    Not there yet: how many messages are in the queue, the age of the oldest, and the backlog in seconds (the signal to \
    scale by). They cost requests to SQS of their own, and come with the dashboards.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Action, CallResult, Ending, Label, Notified, Occasion};

    #[test]
    fn names_follow_prometheus_conventions() {
        for Definition { name, kind, help, .. } in CATALOG {
            assert!(name.starts_with("longshore_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(matches!(kind, Kind::Histogram(_)) <= name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn the_reference_lists_every_label_value() {
        fn names<L: Label>() -> String {
            L::ALL.iter().map(|label| format!("`{}`", label.as_str())).collect::<Vec<_>>().join(", ")
        }
        let of_notifications = [names::<Occasion>(), names::<Notified>()];
        let of_calls = [names::<Ending>(), names::<Action>(), names::<CallResult>()];
        for values in of_calls.into_iter().chain(of_notifications) {
            assert!(LABELS.contains(&values), "{values}");
        }
    }
}
