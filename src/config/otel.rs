//! Reads the standard variables of OpenTelemetry, which configure the export of traces.

use std::ffi::OsString;

use serde_json::Value;

use super::variables::value;
use crate::settings::{HIDDEN, Problem, hide, of_variable};
use crate::telemetry::traces::{Fault, Plan};

/// Reads the trace settings from OpenTelemetry's variables, with the problems in them.
pub(super) fn plan(environment: &[(OsString, OsString)]) -> (Option<Plan>, Vec<Problem>) {
    match Plan::of(|name| value(environment, name)) {
        Ok(plan) => (plan, Vec::new()),
        Err(faults) => (None, faults.into_iter().map(problem).collect()),
    }
}

/// The variables that are set, each with its value without secrets.
pub(super) fn shown_variables(environment: &[(OsString, OsString)]) -> Vec<(&'static str, String)> {
    let set =
        |name: &&'static str| Some((*name, value(environment, name).filter(|value| !value.is_empty())?));
    Plan::VARIABLES.iter().filter_map(set).map(|(name, value)| (name, shown(name, &value))).collect()
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
        let (plan, problems) = plan(&environment(&variables));
        let [only] = problems.as_slice() else { panic!("{problems:?}") };
        let report = only.to_string();
        assert!(plan.is_none());
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
