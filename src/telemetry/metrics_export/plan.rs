//! Reads the plan of the export of metrics from the standard `OTEL_*` variables; pure.

use std::time::Duration;

use crate::telemetry::otlp::{Collector, Fault, Signal, Variables};

const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// The plan of the export of metrics.
#[derive(Clone, Debug)]
pub(crate) struct MetricsPlan {
    pub(super) collector: Collector,
    /// The time from one export to the next.
    pub(super) interval: Duration,
    /// The time limit of one export.
    pub(super) timeout: Duration,
}

impl MetricsPlan {
    /// Reads the variables; `None` if they leave the export off, and then the others are not validated.
    ///
    /// Metrics are exported when an endpoint is set. Every invalid variable is reported, all at once.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Vec<Fault>> {
        let mut variables = Variables::new(Signal::Metrics, &variable);
        // Prometheus is served in any case.
        if !variables.is_wanted(&["prometheus"], "otlp, prometheus, none") {
            return Ok(None);
        }
        let collector = Collector::read(&mut variables);
        let interval = variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60_000);
        let timeout = variables.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30_000);
        only(
            &mut variables,
            TEMPORALITY,
            "cumulative",
            "not supported: the metrics are totals since the start, hint: the collector's cumulativetodelta processor converts them",
        );
        only(
            &mut variables,
            HISTOGRAMS,
            "explicit_bucket_histogram",
            "not supported: the histograms have the buckets that are served to prometheus",
        );
        variables.finish(collector.map(|collector| Self { collector, interval, timeout }))
    }
}

/// Reports every value but the only one that is supported.
fn only(variables: &mut Variables<'_>, name: &str, allowed: &'static str, problem: &'static str) {
    if let Some(text) = variables.text(name).filter(|text| !text.eq_ignore_ascii_case(allowed)) {
        variables.fault(name, &text, problem, allowed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<MetricsPlan>, Vec<Fault>> {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        MetricsPlan::of(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn metrics_are_exported_once_an_endpoint_is_set() {
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318/v1/metrics");
        assert!(read(&[("OTEL_METRICS_EXPORTER", "otlp")]).unwrap().is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h/")]).unwrap().is_none());
        for on in ["otlp", "otlp,prometheus", "prometheus, otlp"] {
            assert!(read(&[own, ("OTEL_METRICS_EXPORTER", on)]).unwrap().is_some(), "{on}");
        }
        assert!(read(&[ENDPOINT]).unwrap().is_some());
        for off in ["none", "prometheus"] {
            let variables = [ENDPOINT, ("OTEL_METRICS_EXPORTER", off), ("OTEL_METRIC_EXPORT_INTERVAL", "x")];
            assert!(read(&variables).unwrap().is_none(), "{off}");
        }
        assert!(read(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let plan = read(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!((plan.interval, plan.timeout), (Duration::from_mins(1), Duration::from_secs(30)));
        let often = read(&[ENDPOINT, ("OTEL_METRIC_EXPORT_INTERVAL", "250")]).unwrap().unwrap();
        assert_eq!(often.interval, Duration::from_millis(250));
    }

    #[test]
    fn every_invalid_variable_is_reported_at_once() {
        let wrong = [
            ("OTEL_METRICS_EXPORTER", "otlp,console"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
            (TEMPORALITY, "delta"),
            (HISTOGRAMS, "base2_exponential_bucket_histogram"),
        ];
        let faults = read(&[&[ENDPOINT], &wrong[..]].concat()).unwrap_err();
        let names: Vec<_> = faults.iter().map(|fault| fault.variable.as_str()).collect();
        assert_eq!(names, wrong.map(|(name, _)| name));
        assert!(read(&[ENDPOINT, (TEMPORALITY, "Cumulative")]).unwrap().is_some());
    }
}
