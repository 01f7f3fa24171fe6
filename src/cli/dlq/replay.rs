//! `longshore dlq replay`: gives one message of a DLQ to a handler, and settles nothing.

use std::borrow::Cow;

use clap::Args;

use super::{
    options::{DlqOptions, OpenedDlq},
    show::no_such_message,
    unavailable,
};
use crate::{
    cli::output::{self, Exit, Failure},
    config::{self, QueueSettings},
    dead_letters,
    handler::{
        self, AnyHandler, Outcome,
        http::{HttpHandler, Settings as HttpSettings},
    },
    queue::sqs::is_without_scheme,
    settings::hide,
    stop::Stop,
    telemetry::logs::one_line,
};

/// Posts one message to a handler as a worker would, prints the outcome, and leaves the message where it is
///
/// The exit code is 0 if the handler is done with it, 69 if it is not available, and 75 for every other outcome.
#[derive(Args, Debug)]
pub(super) struct DlqReplay {
    #[command(flatten)]
    dlq: DlqOptions,
    /// The id of the message
    #[arg(long = "message", value_name = "ID")]
    id: String,
    /// The URL to post to, or an address such as 127.0.0.1:8080 [default: that of the queue's configured handler]
    #[arg(long, value_name = "URL")]
    handler: Option<String>,
}

impl DlqReplay {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        let OpenedDlq { location, queue, .. } = self.dlq.open().await?;
        let name = location.source_name().unwrap_or_else(|| location.name());
        let handler = handler_of(&queue, self.handler.as_deref(), &name)?;
        let replayed = dead_letters::replay(location.dlq, &self.id, &handler, &stop).await;
        match replayed.map_err(|error| unavailable(&error))? {
            Some(outcome) => shown(outcome),
            None => Err(no_such_message(&self.id)),
        }
    }
}

/// The handler of the queue's settings, at the URL where one is given, or else one with the default settings.
fn handler_of(queue: &QueueSettings, url: Option<&str>, name: &str) -> Result<AnyHandler, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::new(Exit::Usage, error.to_string());
    let configured = match &queue.handler {
        Some(handler::Settings::Http(http)) => Some(http.clone()),
        _ => None,
    };
    let settings = match (configured, url) {
        (configured, Some(url)) => {
            let given = HttpSettings::new(with_scheme(url)).map_err(|error| usage(&error))?;
            configured.map_or(given.clone(), |http| HttpSettings { url: given.url, ..http })
        }
        (Some(http), None) => http,
        (None, None) => {
            return Err(Failure::new(Exit::Usage, "the queue has no http handler").hint("give --handler URL"));
        }
    };
    let handler = HttpHandler::with_variables(settings, name, &config::variable);
    Ok(handler.map_err(|error| usage(&error))?.into())
}

/// The URL for an address without a scheme, as `run --handler` takes it.
fn with_scheme(address: &str) -> Cow<'_, str> {
    if is_without_scheme(address) { format!("http://{address}").into() } else { address.into() }
}

fn shown(outcome: Outcome) -> Result<(), Failure> {
    let (exit, text) = match outcome {
        Outcome::Done => return output::print_line("done"),
        Outcome::Retry(reason) => (Exit::Unfinished, format!("retry: {reason}")),
        Outcome::RetryIn(delay, reason) => (Exit::Unfinished, format!("retry in {delay:?}: {reason}")),
        Outcome::Reject(reason) => (Exit::Unfinished, format!("reject: {reason}")),
        Outcome::Unavailable { reason, .. } | Outcome::Down(reason) => {
            (Exit::Unavailable, format!("the handler is not available: {reason}"))
        }
        Outcome::Crashed(reason) => (Exit::Unfinished, format!("the handler ended: {reason}")),
        Outcome::ShortOfResources(reason) => (Exit::Internal, reason),
    };
    output::print_line(&one_line(&hide(&text)))?;
    Err(Failure::new(exit, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme() {
        for (given, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("localhost:81/path", "http://localhost:81/path"),
            ("https://h/", "https://h/"),
        ] {
            assert_eq!(HttpSettings::new(with_scheme(given)).unwrap().url.as_str(), url);
        }
        assert!(HttpSettings::new(with_scheme("nowhere")).is_err());
    }
}
