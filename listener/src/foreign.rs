//! Recognizes the requests that a foreign web page makes a browser send.

use std::{net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, HeaderName, header, request::Parts, uri::Authority};

/// The header in which browsers name the relation of a request's page to its address.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names by which container engines give containers the host's loopback.
const CONTAINER_HOSTS: [&str; 2] = ["host.docker.internal", "host.containers.internal"];

/// A request that a foreign web page may have caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForeignRequest {
    /// The host is none of the server's names, as when a page makes its own name lead to this machine.
    Host(String),
    /// The page has another origin.
    Origin(String),
    /// The browser says that the page is of another origin.
    Site(String),
}

impl std::fmt::Display for ForeignRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(host) => write!(formatter, "the host is not a name of this server: {host}"),
            Self::Origin(origin) => write!(formatter, "the request comes from a foreign web page: {origin}"),
            Self::Site(site) => write!(formatter, "the request comes from a foreign web page: {site}"),
        }
    }
}

impl std::error::Error for ForeignRequest {}

/// The host names by which a server is addressed.
///
/// These are fine always: addresses, because a name only can be made to lead elsewhere; `localhost` and the names below
/// it; and the names by which container engines give containers the host's loopback. On an address beyond loopback, so
/// are names that no public DNS has: names without a dot, as services have in a composition, and those below `internal`.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    added: Arc<[String]>,
    beyond_loopback: bool,
}

impl AllowedHosts {
    /// The names of a server at this address, with further ones; each of these allows the names below it, too.
    pub fn at(address: IpAddr, added: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let added = added.into_iter().map(|name| normal(name.as_ref())).collect();
        Self { added, beyond_loopback: !address.to_canonical().is_loopback() }
    }

    /// Refuses a request that a foreign web page may have caused; clients that are no browsers send no origin.
    ///
    /// A page is foreign unless its origin is the address of the request or one of the added names. Without an origin
    /// the browser's `Sec-Fetch-Site` decides.
    pub fn check(&self, request: &Parts) -> Result<(), ForeignRequest> {
        let headers = &request.headers;
        let mut hosts: Vec<_> = texts(headers, &header::HOST).collect();
        hosts.extend(request.uri.authority().map(|authority| authority.as_str().to_owned()));
        for host in &hosts {
            if !self.is_own(host) {
                return Err(ForeignRequest::Host(host.clone()));
            }
        }
        let mut has_origin = false;
        for origin in texts(headers, &header::ORIGIN) {
            has_origin = true;
            if !self.is_own_page(&origin, &hosts) {
                return Err(ForeignRequest::Origin(origin));
            }
        }
        let is_foreign = |site: &String| !matches!(site.as_str(), "same-origin" | "none");
        match texts(headers, &FETCH_SITE).find(is_foreign) {
            Some(site) if !has_origin => Err(ForeignRequest::Site(site)),
            _ => Ok(()),
        }
    }

    /// True if this host, as in the header, is a name of the server.
    fn is_own(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        let is_private = !name.contains('.') || name.ends_with(".internal");
        is_address(&name)
            || name == "localhost"
            || name.ends_with(".localhost")
            || CONTAINER_HOSTS.contains(&name.as_str())
            || (self.beyond_loopback && is_private)
            || self.is_added(&name)
    }

    fn is_added(&self, name: &str) -> bool {
        self.added.iter().any(|added| {
            name.strip_suffix(added.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// True if a page of this origin was served at the host of the request, or at an added name.
    fn is_own_page(&self, origin: &str, hosts: &[String]) -> bool {
        let Some((scheme, page)) = origin.split_once("://") else { return false };
        let Some(name) = name_of(page) else { return false };
        let default_port = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
        let place = |host: &str| {
            let port = host.parse::<Authority>().ok()?.port_u16().unwrap_or(default_port);
            Some((name_of(host)?, port))
        };
        self.is_added(&name) || hosts.iter().any(|host| place(host) == place(page))
    }
}

fn texts(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The name in a host with or without a port.
fn name_of(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok().filter(|_| !host.contains('@'))?;
    Some(normal(authority.host()))
}

/// A name without the dot of the root, in lowercase.
fn normal(name: &str) -> String {
    name.trim_matches('.').to_ascii_lowercase()
}

fn is_address(name: &str) -> bool {
    name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const LOOPBACK: &str = "127.0.0.1";
    const EVERYWHERE: &str = "0.0.0.0";

    fn hosts(address: &str, added: &[&str]) -> AllowedHosts {
        AllowedHosts::at(address.parse().unwrap(), added)
    }

    fn check(hosts: &AllowedHosts, uri: &str, headers: &[(&str, &str)]) -> Result<(), ForeignRequest> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hosts.check(&request.body(()).unwrap().into_parts().0)
    }

    fn allows(hosts: &AllowedHosts, host: &str) -> bool {
        check(hosts, "/", &[("Host", host)]).is_ok()
    }

    #[test]
    fn addresses_and_loopback_names_are_always_a_servers_own() {
        for hosts in [hosts(LOOPBACK, &[]), hosts("::1", &[]), hosts(EVERYWHERE, &[])] {
            for host in [
                "127.0.0.1:9324",
                "10.0.0.7",
                "[::1]:9324",
                "[::1]",
                "localhost",
                "LOCALHOST:80",
                "localhost.",
                "sqs.localhost:1",
                "host.docker.internal:9324",
            ] {
                assert!(allows(&hosts, host), "{host} at {hosts:?}");
            }
            for host in [
                "evil.example",
                "evil.example:9324",
                "127.0.0.1.evil.example",
                "localhost.evil.example",
                "notlocalhost.com",
                "",
                "a b",
                "user@localhost",
                "1.2.3.4.5",
            ] {
                assert!(!allows(&hosts, host), "{host:?} at {hosts:?}");
            }
        }
    }

    #[test]
    fn names_that_no_public_dns_has_are_fine_beyond_loopback_only() {
        for host in ["emulator:9324", "sqs", "worker.internal:80"] {
            assert!(
                allows(&hosts(EVERYWHERE, &[]), host) && allows(&hosts("192.168.1.5", &[]), host),
                "{host}"
            );
            assert!(
                !allows(&hosts(LOOPBACK, &[]), host) && !allows(&hosts("::ffff:127.0.0.1", &[]), host),
                "{host}"
            );
        }
    }

    #[test]
    fn an_added_name_allows_the_names_below_it_too() {
        let hosts = hosts(LOOPBACK, &["Localstack.Cloud.", "emulator"]);
        for host in ["localstack.cloud", "sqs.localstack.cloud:4566", "emulator:9324", "EMULATOR."] {
            assert!(allows(&hosts, host), "{host}");
        }
        for host in ["notlocalstack.cloud", "localstack.cloud.evil.example", "cloud"] {
            assert!(!allows(&hosts, host), "{host}");
        }
    }

    #[test]
    fn a_request_without_a_browsers_headers_is_fine() {
        assert_eq!(check(&hosts(LOOPBACK, &[]), "/", &[]), Ok(()), "HTTP/1.0");
        assert_eq!(
            check(&hosts(LOOPBACK, &[]), "/", &[("Host", "127.0.0.1:9324"), ("User-Agent", "aws-cli")]),
            Ok(())
        );
    }

    #[test]
    fn every_host_of_a_request_is_checked() {
        let hosts = hosts(LOOPBACK, &[]);
        let own = ("Host", "localhost");
        assert!(check(&hosts, "/", &[own, ("Host", "evil.example")]).is_err());
        assert!(check(&hosts, "http://evil.example/", &[own]).is_err());
        assert_eq!(check(&hosts, "http://localhost/", &[own]), Ok(()));
    }

    #[test]
    fn only_a_page_of_the_same_origin_or_of_an_added_name_may_send_requests() {
        let hosts = hosts(LOOPBACK, &["app.example"]);
        for (origin, is_fine) in [
            ("http://localhost:9324", true),
            ("http://LOCALHOST:9324", true),
            ("http://app.example:3000", true),
            ("https://shop.app.example", true),
            ("http://localhost:3000", false),
            ("http://localhost", false),
            ("http://127.0.0.1:9324", false),
            ("https://evil.example", false),
            ("https://evilapp.example", false),
            ("null", false),
            ("", false),
        ] {
            // An allowed page's site is cross-site to the browser.
            let headers = [("Host", "localhost:9324"), ("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
            let headers = if origin.contains("LOCALHOST") { &headers[..2] } else { &headers[..] };
            assert_eq!(check(&hosts, "/", headers).is_ok(), is_fine, "{origin}");
        }
        assert_eq!(check(&hosts, "/", &[("Host", "localhost"), ("Origin", "http://localhost:80")]), Ok(()));
    }

    #[test]
    fn without_an_origin_the_browsers_statement_counts() {
        for (site, is_fine) in
            [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true), ("", false)]
        {
            let headers = [("Host", "localhost:9324"), ("Sec-Fetch-Site", site)];
            assert_eq!(check(&hosts(LOOPBACK, &[]), "/", &headers).is_ok(), is_fine, "{site}");
        }
    }
}
