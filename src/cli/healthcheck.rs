//! `longshore healthcheck`: sends a request to the admin server, for containers without a shell.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::{
    admin_client::{HttpAnswer, HttpRequest, reachable},
    options::AwsOptions,
    output::{self, Exit, Failure},
};
use crate::{
    config::{self, Purpose},
    settings::hide,
};

/// Asks a running worker whether it is healthy: exit code 0 if it is, 69 if not
#[derive(Args, Debug)]
pub(super) struct Healthcheck {
    /// The URL to ask [default: /livez at the configured admin.listen]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// The configuration file that names admin.listen
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Healthcheck {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let url = match self.url {
            Some(url) => url,
            None => configured(self.config)?,
        };
        if url.scheme() != "http" {
            return Err(Failure::new(Exit::Usage, format!("not an http URL: {}", hide(url.as_str()))));
        }
        evaluate(&HttpRequest::get(&url).send()?)
    }
}

fn configured(file: Option<PathBuf>) -> Result<Url, Failure> {
    let config = config::load(&AwsOptions::default().sources(file), Purpose::Inspect)?;
    let url = format!("http://{}/livez", reachable(config.settings.admin.listen));
    Url::parse(&url).map_err(|error| Failure::new(Exit::Internal, format!("not a URL: {url}: {error}")))
}

fn evaluate(answer: &HttpAnswer) -> Result<(), Failure> {
    match answer.status {
        200 => output::print_line("healthy"),
        status => Err(Failure::new(Exit::Unavailable, format!("unhealthy: {status}: {}", answer.body))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_healthy() {
        let answer = HttpAnswer { status: 503, body: "{\"silent\":[]}".to_owned() };
        let failure = evaluate(&answer).unwrap_err();
        assert_eq!(
            (failure.exit(), failure.to_string()),
            (Exit::Unavailable, "unhealthy: 503: {\"silent\":[]}".to_owned())
        );
        for status in [100, 201, 204, 302, 404] {
            assert!(evaluate(&HttpAnswer { status, body: String::new() }).is_err(), "{status}");
        }
    }
}
