//! The client of a running worker's admin server, for the commands that ask or control it.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};
use url::{Position, Url};

use super::{
    options::AwsOptions,
    output::{Exit, Failure},
};
use crate::{
    config::{self, Purpose},
    duration::Span,
    settings::{Secret, hide},
    telemetry::logs::one_line,
};

/// The time limit of connecting and of each read; Docker's own limit of a health check is 30 s by default.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// The longest answer that is read.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// A request to an admin server.
pub(super) struct HttpRequest<'a> {
    url: &'a Url,
    method: &'static str,
    token: Option<&'a Secret>,
    body: String,
}

/// The answer of an admin server.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    /// The status.
    pub(super) status: u16,
    /// The body, without white space around it.
    pub(super) body: String,
}

impl<'a> HttpRequest<'a> {
    pub(super) fn get(url: &'a Url) -> Self {
        Self { url, method: "GET", token: None, body: String::new() }
    }

    /// Sends the request without an HTTP library, which would take longer to start than the whole request.
    pub(super) fn send(&self) -> Result<HttpAnswer, Failure> {
        self.answer().map_err(|reason| {
            Failure::new(Exit::Unavailable, format!("no answer from {}: {reason}", hide(self.url.as_str())))
        })
    }

    /// The answer, or the reason why there is none.
    fn answer(&self) -> Result<HttpAnswer, String> {
        let answer = self.exchange().map_err(|error| match error.kind() {
            // A read that takes too long.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("nothing within {}", Span(TIME_LIMIT)),
            _ => error.to_string(),
        })?;
        parse(&answer).ok_or_else(|| "the answer is not HTTP".to_owned())
    }

    fn exchange(&self) -> io::Result<String> {
        let mut stream = connect(&self.url.socket_addrs(|| None)?)?;
        stream.set_read_timeout(Some(TIME_LIMIT))?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        stream.write_all(self.text().as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn text(&self) -> String {
        let Self { url, method, token, body } = self;
        let target = &url[Position::BeforePath..Position::AfterQuery];
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let token = token.map(|token| format!("Authorization: Bearer {}\r\n", token.reveal()));
        let token = token.unwrap_or_default();
        let body_headers = match body.len() {
            0 => "Content-Length: 0\r\n".to_owned(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        let body_headers = if *method == "GET" { "" } else { &body_headers };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{token}{body_headers}Connection: close\r\n\r\n{body}"
        )
    }
}

/// Reads an answer, whose body ends with its connection.
fn parse(answer: &str) -> Option<HttpAnswer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()?;
    Some(HttpAnswer { status, body: body.trim().to_owned() })
}

/// Connects to the first address that accepts; `localhost` has two, and a server may listen on one of them.
fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, TIME_LIMIT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The address to connect to: loopback for a server that listens on every address.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The admin server to ask, and the token to show it.
#[derive(Args, Debug)]
pub(super) struct AdminOptions {
    /// The admin server of the worker, such as 10.0.0.7:9090 [default: the configured admin.listen]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    #[command(flatten)]
    access: AccessOptions,
}

/// The token to show admin servers, and the configuration with the defaults.
#[derive(Args, Debug)]
pub(super) struct AccessOptions {
    /// The worker's admin.token [default: that of the configuration]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The configuration file that names admin.listen and admin.token
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The address and the token of the admin server where no other address is given.
pub(super) struct AdminAccess {
    pub(super) address: String,
    token: Option<Secret>,
}

/// The answer about a message.
pub(super) struct MessageAnswer {
    /// True if the worker holds the message, or held it lately.
    pub(super) is_known: bool,
    pub(super) report: Value,
}

/// The client of one admin server.
pub(super) struct AdminClient {
    base: Url,
    token: Option<Secret>,
}

impl AccessOptions {
    /// The access by these options, and by the configuration for what they leave out.
    pub(super) fn access(self) -> Result<AdminAccess, Failure> {
        let settings =
            config::load(&AwsOptions::default().sources(self.config), Purpose::Inspect)?.settings.admin;
        Ok(AdminAccess {
            address: reachable(settings.listen).to_string(),
            token: self.token.map(Secret::new).or(settings.token),
        })
    }
}

impl AdminAccess {
    /// The client of the admin server at this address.
    pub(super) fn client(&self, address: &str) -> Result<AdminClient, Failure> {
        let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let base = Url::parse(&text).ok().filter(|url| url.scheme() == "http" && url.has_host());
        let base = base.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("not an address: {}", hide(&text)))
                .hint("such as 10.0.0.7:9090")
        })?;
        Ok(AdminClient { base, token: self.token.clone() })
    }
}

impl AdminOptions {
    /// The client by these options, and by the configuration for what they leave out.
    pub(super) fn client(self) -> Result<AdminClient, Failure> {
        let access = self.access.access()?;
        access.client(self.admin.as_deref().unwrap_or(&access.address))
    }
}

impl AdminClient {
    /// The host and the port of the server.
    pub(super) fn authority(&self) -> &str {
        &self.base[Position::BeforeHost..Position::AfterPort]
    }

    /// Asks for a page of JSON.
    pub(super) fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.request("GET", path, String::new())
    }

    /// Pauses a queue for this reason; returns its state.
    pub(super) fn pause(&self, queue: &str, reason: Option<&str>) -> Result<Value, Failure> {
        self.control(queue, "pause", &json!({ "reason": reason }))
    }

    /// Ends the pause of a queue; returns its state.
    pub(super) fn resume(&self, queue: &str) -> Result<Value, Failure> {
        self.control(queue, "resume", &json!({}))
    }

    /// Changes the most calls at once of a queue; returns its state.
    pub(super) fn scale(&self, queue: &str, concurrency: u64) -> Result<Value, Failure> {
        self.control(queue, "scale", &json!({ "concurrency": concurrency }))
    }

    fn control(&self, queue: &str, verb: &str, body: &Value) -> Result<Value, Failure> {
        self.request("POST", &["queues", queue, verb], body.to_string())
    }

    /// Asks for what the worker knows of a message.
    pub(super) fn message(&self, id: &str) -> Result<MessageAnswer, Failure> {
        let answer = self.send("GET", &["messages", id], String::new())?;
        let report: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match answer.status {
            200 => Ok(MessageAnswer { is_known: true, report }),
            // Another server's 404 has no such field.
            404 if report["reach"].is_array() => Ok(MessageAnswer { is_known: false, report }),
            status => {
                let error = report["error"].as_str().unwrap_or("no status of a message");
                let text = format!("the worker answers {status}: {}", one_line(error));
                Err(Failure::new(Exit::Unavailable, text))
            }
        }
    }

    /// Asks for the status of the worker; the reason without the address if there is none.
    pub(super) fn status(&self) -> Result<Value, String> {
        let url = self.url(&["status"]);
        let answer = HttpRequest { token: self.token.as_ref(), ..HttpRequest::get(&url) }.answer()?;
        match answer.status {
            200 => {
                serde_json::from_str(&answer.body).map_err(|error| format!("the answer is not JSON: {error}"))
            }
            status => Err(format!("the answer has the status {status}")),
        }
    }

    fn send(&self, method: &'static str, path: &[&str], body: String) -> Result<HttpAnswer, Failure> {
        HttpRequest { url: &self.url(path), method, token: self.token.as_ref(), body }.send()
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        url
    }

    fn request(&self, method: &'static str, path: &[&str], body: String) -> Result<Value, Failure> {
        let answer = self.send(method, path, body)?;
        let value: Option<Value> = serde_json::from_str(&answer.body).ok();
        match (answer.status, value) {
            (200, Some(value)) => Ok(value),
            (status, value) => {
                let error = value.as_ref().and_then(|value| value["error"].as_str()).unwrap_or(&answer.body);
                let exit = if status < 500 && status != 200 { Exit::Usage } else { Exit::Unavailable };
                Err(Failure::new(exit, format!("the worker answers {status}: {}", one_line(error))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn every_address_of_a_host_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let live = listener.local_addr().unwrap();
        let closed = SocketAddr::new(live.ip(), 1);
        assert_eq!(connect(&[closed, live]).unwrap().peer_addr().unwrap(), live);
        assert_eq!(connect(&[closed]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert!(connect(&[]).is_err());
    }

    #[test]
    fn only_http_is_an_answer() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\n{}\n").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "{}"));
        for other in ["SSH-2.0-OpenSSH 200\r\n\r\n", "", "HTTP/1.1 200 OK", "HTTP/1.1\r\n\r\n"] {
            assert!(parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_request_has_its_token_and_its_body() {
        let (url, token) = (Url::parse("http://h:1/queues/a/pause?x").unwrap(), Secret::new("t"));
        let post = HttpRequest { url: &url, method: "POST", token: Some(&token), body: "{}".to_owned() };
        assert_eq!(
            post.text(),
            "POST /queues/a/pause?x HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        );
        let get = HttpRequest::get(&url).text();
        assert_eq!(get, "GET /queues/a/pause?x HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn a_server_on_every_address_is_reached_on_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9324", "127.0.0.1:9324"),
            ("[::]:9324", "[::1]:9324"),
            ("10.0.0.7:9324", "10.0.0.7:9324"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap(), "{listen}");
        }
    }
}
