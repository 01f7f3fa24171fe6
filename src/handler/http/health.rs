//! Probes of the handler: a bare connection, with TLS where it has any, and a `GET` of its `health` where that is set.

use reqwest::{Client, StatusCode, header::HeaderMap};
use tokio::time::timeout;
use url::Url;

use super::{HttpError, Settings, client, settings::shown};
use crate::{
    duration::Span,
    handler::Unavailable,
    net,
    settings::{Problem, hide, not_allowed},
    shortage::Shortage,
};

/// The statuses by which a handler says that it is well: those that Kubernetes takes for a probe's success.
fn is_well(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// The probe of one handler.
#[derive(Debug)]
pub(super) struct Probe {
    url: Url,
    /// The address of `health`, if it is set.
    health: Option<Url>,
    limit: Span,
    /// Opens connections with TLS, if the handler has any.
    opener: Option<Client>,
}

impl Probe {
    /// The probe by valid settings.
    pub(super) fn of(settings: &Settings) -> Result<Self, HttpError> {
        let health = settings.health.as_deref().and_then(|text| address(&settings.url, text));
        let has_tls = settings.url.scheme() == "https";
        let opener = has_tls.then(|| client::build_opener(settings)).transpose()?;
        Ok(Self { url: settings.url.clone(), health, limit: settings.connect_timeout, opener })
    }

    /// True if the probe asks for more than a connection.
    pub(super) fn asks(&self) -> bool {
        self.health.is_some()
    }

    /// Opens a connection, and then sends the `GET`; each has the time limit.
    ///
    /// The connection comes first, because the client may have one already, and a worker that is short of descriptors
    /// must find out if it gets another.
    pub(super) async fn run(&self, client: &Client, headers: &HeaderMap) -> Result<(), Unavailable> {
        self.connect().await?;
        match &self.health {
            Some(health) => self.get(health, client, headers).await,
            None => Ok(()),
        }
    }

    async fn connect(&self) -> Result<(), Unavailable> {
        if let Some(opener) = &self.opener {
            return self.open(opener).await;
        }
        match timeout(self.limit.0, net::connect(&self.url)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                Err(client::no_connection(Shortage::of(&error), Some(&self.url), &error.to_string()))
            }
            Err(_) => {
                let handler = client::at(&self.url);
                Err(Unavailable::Down(format!("no connection to the handler{handler} within {}", self.limit)))
            }
        }
    }

    /// Without the handshake every call would fail that the probe has let start, each at the cost of a receive.
    async fn open(&self, opener: &Client) -> Result<(), Unavailable> {
        match opener.head(self.url.clone()).send().await {
            Err(error) if !client::was_opened(&error) => Err(client::unanswered(&error)),
            _ => Ok(()),
        }
    }

    async fn get(&self, health: &Url, client: &Client, headers: &HeaderMap) -> Result<(), Unavailable> {
        let mut request = client.get(health.clone());
        if health.origin() == self.url.origin() {
            // Another server gets no credential of the handler's.
            request = request.headers(headers.clone());
        }
        let asked = async {
            let response = request.send().await.map_err(|error| client::unanswered(&error))?;
            let status = response.status();
            if is_well(status) {
                // The body is read for the sake of the connection alone.
                drop(client::drop_body(response).await);
                return Ok(());
            }
            Err(Unavailable::Down(format!("{} answered {status}", shown(health))))
        };
        let late = || Unavailable::Down(format!("no answer from {} within {}", shown(health), self.limit));
        timeout(self.limit.0, asked).await.unwrap_or_else(|_| Err(late()))
    }
}

/// The address that `health` names: a path on the handler's own server, or a URL.
fn address(handler: &Url, health: &str) -> Option<Url> {
    if !health.starts_with('/') {
        let url = Url::parse(health).ok()?;
        let is_fit = matches!(url.scheme(), "http" | "https") && url.has_host();
        return is_fit.then_some(url);
    }
    let (path, query) = health.split_once('?').map_or((health, None), |(path, query)| (path, Some(query)));
    let mut url = handler.clone();
    url.set_path(path);
    url.set_query(query);
    Some(url)
}

/// Finds a `health` that is neither a path nor a URL that the handler's client can ask.
pub(super) fn validate(settings: &Settings) -> Option<Problem> {
    let health = settings.health.as_deref()?;
    let problem = |allowed: &str| Some(not_allowed("health", hide(health), allowed));
    match address(&settings.url, health) {
        None => problem("a path that begins with /, or an http or https url"),
        Some(url) if url.scheme() == "https" && settings.url.scheme() == "http" => {
            problem("an http url, as the url is one")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health_of(url: &str, health: &str) -> Option<String> {
        address(&Url::parse(url).unwrap(), health).map(String::from)
    }

    #[test]
    fn a_path_is_one_of_the_handlers_server_and_a_url_is_taken_as_it_is() {
        let url = "http://name:secret@host:8080/jobs?x=1";
        for (health, address) in [
            ("/healthz", "http://name:secret@host:8080/healthz"),
            ("/healthz?deep=1", "http://name:secret@host:8080/healthz?deep=1"),
            ("//elsewhere/x", "http://name:secret@host:8080//elsewhere/x"),
            ("http://host:8081/ok", "http://host:8081/ok"),
        ] {
            assert_eq!(health_of(url, health).as_deref(), Some(address), "{health}");
        }
    }

    #[test]
    fn anything_else_is_a_problem() {
        let settings = |url: &str, health: &str| Settings {
            health: Some(health.to_owned()),
            ..Settings::new(url).unwrap()
        };
        for health in ["", "healthz", "ftp://host/", "host:8080/x", "https://host/"] {
            assert!(validate(&settings("http://host/", health)).is_some(), "{health}");
        }
        for (url, health) in [("http://h/", "/"), ("https://h/", "https://h/x"), ("https://h/", "http://h/x")]
        {
            assert_eq!(validate(&settings(url, health)), None, "{health}");
        }
        let shown = validate(&settings("http://h/", "http:/u:hunter2@h/")).map(|problem| problem.to_string());
        assert!(shown.is_none_or(|shown| !shown.contains("hunter2")));
    }
}
