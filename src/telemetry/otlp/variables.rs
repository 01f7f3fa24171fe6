//! Reads the standard `OTEL_*` variables of one signal, and collects the faults in them; pure.

use std::{fmt, time::Duration};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

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

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is {}, allowed: {}", self.variable, self.problem, self.allowed)
    }
}

/// The telemetry that is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// The variables of a signal.
struct SignalNames {
    exporter: &'static str,
    /// The prefix of the variables that override those of all signals.
    prefix: &'static str,
    /// Its path below the endpoint of all signals, over HTTP.
    path: &'static str,
}

impl Signal {
    fn names(self) -> SignalNames {
        match self {
            Self::Traces => SignalNames {
                exporter: "OTEL_TRACES_EXPORTER",
                prefix: "OTEL_EXPORTER_OTLP_TRACES_",
                path: "v1/traces",
            },
            Self::Metrics => SignalNames {
                exporter: "OTEL_METRICS_EXPORTER",
                prefix: "OTEL_EXPORTER_OTLP_METRICS_",
                path: "v1/metrics",
            },
        }
    }

    /// The path of its requests over HTTP.
    pub(super) fn path(self) -> &'static str {
        self.names().path
    }

    /// The prefix of its own variables.
    pub(super) fn prefix(self) -> &'static str {
        self.names().prefix
    }
}

/// The prefix of the variables of all signals.
const ALL_SIGNALS: &str = "OTEL_EXPORTER_OTLP_";
const DISABLED: &str = "OTEL_SDK_DISABLED";

/// The variables of one signal, and the faults found in them so far.
pub(crate) struct Variables<'a> {
    find: &'a dyn Fn(&str) -> Option<String>,
    pub(super) signal: Signal,
    faults: Vec<Fault>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(signal: Signal, find: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { find, signal, faults: Vec::new() }
    }

    /// The value of a variable; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        (self.find)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The value for this signal, or else that for every signal, with its variable.
    pub(super) fn of_signal(&self, suffix: &str) -> Option<(String, String)> {
        let names = [self.signal.prefix(), ALL_SIGNALS].map(|prefix| format!("{prefix}{suffix}"));
        names.into_iter().find_map(|name| self.text(&name).map(|text| (name, text)))
    }

    /// True if the signal is to be exported: it has an endpoint, and no variable turns it off.
    ///
    /// An exporter is valid if it is `otlp`, `none` or one of `beside`, which turn the signal off where they stand alone.
    pub(crate) fn is_wanted(&mut self, beside: &[&str], allowed: &'static str) -> bool {
        let is_disabled = self.text(DISABLED).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if is_disabled || self.of_signal("ENDPOINT").is_none() {
            return false;
        }
        let variable = self.signal.names().exporter;
        let Some(text) = self.text(variable) else { return true };
        let exporters: Vec<_> = text.split(',').map(str::trim).collect();
        let is_known = |name: &&str| matches!(*name, "otlp" | "none") || beside.contains(name);
        if !exporters.iter().all(is_known) {
            self.fault(variable, &text, "not an exporter that longshore has", allowed);
            return true;
        }
        exporters.contains(&"otlp")
    }

    /// A number of milliseconds, above zero.
    pub(crate) fn milliseconds(&mut self, name: &str, default: u64) -> Duration {
        Duration::from_millis(self.number(name, "a number of milliseconds, 1 or more").unwrap_or(default))
    }

    /// A number of spans, above zero.
    pub(crate) fn count(&mut self, name: &str, default: usize) -> usize {
        let count = self.number(name, "a number of spans, 1 to 1000000").unwrap_or(default as u64);
        usize::try_from(count).unwrap_or(default).min(1_000_000)
    }

    fn number(&mut self, name: &str, allowed: &'static str) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| *number > 0);
        if number.is_none() {
            self.fault(name, &text, "not a number that is allowed", allowed);
        }
        number
    }

    /// The headers of requests; their values are credentials, and no fault shows them.
    pub(super) fn headers(&mut self) -> HeaderMap {
        let Some((variable, text)) = self.of_signal("HEADERS") else { return HeaderMap::new() };
        let headers: Option<HeaderMap> = text.split(',').map(header).collect();
        headers.unwrap_or_else(|| {
            let (problem, allowed) = ("not a list of headers", "name=value,name=value");
            self.faults.push(Fault { variable, value: None, problem, allowed });
            HeaderMap::new()
        })
    }

    pub(crate) fn fault(
        &mut self,
        variable: &str,
        value: &str,
        problem: &'static str,
        allowed: &'static str,
    ) {
        let (variable, value) = (variable.to_owned(), Some(value.to_owned()));
        self.faults.push(Fault { variable, value, problem, allowed });
    }

    /// The plan, or all faults that were found.
    pub(crate) fn finish<T>(self, plan: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() { Ok(plan) } else { Err(self.faults) }
    }
}

/// One header; its value is percent-encoded, as in W3C's `baggage`.
fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::from_str(&value).ok().filter(|value| value.to_str().is_ok())?;
    value.set_sensitive(true);
    Some((HeaderName::try_from(name.trim()).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> Option<Vec<(String, String)>> {
        let find = |name: &str| (name == "OTEL_EXPORTER_OTLP_HEADERS").then(|| text.to_owned());
        let mut variables = Variables::new(Signal::Metrics, &find);
        let headers = variables.headers();
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        variables.finish(headers).ok().map(|headers| headers.iter().map(pair).collect())
    }

    #[test]
    fn headers_are_percent_decoded_pairs() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("authorization", "Bearer a=b,c"), pair("x-team", "yard")];
        assert_eq!(headers("authorization=Bearer%20a=b%2Cc, X-Team=yard"), Some(expected));
        for invalid in ["authorization", "a b=c", "a=b,", "a=%0A", "a=%ff", "=b"] {
            assert_eq!(headers(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn a_header_is_not_shown() {
        let shown = format!("{:?}", header("authorization=Bearer%20hunter2"));
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    }
}
