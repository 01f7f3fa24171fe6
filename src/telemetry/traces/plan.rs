//! Reads the plan of the export of traces from the standard `OTEL_*` variables; pure.

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use serde::{Deserialize, Serialize};

use crate::telemetry::{
    otlp::{Collector, Fault, Signal, Variables},
    spans::Producer,
};

/// The plan of the export of traces.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) collector: Collector,
    pub(super) sampler: Sampler,
    pub(super) batching: Batching,
}

/// The batching of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batching {
    /// The most spans that wait; more are dropped.
    pub(super) queue: usize,
    /// The most spans of one batch.
    pub(super) batch: usize,
    /// The longest time that a span waits for a batch.
    pub(super) delay: Duration,
    /// The time limit of one batch.
    pub(super) timeout: Duration,
}

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const SAMPLERS: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";

impl Plan {
    /// Reads the variables; `None` if they leave traces off, and then the others are not validated.
    ///
    /// Traces are on when an endpoint is set. Every invalid variable is reported, all at once: otherwise lost traces
    /// would be noticed only when someone needs them.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Vec<Fault>> {
        let mut variables = Variables::new(Signal::Traces, &variable);
        if !variables.is_wanted(&[], "otlp, none") {
            return Ok(None);
        }
        let collector = Collector::read(&mut variables);
        let (sampler, batching) = (sampler(&mut variables), batching(&mut variables));
        variables.finish(collector.map(|collector| Self { collector, sampler, batching }))
    }
}

fn sampler(variables: &mut Variables<'_>) -> Sampler {
    let parent_based = |root| Sampler::ParentBased(Box::new(root));
    let Some(text) = variables.text(SAMPLER) else { return parent_based(Sampler::AlwaysOn) };
    match text.as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(variables)),
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent_based(Sampler::TraceIdRatioBased(ratio(variables))),
        _ => {
            variables.fault(SAMPLER, &text, "not a sampler that longshore has", SAMPLERS);
            Sampler::AlwaysOff
        }
    }
}

fn ratio(variables: &mut Variables<'_>) -> f64 {
    let Some(text) = variables.text(SAMPLER_ARGUMENT) else { return 1.0 };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    if ratio.is_none() {
        variables.fault(SAMPLER_ARGUMENT, &text, "not a ratio", "a number from 0 to 1");
    }
    ratio.unwrap_or(0.0)
}

fn batching(variables: &mut Variables<'_>) -> Batching {
    let queue = variables.count("OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
    let batch = variables.count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512.min(queue));
    if batch > queue {
        let allowed = "at most OTEL_BSP_MAX_QUEUE_SIZE";
        variables.fault("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &batch.to_string(), "too many", allowed);
    }
    let delay = variables.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5_000);
    let timeout = variables.milliseconds("OTEL_BSP_EXPORT_TIMEOUT", 30_000);
    Batching { queue, batch, delay, timeout }
}

/// Traces, which are on when the environment names an OTLP endpoint (`docs/traces.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The relation of a message's own trace to its processing: `link`, or `parent`, which makes one trace of both wherever one call takes one message.
    pub producer: Producer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::otlp::{Compression, Protocol};

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    fn read(variables: &[(&str, &str)]) -> Result<Option<Plan>, Vec<Fault>> {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name);
        Plan::of(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn plan(variables: &[(&str, &str)]) -> Plan {
        read(&[&[ENDPOINT], variables].concat()).unwrap().unwrap()
    }

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let faults = read(&[&[ENDPOINT], variables].concat()).unwrap_err();
        faults.into_iter().map(|fault| fault.variable).collect()
    }

    #[test]
    fn traces_are_off_unless_an_endpoint_is_set() {
        let rubbish = [("OTEL_TRACES_SAMPLER", "rubbish"), ("OTEL_TRACES_EXPORTER", "otlp")];
        assert!(read(&rubbish).unwrap().is_none());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]).unwrap().is_none());
        assert!(read(&[ENDPOINT]).unwrap().is_some());
        for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert!(read(&[ENDPOINT, off, rubbish[0]]).unwrap().is_none(), "{off:?}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_specification() {
        let plan = plan(&[]);
        assert_eq!(plan.collector.protocol, Protocol::Http);
        assert_eq!(plan.collector.compression, Compression::None);
        assert_eq!(plan.collector.timeout, Duration::from_secs(10));
        assert_eq!(format!("{:?}", plan.sampler), "ParentBased(AlwaysOn)");
        let (delay, timeout) = (Duration::from_secs(5), Duration::from_secs(30));
        assert_eq!(plan.batching, Batching { queue: 2_048, batch: 512, delay, timeout });
    }

    #[test]
    fn every_sampler_of_the_specification_is_known() {
        for (name, expected) in [
            ("always_on", "AlwaysOn"),
            ("always_off", "AlwaysOff"),
            ("traceidratio", "TraceIdRatioBased(0.25)"),
            ("parentbased_always_on", "ParentBased(AlwaysOn)"),
            ("parentbased_always_off", "ParentBased(AlwaysOff)"),
            ("parentbased_traceidratio", "ParentBased(TraceIdRatioBased(0.25))"),
        ] {
            let plan = plan(&[(SAMPLER, name), (SAMPLER_ARGUMENT, "0.25")]);
            assert_eq!(format!("{:?}", plan.sampler), expected);
        }
    }

    #[test]
    fn every_invalid_variable_is_reported_at_once() {
        let wrong = [
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,nonsense"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "xray"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ];
        assert_eq!(faults(&wrong), wrong.map(|(name, _)| name));
        let ratio = [("OTEL_TRACES_SAMPLER", "traceidratio"), (SAMPLER_ARGUMENT, "NaN")];
        assert_eq!(faults(&ratio), [SAMPLER_ARGUMENT]);
        let sizes = [("OTEL_BSP_MAX_QUEUE_SIZE", "5"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "6")];
        assert_eq!(faults(&sizes), ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]);
        assert_eq!(faults(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317")]).len(), 1);
    }

    #[test]
    fn a_fault_shows_no_header() {
        let wrong = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer hunter2");
        let report = format!("{:?}", read(&[ENDPOINT, wrong]).unwrap_err());
        assert!(!report.contains("hunter2") && report.contains(wrong.0), "{report}");
    }
}
