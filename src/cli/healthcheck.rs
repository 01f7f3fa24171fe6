//! `longshore healthcheck`: sends a request to the admin server, for containers without a shell.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use url::{Position, Url};

use super::{
    options::AwsOptions,
    output::{self, Exit, Failure},
};
use crate::{
    config::{self, Purpose},
    settings::hide,
};

/// The time limit of connecting and of each read; Docker's own limit is 30 s by default.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// The longest answer that is read.
const ANSWER_BYTES: u64 = 64 * 1024;

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
        let answer = request(&url).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("no answer from {}: {error}", hide(url.as_str())))
        })?;
        evaluate(&answer)
    }
}

fn configured(file: Option<PathBuf>) -> Result<Url, Failure> {
    let config = config::load(&AwsOptions::default().sources(file), Purpose::Inspect)?;
    let url = format!("http://{}/livez", reachable(config.settings.admin.listen));
    Url::parse(&url).map_err(|error| Failure::new(Exit::Internal, format!("not a URL: {url}: {error}")))
}

/// Sends the request without an HTTP library, which would take longer to start than the whole request.
fn request(url: &Url) -> io::Result<String> {
    let mut stream = connect(&url.socket_addrs(|| None)?)?;
    stream.set_read_timeout(Some(TIME_LIMIT))?;
    stream.set_write_timeout(Some(TIME_LIMIT))?;
    let (path, host) = (url.path(), &url[Position::BeforeHost..Position::AfterPort]);
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = format!("GET {path}{query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
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

fn evaluate(answer: &str) -> Result<(), Failure> {
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    match (answer.starts_with("HTTP/1."), status) {
        (true, "200") => output::print_line("healthy"),
        (true, status) => Err(Failure::new(Exit::Unavailable, format!("unhealthy: {status}: {body}"))),
        (false, _) => Err(Failure::new(Exit::Unavailable, "the answer is not HTTP")),
    }
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
        assert_eq!(connect(&[closed]).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(connect(&[]).is_err());
    }

    #[test]
    fn only_200_is_healthy() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\n{\"silent\":[]}";
        let failure = evaluate(answer).unwrap_err();
        assert_eq!(
            (failure.exit(), failure.to_string()),
            (Exit::Unavailable, "unhealthy: 503: {\"silent\":[]}".to_owned())
        );
        assert!(evaluate("SSH-2.0-OpenSSH 200").is_err());
        assert!(evaluate("").is_err());
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
