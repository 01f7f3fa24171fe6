//! Settings of the `http` kind.

use std::{path::PathBuf, time::Duration};

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{HttpError, health, own_headers::OwnHeaders, tls};
use crate::{
    duration::Span,
    settings::{Problem, hide, not_allowed},
};

/// The statuses that may mean a failure.
const NOT_2XX: &str = "a status that is not a 2xx, which always means done";

/// Settings of an HTTP handler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The URL that messages are posted to; `http` or `https`.
    #[cfg_attr(feature = "cli", schemars(with = "String", example = "http://127.0.0.1:8080/"))]
    pub(crate) url: Url,
    /// The `Content-Type` of the requests with one message each; a batch is always `application/json`.
    #[serde(default = "content_type")]
    pub(crate) content_type: String,
    /// The `User-Agent` of every request; absent, sqsd's and Longshore's: `aws-sqsd/3.0 longshore/` and the version.
    #[serde(default)]
    pub(crate) user_agent: Option<String>,
    /// Further headers of every request. In a value `${NAME}` stands for a variable of Longshore's own environment, `${file:/path}` for a file's text without the line break at its end, and `$${` for `${` itself; both are read at the start. Values are never shown.
    #[serde(default)]
    pub(crate) headers: OwnHeaders,
    /// `true` posts each message as a CloudEvent in binary mode: an event in the body gives its headers `ce-…` and its data, and any other message becomes the data of an event of the type `com.amazon.sqs.message`.
    #[serde(default)]
    pub(crate) cloudevents: bool,
    /// The path on the handler's server, or the URL, that a probe gets: the handler is available when it answers a 2xx or 3xx. Absent, a connection is enough.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(example = "/healthz"))]
    pub(crate) health: Option<String>,
    /// The time limit of a connection, and of a probe's request.
    #[serde(default = "connect_timeout")]
    pub(crate) connect_timeout: Span,
    /// The time limit of one call from its first byte to its last; absent, the queue's `timeout` alone limits it.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Further statuses that mean done; every 2xx does already.
    #[serde(default)]
    pub(crate) success: Vec<u16>,
    /// Statuses that mean reject: the message is copied to the DLQ and deleted.
    #[serde(default)]
    pub(crate) reject: Vec<u16>,
    /// Statuses that mean that the handler is not available: after three such calls in a row it counts as down, polling pauses, and no receive is spent. `success` and `reject` go before it.
    #[serde(default = "down")]
    pub(crate) down: Vec<u16>,
    /// `true` lets the answer to a batch reject single messages, by `"outcome": "reject"`; otherwise they are retried.
    #[serde(default)]
    pub(crate) reject_items: bool,
    /// `true` posts Elastic Beanstalk's periodic tasks to the paths that they name on the server of `url`; otherwise they are posted to `url`, because whoever may send a message can write such a task.
    #[serde(default)]
    pub(crate) periodic: bool,
    /// The file of the certificates that an `https` handler is trusted by, in PEM; absent, the system's and those of `AWS_CA_BUNDLE`.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// The file of the certificate that Longshore shows an `https` handler, with its chain, in PEM.
    #[serde(default)]
    pub(crate) client_cert_file: Option<PathBuf>,
    /// The file of that certificate's private key, in PEM; absent, it is in `client_cert_file`.
    #[serde(default)]
    pub(crate) client_key_file: Option<PathBuf>,
}

fn content_type() -> String {
    "application/json".to_owned()
}

/// The statuses by which proxies and load balancers say that no server is available.
fn down() -> Vec<u16> {
    vec![502, 503, 504]
}

fn connect_timeout() -> Span {
    Span::secs(5)
}

impl Settings {
    /// The defaults for this URL, `http` or `https`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use longshore::handler::http::{HttpHandler, Settings};
    ///
    /// let settings = Settings::new("http://127.0.0.1:8080/")?.timeout(Duration::from_secs(30)).reject([422]);
    /// let handler = HttpHandler::new(settings, "orders")?;
    /// # Ok::<(), longshore::handler::http::HttpError>(())
    /// ```
    pub fn new(url: impl AsRef<str>) -> Result<Self, HttpError> {
        let url = url.as_ref();
        let parsed = Url::parse(url);
        parsed.map(Self::of_url).map_err(|error| HttpError::Url { url: hide(url), source: error.into() })
    }

    /// The defaults for this URL.
    pub(crate) fn of_url(url: Url) -> Self {
        Self {
            url,
            content_type: content_type(),
            user_agent: None,
            headers: OwnHeaders::default(),
            cloudevents: false,
            health: None,
            connect_timeout: connect_timeout(),
            timeout: None,
            success: Vec::new(),
            reject: Vec::new(),
            down: down(),
            reject_items: false,
            periodic: false,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
        }
    }

    /// Sets the `Content-Type` of requests with one message; default: `application/json`.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Sets the `User-Agent`; default: sqsd's and Longshore's, `aws-sqsd/3.0 longshore/` and the version.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Posts each message as a `CloudEvent` in binary mode; by default as it is.
    #[must_use]
    pub fn cloudevents(mut self) -> Self {
        self.cloudevents = true;
        self
    }

    /// Adds a header to every request, with this value as it is; it is never shown.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<str>) -> Self {
        self.headers.add(name.into(), value.as_ref());
        self
    }

    /// Sets the path on the handler's server, or the URL, that a probe gets: the handler is available when it answers a
    /// 2xx or 3xx; default: a connection is enough.
    #[must_use]
    pub fn health(mut self, path_or_url: impl Into<String>) -> Self {
        self.health = Some(path_or_url.into());
        self
    }

    /// Sets the time limit of a connection, and of a probe's request; default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Span(limit);
        self
    }

    /// Sets the time limit of one request; default: the queue's time limit alone.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(Span(limit));
        self
    }

    /// Adds statuses that mean done; every 2xx does already.
    #[must_use]
    pub fn success(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.success.extend(statuses);
        self
    }

    /// Adds statuses that mean reject.
    #[must_use]
    pub fn reject(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.reject.extend(statuses);
        self
    }

    /// Sets the statuses that mean that the handler is not available; default: 502, 503 and 504.
    #[must_use]
    pub fn down(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.down = statuses.into_iter().collect();
        self
    }

    /// Lets the answer to a batch reject single messages, by `"outcome": "reject"`; otherwise they are retried.
    #[must_use]
    pub fn reject_items(mut self) -> Self {
        self.reject_items = true;
        self
    }

    /// Posts Elastic Beanstalk's periodic tasks to the paths that they name; otherwise they are posted to the URL.
    #[must_use]
    pub fn periodic(mut self) -> Self {
        self.periodic = true;
        self
    }

    /// Trusts only the certificates of this file, in PEM; default: the system's and those of `AWS_CA_BUNDLE`.
    #[must_use]
    pub fn ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(file.into());
        self
    }

    /// Shows the handler the certificate of this file, with the private key of the other, both in PEM.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        (self.client_cert_file, self.client_key_file) = (Some(certificate.into()), Some(key.into()));
        self
    }

    /// The URL without its name and password, for display and logs.
    pub(crate) fn shown_url(&self) -> String {
        shown(&self.url)
    }

    /// Finds every invalid value.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.validate_url(&mut problems);
        self.validate_times(&mut problems);
        let texts = [
            (
                "content_type",
                Some(&self.content_type),
                "a media type in printable ascii, such as application/json",
            ),
            ("user_agent", self.user_agent.as_ref(), "printable ascii, such as aws-sqsd/3.0"),
        ];
        for (key, text, allowed) in texts {
            let is_broken = |text: &&String| HeaderValue::from_str(text).is_err() || text.trim().is_empty();
            problems
                .extend(text.filter(is_broken).map(|text| not_allowed(key, format!("{text:?}"), allowed)));
        }
        problems.extend(self.headers.validate(&self.url));
        problems.extend(health::validate(self));
        self.validate_statuses(&mut problems);
        problems.extend(tls::validate(self));
        problems
    }

    fn validate_url(&self, problems: &mut Vec<Problem>) {
        let has_host = self.url.host_str().is_some_and(|host| !host.is_empty());
        if !matches!(self.url.scheme(), "http" | "https") || !has_host {
            let allowed = "an http or https url with a host, such as http://127.0.0.1:8080/";
            problems.push(not_allowed("url", self.shown_url(), allowed));
        }
    }

    fn validate_times(&self, problems: &mut Vec<Problem>) {
        let allowed = "longer than 0s";
        if self.connect_timeout.0.is_zero() {
            problems.push(not_allowed("connect_timeout", self.connect_timeout.to_string(), allowed));
        }
        if let Some(timeout) = self.timeout.filter(|timeout| timeout.0.is_zero()) {
            problems.push(not_allowed("timeout", timeout.to_string(), allowed));
        }
    }

    fn validate_statuses(&self, problems: &mut Vec<Problem>) {
        for (key, statuses) in [("success", &self.success), ("reject", &self.reject), ("down", &self.down)] {
            for status in statuses.iter().filter(|status| !(100..=599).contains(*status)) {
                problems.push(not_allowed(key, status.to_string(), "a status from 100 to 599"));
            }
        }
        for status in self.down.iter().filter(|status| (200..=299).contains(*status)) {
            problems.push(not_allowed("down", status.to_string(), NOT_2XX));
        }
        for status in &self.reject {
            if (200..=299).contains(status) {
                problems.push(not_allowed("reject", status.to_string(), NOT_2XX));
            } else if self.success.contains(status) {
                let allowed = "a status that success does not list too";
                problems.push(not_allowed("reject", status.to_string(), allowed));
            }
        }
    }
}

/// A URL without its name and password, for display and logs.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let hidden = url.set_username("").and_then(|()| url.set_password(None));
    hidden.map_or_else(|()| format!("{}:…", url.scheme()), |()| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings::new(url).unwrap()
    }

    fn keys(settings: &Settings) -> Vec<String> {
        settings.validate().into_iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn the_defaults_have_no_problem() {
        assert_eq!(settings("http://127.0.0.1:8080/").validate(), []);
        assert_eq!(settings("https://worker.example/jobs?x=1").validate(), []);
    }

    #[test]
    fn only_http_and_https_urls_are_allowed() {
        for url in ["ftp://host/", "unix:/run/worker.sock", "mailto:someone@example.com"] {
            assert_eq!(keys(&settings(url)), ["url"], "{url}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let problem = settings("ftp://name:hunter2@host/").validate().remove(0);
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let settings = Settings {
            content_type: "text/plain\r\nX-Injected: 1".to_owned(),
            user_agent: Some(" ".to_owned()),
            health: Some("healthz".to_owned()),
            connect_timeout: Span::secs(0),
            timeout: Some(Span::secs(0)),
            success: vec![99, 409],
            reject: vec![600, 409, 204],
            down: vec![200, 1000],
            ..settings("ftp://host/").header("X-Longshore-Deadline", "never")
        };
        let expected = "url connect_timeout timeout content_type user_agent headers.X-Longshore-Deadline health success \
                        reject down down reject reject";
        assert_eq!(keys(&settings).join(" "), expected);
    }

    #[test]
    fn a_problem_names_key_value_and_what_is_allowed() {
        let settings = Settings { reject: vec![700], ..settings("http://host/") };
        let text = settings.validate()[0].to_string();
        assert_eq!(text, "reject: not allowed: 700\n    allowed: a status from 100 to 599");
    }
}
