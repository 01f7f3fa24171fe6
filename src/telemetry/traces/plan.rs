//! Reads the plan of the export of traces from the standard `OTEL_*` variables; pure.

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::telemetry::spans::Producer;

/// The plan of the export of traces.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) endpoint: Url,
    pub(super) protocol: Protocol,
    pub(super) compression: Compression,
    /// The time limit of one request to the collector, retries included.
    pub(super) timeout: Duration,
    pub(super) sampler: Sampler,
    pub(super) service_name: Option<String>,
    pub(super) batching: Batching,
}

/// The protocol of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

/// The compression of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
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

const DISABLED: &str = "OTEL_SDK_DISABLED";
const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
const SAMPLERS: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";
/// The variables of TLS files, which are not supported.
const TLS_FILES: [&str; 3] = ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"];

impl Plan {
    /// Every variable that is read, for commands that show them.
    pub const VARIABLES: &[&str] = &[
        DISABLED,
        EXPORTER,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        SERVICE_NAME,
        "OTEL_RESOURCE_ATTRIBUTES",
        SAMPLER,
        SAMPLER_ARGUMENT,
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_EXPORT_TIMEOUT",
    ];

    /// Reads the variables; `None` if they leave traces off, and then the others are not validated.
    ///
    /// Traces are on when an endpoint is set. Every invalid variable is reported, all at once: otherwise lost traces
    /// would be noticed only when someone needs them.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Vec<Fault>> {
        let mut variables = Variables::new(&variable);
        let is_disabled = variables.text(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let exporter = variables.text(EXPORTER);
        let is_wanted = !is_disabled && exporter.as_deref() != Some("none");
        if !is_wanted || variables.for_traces("ENDPOINT").is_none() {
            return Ok(None);
        }
        if let Some(other) = exporter.filter(|exporter| exporter != "otlp") {
            variables.fault(EXPORTER, &other, "not an exporter that longshore has", "otlp, none");
        }
        let plan = Self::read(&mut variables);
        let faults = variables.into_faults();
        if faults.is_empty() { Ok(plan) } else { Err(faults) }
    }

    fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let protocol = protocol(variables);
        for file in TLS_FILES {
            if let Some((name, value)) = variables.for_traces(file) {
                let problem = "not supported: longshore uses the system's certificates or those that SSL_CERT_FILE names, and those of AWS_CA_BUNDLE";
                variables.fault(name, &value, problem, "nothing");
            }
        }
        variables.check_headers();
        let (compression, timeout) = (compression(variables), timeout(variables));
        let (sampler, batching) = (sampler(variables), batching(variables));
        let service_name = variables.text(SERVICE_NAME);
        let endpoint = endpoint(variables, protocol)?;
        Some(Self { endpoint, protocol, compression, timeout, sampler, service_name, batching })
    }
}

fn endpoint(variables: &mut Variables<'_>, protocol: Protocol) -> Option<Url> {
    let (name, text) = variables.for_traces("ENDPOINT")?;
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let Some(mut url) = Url::parse(&text).ok().filter(is_http) else {
        variables.fault(name, &text, "not a url", "an http or https url, such as http://localhost:4318");
        return None;
    };
    // The endpoint of all signals gets the path of traces appended; that of traces is used as it is.
    let is_for_all_signals = !name.contains("TRACES");
    if protocol == Protocol::Http && is_for_all_signals {
        url.set_path(&format!("{}/v1/traces", url.path().trim_end_matches('/')));
    }
    Some(url)
}

fn protocol(variables: &mut Variables<'_>) -> Protocol {
    match variables.for_traces("PROTOCOL") {
        None => Protocol::Http,
        Some((_, text)) if text == "http/protobuf" => Protocol::Http,
        Some((_, text)) if text == "grpc" => Protocol::Grpc,
        Some((name, text)) => {
            variables.fault(name, &text, "not a protocol that longshore speaks", "http/protobuf, grpc");
            Protocol::Http
        }
    }
}

fn compression(variables: &mut Variables<'_>) -> Compression {
    match variables.for_traces("COMPRESSION") {
        None => Compression::None,
        Some((_, text)) if text == "none" => Compression::None,
        Some((_, text)) if text == "gzip" => Compression::Gzip,
        Some((name, text)) => {
            variables.fault(name, &text, "not a compression that longshore has", "gzip, none");
            Compression::None
        }
    }
}

fn timeout(variables: &mut Variables<'_>) -> Duration {
    let name = variables.for_traces("TIMEOUT").map_or("OTEL_EXPORTER_OTLP_TIMEOUT", |(name, _)| name);
    variables.milliseconds(name, 10_000)
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
pub struct Settings {
    /// The relation of a message's own trace to its processing: `link`, or `parent`, which makes one trace of both wherever one call takes one message.
    pub producer: Producer,
}

/// A problem of one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub variable: String,
    /// Its value, unless that is a secret.
    pub value: Option<String>,
    /// The problem.
    pub problem: &'static str,
    /// The values that are allowed.
    pub allowed: &'static str,
}

/// The variables, and the faults found in them so far.
pub(super) struct Variables<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<Fault>,
}

/// The variables of all signals, each followed by the one of traces that overrides it.
const SIGNALS: &[(&str, &str, &str)] = &[
    ("ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ("PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
    ("HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    ("TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
    ("COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"),
    ("CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"),
    ("CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY"),
    (
        "CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    ),
];

impl<'a> Variables<'a> {
    pub(super) fn new(find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { find, faults: Vec::new() }
    }

    /// The value of a variable; an empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.find)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The value for traces, or else that for every signal, with its variable.
    pub(super) fn for_traces(&self, suffix: &str) -> Option<(&'static str, String)> {
        let (_, all, traces) = SIGNALS.iter().find(|(name, ..)| *name == suffix)?;
        [*traces, *all].into_iter().find_map(|name| Some((name, self.text(name)?)))
    }

    /// A number of milliseconds, above zero.
    pub(super) fn milliseconds(&mut self, name: &'static str, default: u64) -> Duration {
        Duration::from_millis(self.number(name, "a number of milliseconds, 1 or more").unwrap_or(default))
    }

    /// A number of spans, above zero.
    pub(super) fn count(&mut self, name: &'static str, default: usize) -> usize {
        let count = self.number(name, "a number of spans, 1 to 1000000").unwrap_or(default as u64);
        usize::try_from(count).unwrap_or(default).min(1_000_000)
    }

    fn number(&mut self, name: &'static str, allowed: &'static str) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            self.fault(name, &text, "not a number that is allowed", allowed);
        }
        number
    }

    /// Checks the headers: the exporter reads them itself, and silently leaves out invalid ones.
    pub(super) fn check_headers(&mut self) {
        let Some((name, text)) = self.for_traces("HEADERS") else { return };
        let is_pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            let is_plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            HeaderName::try_from(name.trim()).is_ok() && is_plain
        };
        if !text.split(',').all(is_pair) {
            let (problem, allowed) = ("not a list of headers", "name=value,name=value");
            self.faults.push(Fault { variable: name.to_owned(), value: None, problem, allowed });
        }
    }

    pub(super) fn fault(
        &mut self,
        variable: &str,
        value: &str,
        problem: &'static str,
        allowed: &'static str,
    ) {
        let (variable, value) = (variable.to_owned(), Some(value.to_owned()));
        self.faults.push(Fault { variable, value, problem, allowed });
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(plan.protocol, Protocol::Http);
        assert_eq!(plan.compression, Compression::None);
        assert_eq!(plan.timeout, Duration::from_secs(10));
        assert_eq!(format!("{:?}", plan.sampler), "ParentBased(AlwaysOn)");
        let (delay, timeout) = (Duration::from_secs(5), Duration::from_secs(30));
        assert_eq!(plan.batching, Batching { queue: 2_048, batch: 512, delay, timeout });
    }

    #[test]
    fn the_path_of_traces_is_appended_to_the_endpoint_of_all_signals_over_http_only() {
        let address = |variables: &[(&str, &str)]| read(variables).unwrap().unwrap().endpoint.to_string();
        let (all, traces) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        assert_eq!(address(&[(all, "http://h:1")]), "http://h:1/v1/traces");
        assert_eq!(address(&[(all, "http://h:1/base/")]), "http://h:1/base/v1/traces");
        assert_eq!(address(&[(all, "http://h:1"), (traces, "https://t/x")]), "https://t/x");
        assert_eq!(address(&[(all, "http://h:1"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]), "http://h:1/");
    }

    #[test]
    fn a_variable_of_traces_overrides_that_of_all_signals() {
        let plan = plan(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ]);
        assert_eq!((plan.protocol, plan.compression), (Protocol::Grpc, Compression::Gzip));
        assert_eq!(plan.timeout, Duration::from_millis(250));
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
