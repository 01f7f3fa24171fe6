//! The reference page of all metrics.

use std::fmt::Write as _;

use super::{MetricDefinition, MetricKind};

/// The reference page of these metrics, in Markdown; a metric that several groups share is listed once.
pub(crate) fn reference(definitions: &[MetricDefinition]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for definition in unique(definitions) {
        let MetricDefinition { name, kind, help, .. } = definition;
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = definition.labels.iter().map(|label| label.name).collect();
        let labels = quoted(&labels);
        // Writing into a String cannot fail.
        let _infallible = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
    }
    page.push_str(LABELS);
    for (label, values, metrics) in label_values(definitions) {
        let _infallible = writeln!(page, "- `{label}` of {}: {}.", quoted(&metrics), quoted(&values));
    }
    page.push_str(BUCKETS);
    for MetricDefinition { name, kind, .. } in unique(definitions) {
        if let MetricKind::Histogram(buckets) = kind {
            let bounds: Vec<_> = buckets.iter().map(ToString::to_string).collect();
            let _infallible = writeln!(page, "- `{name}`: {}", bounds.join(", "));
        }
    }
    page.push_str(include_str!("metrics.md"));
    page
}

fn unique(definitions: &[MetricDefinition]) -> impl Iterator<Item = &MetricDefinition> {
    let is_first = |index: usize| {
        let name = definitions[index].name;
        definitions[..index].iter().all(|earlier| earlier.name != name)
    };
    definitions
        .iter()
        .enumerate()
        .filter(move |(index, _)| is_first(*index))
        .map(|(_, definition)| definition)
}

type LabelValues = (&'static str, Vec<&'static str>, Vec<&'static str>);

/// Each label with each set of its values, and the metrics with that set.
fn label_values(definitions: &[MetricDefinition]) -> Vec<LabelValues> {
    let mut found: Vec<LabelValues> = Vec::new();
    for definition in unique(definitions) {
        for label in definition.labels.iter().filter(|label| EXPLAINED.iter().all(|name| *name != label.name))
        {
            let Some(values) = (definition.values)(label.name) else { continue };
            match found.iter_mut().find(|(name, known, _)| *name == label.name && *known == values) {
                Some((_, _, metrics)) => metrics.push(definition.name),
                None => found.push((label.name, values, vec![definition.name])),
            }
        }
    }
    found
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

const INTRODUCTION: &str = "# Metrics\n\n\
    Served by the admin server at `/metrics` in Prometheus's text format or in OpenMetrics, and pushed over OTLP where a collector is set (below). This page is generated from the code: \
    `make docs` writes it anew, and a test fails when it is stale.\n\n\
    Metrics that OpenTelemetry's messaging conventions (v1.44) define have the name from there, in Prometheus's form, \
    with its attributes as labels; all others begin with `longshore_`. The counters and gauges of every queue exist from \
    the start, at zero, so that the first event is seen as an increase; histograms, and metrics of only some queues \
    (notifications, SNS, processes, groups, causes of failures), appear with their first value.\n\n\
    | metric | kind | labels | meaning |\n|---|---|---|---|\n";

/// Labels that the page explains in sentences.
const EXPLAINED: &[&str] = &["messaging_operation_name", "messaging_operation_type", "error_type"];

const LABELS: &str = "\n## Labels\n\n\
    - `queue`: the name in the configuration; nothing that a sender chooses becomes a label.\n\
    - `messaging_destination_name`: the name in SQS; empty for a publication, because one queue's may go to several topics.\n\
    - `messaging_system`: `aws_sqs`, or `aws.sns` for a publication.\n\
    - `messaging_operation_name`: `process`; for calls the `action`, or `publish`.\n\
    - `messaging_operation_type`: `receive` for `receive`, `settle` for `delete` and `give_back`, `send` for `copy` and `publish`; empty for `extend` and `attributes`, which OpenTelemetry has no type for.\n\
    - `error_type`: empty for success, else the `ending` of the message, or the `result` of the call.\n";

const BUCKETS: &str = "\n## Buckets\n\nUpper bounds in seconds; `+Inf` follows each.\n\n";
