//! Reads the plan of the export of metrics from the standard `OTEL_*` variables; pure.

use std::time::Duration;

use crate::telemetry::otlp::{Collector, Fault, Signal, Variables};

const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
const FIXED: &str = "explicit_bucket_histogram";
const EXPONENTIAL: &str = "base2_exponential_bucket_histogram";
const AGGREGATIONS: &str = "explicit_bucket_histogram, base2_exponential_bucket_histogram";

/// The plan of the export of metrics.
#[derive(Clone, Debug)]
pub(crate) struct MetricsPlan {
    pub(super) collector: Collector,
    /// The time from one export to the next.
    pub(super) interval: Duration,
    /// The time limit of one export.
    pub(super) timeout: Duration,
    /// Histograms have exponential buckets, not the fixed ones.
    pub(super) exponential_histograms: bool,
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
        if let Some(text) =
            variables.text(TEMPORALITY).filter(|text| !text.eq_ignore_ascii_case("cumulative"))
        {
            let problem = "not supported: the metrics are totals since the start, hint: the collector's cumulativetodelta processor converts them";
            variables.fault(TEMPORALITY, &text, problem, "cumulative");
        }
        let exponential_histograms = has_exponential(&mut variables);
        let plan = |collector| Self { collector, interval, timeout, exponential_histograms };
        variables.finish(collector.map(plan))
    }
}

/// True if histograms shall have exponential buckets.
fn has_exponential(variables: &mut Variables<'_>) -> bool {
    let Some(text) = variables.text(HISTOGRAMS) else { return false };
    if text.eq_ignore_ascii_case(EXPONENTIAL) {
        return true;
    }
    if !text.eq_ignore_ascii_case(FIXED) {
        variables.fault(HISTOGRAMS, &text, "not an aggregation of histograms", AGGREGATIONS);
    }
    false
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
    fn histograms_are_fixed_or_exponential() {
        let is_exponential =
            |value| read(&[ENDPOINT, (HISTOGRAMS, value)]).unwrap().unwrap().exponential_histograms;
        assert!(!read(&[ENDPOINT]).unwrap().unwrap().exponential_histograms);
        assert!(
            !is_exponential(FIXED)
                && is_exponential(EXPONENTIAL)
                && is_exponential("BASE2_exponential_bucket_histogram")
        );
    }

    #[test]
    fn every_invalid_variable_is_reported_at_once() {
        let wrong = [
            ("OTEL_METRICS_EXPORTER", "otlp,console"),
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1m"),
            ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
            (TEMPORALITY, "delta"),
            (HISTOGRAMS, "native"),
        ];
        let faults = read(&[&[ENDPOINT], &wrong[..]].concat()).unwrap_err();
        let names: Vec<_> = faults.iter().map(|fault| fault.variable.as_str()).collect();
        assert_eq!(names, wrong.map(|(name, _)| name));
        assert!(read(&[ENDPOINT, (TEMPORALITY, "Cumulative")]).unwrap().is_some());
    }
}
