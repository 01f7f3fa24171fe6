//! The environment as OpenTelemetry's specification reads it: pure.

use std::time::Duration;

use reqwest::header::HeaderName;

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

/// The variables, and what was found wrong with them so far.
pub(super) struct Variables<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<Fault>,
}

/// The variables about all signals, each followed by the one about traces that overrules it.
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
    pub(super) fn of_traces(&self, what: &str) -> Option<(&'static str, String)> {
        let (_, all, traces) = SIGNALS.iter().find(|(name, ..)| *name == what)?;
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

    /// The exporter reads the headers itself, and leaves out without a word what is none.
    pub(super) fn check_headers(&mut self) {
        let Some((name, text)) = self.of_traces("HEADERS") else { return };
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
