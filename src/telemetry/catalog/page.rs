//! The reference page of all metrics.

use std::fmt::Write as _;

use super::{CATALOG, Definition, Kind};

/// The reference page of all metrics, in Markdown.
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
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
    page.push_str(BUCKETS);
    for Definition { name, kind, .. } in CATALOG {
        if let Kind::Histogram(buckets) = kind {
            let bounds: Vec<_> = buckets.iter().map(ToString::to_string).collect();
            let _infallible = writeln!(page, "- `{name}`: {}", bounds.join(", "));
        }
    }
    page.push_str(include_str!("metrics.md"));
    page
}

const INTRODUCTION: &str = "# Metrics\n\n\
    Served by the admin server at `/metrics` in Prometheus's text format. This page is generated from the code: \
    `make docs` writes it anew, and a test fails when it is stale.\n\n\
    What OpenTelemetry's messaging conventions (v1.44) have a name for has that name, in Prometheus's form, with its \
    attributes as labels; what is Longshore's own begins with `longshore_`. The counters and gauges that every queue \
    has are there from the start, at zero, so that the first event is seen as an increase; histograms, and what only some \
    queues have (notifications, SNS, processes, groups, causes of failures), begin with their first value.\n\n\
    | metric | kind | labels | meaning |\n|---|---|---|---|\n";

const LABELS: &str = "\n## Labels\n\n\
    - `queue`: the name in the configuration, never a message's doing.\n\
    - `messaging_destination_name`: the name in SQS; empty for a publication, because one queue's may go to several topics.\n\
    - `messaging_system`: `aws_sqs`, or `aws.sns` for a publication.\n\
    - `messaging_operation_name`: `process`; for calls the `action`, or `publish`.\n\
    - `messaging_operation_type`: `receive` for `receive`, `settle` for `delete` and `give_back`, `send` for `copy` and `publish`; empty for `extend` and `attributes`, which OpenTelemetry has no type for.\n\
    - `error_type`: empty for what went well, else the `ending` of the message, or the `result` of the call.\n\
    - `ending`: `done`, `retry`, `reject`, `handler_down`, `timeout`, `panic`, `lease_lost`, `drained`.\n\
    - `action`: `receive`, `delete`, `extend`, `give_back`, `copy`, `attributes`; messages are settled by `delete`, `give_back` and `copy` alone.\n\
    - `occasion`: `done`, `failure`, `reject`.\n\
    - `fate`: `sent`, `failed`, `dropped`.\n\
    - `result`: `ok`, `retryable`, `refused`, `hung`.\n\
    - `state` of messages: `visible`, `in_flight`, `delayed`; of processes: `starting`, `idle`, `busy`, `waiting`.\n\
    - `kind`: `rust`, `http`, `lambda`, `exec`, `sns`.\n\
    - `cause` of a failure: `timeout`, `panic`, `error`, `connection`, `status_4xx`, `status_5xx`, `bad_answer`, `function_error`, `init_error`, `crash`, `exit_code`, `signal`, `spawn`, `refused`; of a process's end: `expected`, `crashed`, `killed`.\n";

const BUCKETS: &str = "\n## Buckets\n\nUpper bounds in seconds; `+Inf` follows each.\n\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{
        Action, CallResult, Ending, FailureCause, HandlerKind, Label, MessageState, Notified, Occasion,
        ProcessExit, ProcessState,
    };

    #[test]
    fn the_reference_lists_every_label_value() {
        fn names<L: Label>() -> String {
            L::ALL.iter().map(|label| format!("`{}`", label.as_str())).collect::<Vec<_>>().join(", ")
        }
        let of_messages = [names::<Ending>(), names::<Occasion>(), names::<Notified>()];
        let of_queues = [names::<Action>(), names::<CallResult>(), names::<MessageState>()];
        let of_handlers = [names::<HandlerKind>(), names::<FailureCause>()];
        let of_processes = [names::<ProcessState>(), names::<ProcessExit>()];
        let all = of_messages.into_iter().chain(of_queues).chain(of_handlers).chain(of_processes);
        for values in all {
            assert!(LABELS.contains(&values), "{values}");
        }
    }
}
