//! A client of a worker's admin server, for the commands that ask a running worker.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::Value;
use url::Url;

use super::{
    healthcheck::reachable,
    options::AwsOptions,
    output::{Exit, Failure},
};
use crate::{
    config::{self, Purpose},
    error_chain::message_with_causes,
    net,
    settings::hide,
};

/// The time limit of a request.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The longest part of an answer that is quoted.
const QUOTED: usize = 200;

/// The worker that a command asks.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct WorkerOptions {
    /// The address of the worker's admin server: host:port, or an http URL [default: the configured admin.listen]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<WorkerAddress>,
    /// The configuration file that names admin.listen [default: longshore.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl WorkerOptions {
    /// The client of the given server, or else of the configured one.
    pub(super) fn client(&self) -> Result<WorkerClient, Failure> {
        let address = match &self.admin {
            Some(address) => address.clone(),
            None => WorkerAddress::configured(self.config.clone())?,
        };
        WorkerClient::new(address)
    }
}

/// The address of an admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkerAddress(Url);

impl WorkerAddress {
    /// The address of the configuration, on loopback where it is every address.
    pub(super) fn configured(file: Option<PathBuf>) -> Result<Self, Failure> {
        let config = config::load(&AwsOptions::default().sources(file), Purpose::Inspect)?;
        Self::of_socket(config.settings.admin.listen)
    }

    fn of_socket(listen: SocketAddr) -> Result<Self, Failure> {
        reachable(listen).to_string().parse().map_err(|error: String| Failure::new(Exit::Internal, error))
    }

    /// The address without its scheme.
    pub(super) fn shown(&self) -> String {
        hide(self.0.as_str()).trim_start_matches("http://").trim_end_matches('/').to_owned()
    }
}

impl FromStr for WorkerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let not_one =
            || format!("not an address such as 127.0.0.1:9090 or http://worker:9090: {}", hide(text));
        let mut url = Url::parse(&full).map_err(|_| not_one())?;
        if url.scheme() != "http" || !url.has_host() {
            return Err(not_one());
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }
}

/// Asks one admin server.
#[derive(Clone, Debug)]
pub(super) struct WorkerClient {
    address: WorkerAddress,
    http: Client,
}

/// An answer in JSON with its status.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WorkerAnswer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl WorkerAnswer {
    /// The error that the body names, or else the status.
    pub(super) fn error(&self) -> String {
        self.body["error"].as_str().map_or_else(|| self.status.to_string(), str::to_owned)
    }
}

impl WorkerClient {
    /// A client, which has asked nothing yet.
    pub(super) fn new(address: WorkerAddress) -> Result<Self, Failure> {
        // A proxy of the environment is for other requests than those to a worker.
        net::provide_tls();
        let http = Client::builder()
            .tls_certs_only([])
            .no_proxy()
            .redirect(Policy::none())
            .timeout(TIME_LIMIT)
            .build();
        let http = http.map_err(|error| Failure::new(Exit::Internal, message_with_causes(&error)))?;
        Ok(Self { address, http })
    }

    /// Requests a page, by the segments of its path.
    pub(super) async fn get(&self, path: &[&str]) -> Result<WorkerAnswer, String> {
        self.send(self.http.get(self.url(path))).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.address.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<WorkerAnswer, String> {
        let answer = request.send().await.map_err(|error| message_with_causes(&error.without_url()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| message_with_causes(&error.without_url()))?;
        let body = serde_json::from_str(&text).map_err(|_| {
            let quoted = &text[..text.floor_char_boundary(QUOTED.min(text.len()))];
            format!("{status}, and no JSON: {quoted:?}")
        })?;
        Ok(WorkerAnswer { status, body })
    }

    /// The failure of a command whose request had no answer.
    pub(super) fn unreachable(&self, error: &str) -> Failure {
        Failure::new(Exit::Unavailable, format!("no answer from {}: {error}", self.address.shown()))
            .hint("give the address of the worker's admin server with --admin")
    }
}

/// A text of a worker without the control characters that would change the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{FFFD}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_an_http_url() {
        for (text, url) in [
            ("127.0.0.1:9090", "http://127.0.0.1:9090/"),
            ("worker:9090", "http://worker:9090/"),
            ("[::1]:9090", "http://[::1]:9090/"),
            ("http://worker:9090/longshore", "http://worker:9090/longshore/"),
        ] {
            let address: WorkerAddress = text.parse().unwrap();
            assert_eq!(address.0.as_str(), url, "{text}");
        }
        for wrong in ["https://worker", "", "ftp://x", "worker:port"] {
            assert!(wrong.parse::<WorkerAddress>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_message_id_stays_one_segment_of_the_path() {
        let client = WorkerClient::new("worker:9090/proxied".parse().unwrap()).unwrap();
        let url = client.url(&["messages", "../status?x#y"]);
        assert_eq!(url.as_str(), "http://worker:9090/proxied/messages/..%2Fstatus%3Fx%23y");
        assert_eq!(client.address.shown(), "worker:9090/proxied");
    }
}
