//! Where log lines go, and in which form.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal as _},
    panic::{self, PanicHookInfo},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// What the libraries beneath say is noise, their spans cost time, and some tell credentials; named here by how
/// their names begin, they are off before they begin.
///
/// A filter that names one of these itself has the last word.
const QUIET: &str = "aws_=warn,h2=warn,hyper=warn,reqwest=warn,rustls=warn";

/// The log's form and detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `json`, `text`, or `auto`: text on a terminal, else JSON.
    pub format: Format,
    /// What to log, in `tracing`'s filter language: `info`, or `info,longshore=debug`. The libraries beneath stay at `warn` unless they are named.
    pub filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Auto, filter: "info".to_owned() }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is not one.
    #[error("not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The process logs already.
    #[error("the log is started already")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

impl Settings {
    /// Whether the log could be started so.
    pub fn check(&self) -> Result<(), LogsError> {
        self.env_filter().map(drop)
    }

    /// Starts the log of this process, on standard error; only once. From then on panics are told in it too.
    pub fn init(&self) -> Result<(), LogsError> {
        let lines = fmt::layer().with_writer(io::stderr);
        let lines = if self.is_json() {
            lines.json().flatten_event(true).boxed()
        } else {
            lines.with_ansi(io::stderr().is_terminal()).boxed()
        };
        Registry::default().with(lines).with(self.env_filter()?).try_init()?;
        panic::set_hook(Box::new(tell_panic));
        Ok(())
    }

    /// Later directives win over earlier ones for the same target, so the user's come last.
    fn env_filter(&self) -> Result<EnvFilter, LogsError> {
        Ok(EnvFilter::builder().parse(format!("{QUIET},{}", self.filter))?)
    }

    fn is_json(&self) -> bool {
        match self.format {
            Format::Auto => !io::stderr().is_terminal(),
            Format::Json => true,
            Format::Text => false,
        }
    }
}

/// Tells a panic as an event: the lines that the standard hook prints would be no JSON.
fn tell_panic(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let is_wanted = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        words = info.payload_as_str(),
        location = info.location().map(tracing::field::display),
        backtrace = is_wanted.then(|| tracing::field::display(&backtrace)),
        "panicked"
    );
}

#[cfg(test)]
mod tests {
    use tracing::{Level, enabled, subscriber::with_default};

    use super::*;

    fn filtered(filter: &str) -> Settings {
        Settings { filter: filter.to_owned(), ..Settings::default() }
    }

    fn under<T>(filter: &str, ask: impl FnOnce() -> T) -> T {
        with_default(Registry::default().with(filtered(filter).env_filter().unwrap()), ask)
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(
            filtered("info,longshore=loud").check().unwrap_err().to_string().starts_with("not a log filter")
        );
        filtered("info,longshore=debug").check().unwrap();
        filtered("").check().unwrap();
    }

    #[test]
    fn by_default_nothing_below_info_costs_more_than_a_comparison() {
        let hint = Settings::default().env_filter().unwrap().max_level_hint();
        assert_eq!(hint, Some(tracing::level_filters::LevelFilter::INFO));
    }

    #[test]
    fn the_libraries_beneath_are_quiet_even_at_debug() {
        under("debug", || {
            assert!(enabled!(target: "longshore::pump", Level::DEBUG));
            assert!(!enabled!(target: "aws_sdk_sqs::operation::receive_message", Level::DEBUG));
            assert!(!enabled!(target: "aws_smithy_runtime::client::orchestrator", Level::DEBUG));
            assert!(!enabled!(target: "aws_sigv4::http_request::sign", Level::DEBUG));
            assert!(!enabled!(target: "hyper_util::client", Level::INFO));
        });
    }

    #[test]
    fn a_library_that_is_named_speaks() {
        under("info,aws_sdk_sqs=debug", || {
            assert!(enabled!(target: "aws_sdk_sqs::operation::receive_message", Level::DEBUG));
        });
    }
}
