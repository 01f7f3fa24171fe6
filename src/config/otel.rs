//! Reads the standard variables of OpenTelemetry, which configure the export of traces and metrics.

use std::ffi::OsString;

use serde_json::Value;

use super::variables::value;
use crate::settings::{HIDDEN, Problem, hide, of_variable};
use crate::telemetry::{
    metrics_export::MetricsPlan,
    otlp::{Fault, VARIABLES},
    traces::Plan,
};

/// The exports that OpenTelemetry's variables ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    /// The plan for exporting traces; `None` while they are off.
    pub traces: Option<Plan>,
    /// The plan for exporting metrics; `None` while they are only served.
    pub metrics: Option<MetricsPlan>,
}

/// Reads the exports from OpenTelemetry's variables, with the problems in them.
pub(super) fn exports(environment: &[(OsString, OsString)]) -> (Exports, Vec<Problem>) {
    let variable = |name: &str| value(environment, name);
    let (traces, mut faults) = with_faults(Plan::of(variable));
    let (metrics, of_metrics) = with_faults(MetricsPlan::of(variable));
    for fault in of_metrics {
        // Variables of all signals are read for each.
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    (Exports { traces, metrics }, faults.into_iter().map(problem).collect())
}

fn with_faults<T>(read: Result<Option<T>, Vec<Fault>>) -> (Option<T>, Vec<Fault>) {
    read.map_or_else(|faults| (None, faults), |plan| (plan, Vec::new()))
}

/// The variables that are set, each with its value without secrets.
pub(super) fn shown_variables(environment: &[(OsString, OsString)]) -> Vec<(&'static str, String)> {
    let set =
        |name: &&'static str| Some((*name, value(environment, name).filter(|value| !value.is_empty())?));
    VARIABLES.iter().filter_map(set).map(|(name, value)| (name, shown(name, &value))).collect()
}

/// Hides the values of headers, which are credentials, and passwords in addresses.
fn shown(name: &str, value: &str) -> String {
    if !name.ends_with("_HEADERS") {
        return hide(value);
    }
    let pairs = value.split(',').map(|pair| {
        let name = pair.split_once('=').map_or("", |(name, _)| name.trim());
        format!("{name}={HIDDEN}")
    });
    pairs.collect::<Vec<_>>().join(",")
}

fn problem(Fault { variable, value, problem, allowed }: Fault) -> Problem {
    let value = value.map(|value| format!(": {}", Value::from(hide(&value)))).unwrap_or_default();
    Problem::general(format!("{problem}{value}"))
        .with_origin(of_variable(&variable))
        .with_allowed(allowed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn an_invalid_variable_is_reported_with_what_is_allowed() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:pass@h:1"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ];
        let (exports, problems) = exports(&environment(&variables));
        let [only] = problems.as_slice() else { panic!("{problems:?}") };
        let report = only.to_string();
        assert!(exports.traces.is_none() && exports.metrics.is_none());
        assert!(report.contains("\"http/json\"") && report.contains("http/protobuf, grpc"), "{report}");
        assert!(report.contains("environment OTEL_EXPORTER_OTLP_PROTOCOL"), "{report}");
    }

    #[test]
    fn secrets_are_hidden() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:pass@h:1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer hunter2,x=y"),
            ("OTEL_SOMETHING_ELSE", "x"),
        ];
        let shown = shown_variables(&environment(&variables));
        let expected = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://***@h:1".to_owned()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=***,x=***".to_owned()),
        ];
        assert_eq!(shown, expected);
    }
}
