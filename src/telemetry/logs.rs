//! The log: its destination, form and filter.

mod escape;
mod line;
mod span_fields;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal as _},
    panic::{self, PanicHookInfo},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, FilterFn, Targets},
    fmt,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub(crate) use self::escape::{LineForm, escaped, one_line};
use self::{
    escape::EscapedLines,
    line::Line,
    span_fields::{LinesInSpans, SpanFields},
};
use super::traces::Traces;
use crate::settings::Problem;

/// The filter of the libraries, by prefixes of their names: they log noise, their spans cost time, and some log
/// credentials.
///
/// A region or credentials that nothing gives are reported once, where they are missed, and not by each source that was asked. A filter
/// that names one of them overrides this.
const QUIET: &str = "aws_=warn,aws_config::imds=error,aws_config::meta=error,aws_config::profile::credentials=error,\
                     aws_config::sts=error,aws_config::web_identity_token=error,\
                     h2=warn,hyper=warn,opentelemetry=warn,reqwest=warn,rustls=warn,tonic=warn,tower=warn";

/// The log's form and detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `json`, `text`, or `auto`: text on a terminal, else JSON.
    pub format: Format,
    /// The filter, in `tracing`'s filter language: `info`, or `info,longshore=debug`. The libraries beneath stay at `warn` unless they are named.
    pub filter: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Auto, filter: "info".to_owned() }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
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
    /// The filter is invalid.
    #[error("not a log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The log of the process is started already.
    #[error("the log is started already")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

impl Settings {
    /// Finds an invalid filter.
    pub fn validate(&self) -> Vec<Problem> {
        let problem = |error: LogsError| {
            Problem::new("filter", error.to_string())
                .with_value(self.filter.as_str())
                .with_hint("write a level, or targets with levels: info, or info,longshore=debug")
        };
        self.env_filter().err().map(problem).into_iter().collect()
    }

    /// Starts the log of this process on standard error, which also logs panics; succeeds only once.
    pub fn init(&self) -> Result<(), LogsError> {
        self.init_with(None, None)
    }

    /// Starts the log as [`Self::init`] does.
    ///
    /// Events are shown in another way than as lines, if there is one. Spans are exported as traces, if there are any,
    /// whatever the log's filter says.
    pub(crate) fn init_with(
        &self,
        shown: Option<ShowEvent>,
        traces: Option<&Traces>,
    ) -> Result<(), LogsError> {
        if let Some(traces) = traces {
            let lines = self.events(shown).with_filter(self.env_filter()?);
            let spans = traces.layer().map(|layer| layer.with_filter(own_spans().and(spans_only())));
            Registry::default().with(spans).with(lines).try_init()?;
        } else {
            // One filter before all layers: an event that it excludes costs no more than a comparison.
            Registry::default().with(self.events(shown)).with(self.env_filter()?).try_init()?;
        }
        panic::set_hook(Box::new(log_panic));
        Ok(())
    }

    fn events<S>(&self, shown: Option<ShowEvent>) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        match shown {
            Some(show) => ShownEvents(show).boxed(),
            None => self.lines(),
        }
    }

    fn lines<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let form = match (self.is_json(), io::stderr().is_terminal()) {
            (true, _) => LineForm::Json,
            (false, true) => LineForm::ColouredText,
            (false, false) => LineForm::Text,
        };
        let lines = fmt::layer().with_writer(EscapedLines { form, inner: io::stderr });
        match form {
            LineForm::Json => {
                let fields = SpanFields::default();
                LinesInSpans { lines: lines.event_format(Line(fields.clone())), fields }.boxed()
            }
            LineForm::Text | LineForm::ColouredText => {
                lines.with_ansi(form == LineForm::ColouredText).boxed()
            }
        }
    }

    /// Later directives win over earlier ones for the same target, so the user's come last.
    fn env_filter(&self) -> Result<EnvFilter, LogsError> {
        Ok(EnvFilter::builder().parse(format!("{},{}", quiet_beside(&self.filter), self.filter))?)
    }

    fn is_json(&self) -> bool {
        match self.format {
            Format::Auto => !io::stderr().is_terminal(),
            Format::Json => true,
            Format::Text => false,
        }
    }
}

/// Shows an event of the log in another way than as a line on standard error.
pub(crate) type ShowEvent = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// The layer that shows events so.
pub(crate) struct ShownEvents(pub(crate) ShowEvent);

impl<S: Subscriber> Layer<S> for ShownEvents {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        (self.0)(event);
    }
}

/// The directives of `QUIET`, but for those about modules of a library that the filter names as a whole.
fn quiet_beside(filter: &str) -> String {
    let targets = filter.split(',').filter_map(|directive| directive.split(['=', '[']).next());
    let libraries: Vec<String> = targets.map(|target| format!("{}::", target.trim())).collect();
    let is_named = |directive: &&str| libraries.iter().any(|library| directive.starts_with(library));
    QUIET.split(',').filter(|directive| !is_named(directive)).collect::<Vec<_>>().join(",")
}

/// Selects the spans that become traces: those of the program and of handlers, not those of its libraries.
fn own_spans() -> Targets {
    let quiet: Targets = QUIET.parse().unwrap_or_default();
    quiet.with_default(LevelFilter::INFO)
}

/// Keeps log lines out of the traces: the log shows the trace id of each line.
fn spans_only() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    FilterFn::new(|metadata: &Metadata<'_>| metadata.is_span()).with_max_level_hint(LevelFilter::INFO)
}

/// Logs a panic as an event: the lines that the standard hook prints are not JSON.
fn log_panic(info: &PanicHookInfo<'_>) {
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

    fn under<T>(filter: &str, check: impl FnOnce() -> T) -> T {
        with_default(Registry::default().with(filtered(filter).env_filter().unwrap()), check)
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        let problems = filtered("info,longshore=loud").validate();
        assert!(problems[0].message().starts_with("not a log filter"), "{problems:?}");
        assert_eq!(filtered("info,longshore=debug").validate(), []);
        assert_eq!(filtered("").validate(), []);
    }

    #[test]
    fn by_default_nothing_below_info_costs_more_than_a_comparison() {
        let hint = Settings::default().env_filter().unwrap().max_level_hint();
        assert_eq!(hint, Some(LevelFilter::INFO));
    }

    #[test]
    fn libraries_stay_at_warn_even_at_debug() {
        under("debug", || {
            assert!(enabled!(target: "longshore::consumer", Level::DEBUG));
            assert!(!enabled!(target: "aws_sdk_sqs::operation::receive_message", Level::DEBUG));
            assert!(!enabled!(target: "aws_smithy_runtime::client::orchestrator", Level::DEBUG));
            assert!(!enabled!(target: "aws_sigv4::http_request::sign", Level::DEBUG));
            assert!(!enabled!(target: "hyper_util::client", Level::INFO));
            assert!(!enabled!(target: "aws_config::imds::region", Level::WARN));
            assert!(!enabled!(target: "aws_config::meta::credentials::chain", Level::WARN));
            assert!(!enabled!(target: "aws_config::profile::credentials", Level::WARN));
            assert!(!enabled!(target: "aws_config::sts::assume_role", Level::WARN));
            assert!(!enabled!(target: "aws_config::web_identity_token", Level::WARN));
            assert!(enabled!(target: "aws_config::profile", Level::WARN));
        });
        for asked in ["info,aws_config=warn", "info,aws_config::profile::credentials=warn"] {
            under(asked, || {
                assert!(enabled!(target: "aws_config::profile::credentials", Level::WARN), "{asked}");
            });
        }
        under("info", || {
            assert!(enabled!(target: "aws_config::ecs", Level::WARN));
        });
    }

    #[test]
    fn no_value_acts_on_a_terminal() {
        let written = tempfile::NamedTempFile::new().unwrap();
        let writer =
            EscapedLines { form: LineForm::ColouredText, inner: Arc::new(written.reopen().unwrap()) };
        let layer = fmt::layer().with_ansi(true).with_writer(writer);
        with_default(Registry::default().with(layer), || {
            let hostile = "\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\r";
            tracing::info!(plain = hostile, shown = %hostile, debug = ?hostile, "logged {hostile}");
        });
        let line = std::fs::read_to_string(written.path()).unwrap();
        let acts =
            |part: &str| part.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\r']) || part.contains("\u{1b}[2J");
        assert!(!acts(&line), "{line:?}");
        assert!(line.contains("\u{1b}["), "the colours of the line are kept: {line:?}");
    }

    #[test]
    fn a_library_that_the_filter_names_is_logged() {
        under("info,aws_sdk_sqs=debug", || {
            assert!(enabled!(target: "aws_sdk_sqs::operation::receive_message", Level::DEBUG));
        });
    }
}
