//! The proxies of AWS calls, by the variables that boto3 reads, and the hosts that are reached directly.

use std::{fmt, net::IpAddr, sync::Arc};

use aws_smithy_http_client::proxy::ProxyConfig;
use url::{Host, Url};

use crate::settings::{Problem, of_variable};

/// The variables with the proxies; a lower-case one has precedence, and an empty one turns the proxy off.
const PROXIES: [(&str, [&str; 2]); 2] =
    [("https", ["https_proxy", "HTTPS_PROXY"]), ("http", ["http_proxy", "HTTP_PROXY"])];
/// The variables with the hosts that are reached directly.
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// The variables with addresses of credentials, whose hosts are reached directly.
const CREDENTIAL_URLS: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
/// The networks of metadata and credentials, and of this machine.
const OWN_NETWORKS: [&str; 6] =
    ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "0.0.0.0/32"];

/// One proxy, for the URLs of one scheme. Its credentials are shown nowhere.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// The scheme of the URLs that are requested through it.
    pub(crate) scheme: &'static str,
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// Its URL, without credentials and path.
    shown: String,
    config: ProxyConfig,
}

impl Proxy {
    fn of(scheme: &'static str, variable: &'static str, text: &str) -> Result<Self, Box<Problem>> {
        let text = text.trim();
        let url = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{}", text.trim_start_matches("//"))
        };
        let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let shown = |url: &Url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
        };
        let parts = url.and_then(|url| Some((shown(&url)?, ProxyConfig::all(url.as_str()).ok()?)));
        let problem = || {
            // The value may hold a password in any form.
            Problem::general(format!("{variable} has no proxy that longshore can use"))
                .with_origin(of_variable(variable))
                .with_allowed("an http or https url, such as http://proxy:3128 (with %-escapes for what is special in a password)")
        };
        let (shown, config) = parts.ok_or_else(|| Box::new(problem()))?;
        Ok(Self { scheme, variable, shown, config })
    }

    /// The configuration for the HTTP client.
    pub(super) fn config(&self) -> ProxyConfig {
        self.config.clone()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({}: {})", self.scheme, self.shown)
    }
}

/// The proxies of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    all: Vec<Arc<Proxy>>,
    direct: Vec<DirectHosts>,
    /// The text of `NO_PROXY`.
    no_proxy: String,
    /// The entries of it that stand for no host.
    unused: Vec<String>,
}

impl Proxies {
    /// Reads the variables.
    pub(super) fn of(find: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let first = |names: [&'static str; 2]| {
            let (name, value) = names.into_iter().find_map(|name| Some((name, find(name)?)))?;
            Some((name, value)).filter(|(_, value)| !value.trim().is_empty())
        };
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for (scheme, names) in PROXIES {
            match first(names).map(|(name, value)| Proxy::of(scheme, name, &value)) {
                Some(Ok(proxy)) => all.push(Arc::new(proxy)),
                Some(Err(problem)) => problems.push(*problem),
                None => {}
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let no_proxy = first(NO_PROXY).map(|(_, value)| value).unwrap_or_default();
        let of_credentials = CREDENTIAL_URLS.iter().filter_map(|name| Url::parse(&find(name)?).ok());
        let (mut direct, mut unused) = (Vec::new(), Vec::new());
        for entry in no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match DirectHosts::of(entry) {
                Some(hosts) => direct.push(hosts),
                None => unused.push(entry.to_owned()),
            }
        }
        direct.extend(of_credentials.filter_map(|url| DirectHosts::of(url.host_str()?)));
        direct.extend(OWN_NETWORKS.iter().copied().chain(["localhost"]).filter_map(DirectHosts::of));
        Ok(Self { all, direct, no_proxy, unused })
    }

    /// The proxies.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Proxy>> {
        self.all.iter()
    }

    /// The text of `NO_PROXY`.
    pub(crate) fn no_proxy(&self) -> &str {
        &self.no_proxy
    }

    /// The entries of `NO_PROXY` that stand for no host, such as a URL.
    pub(crate) fn unused(&self) -> &[String] {
        &self.unused
    }

    /// The proxy for a request to this URL; `None` if it is sent directly.
    pub(super) fn for_url(&self, url: &str) -> Option<&Arc<Proxy>> {
        let url = Url::parse(url).ok()?;
        let proxy = self.all.iter().find(|proxy| proxy.scheme == url.scheme())?;
        let (host, port) = (url.host()?, url.port_or_known_default());
        (!self.direct.iter().any(|direct| direct.include(&host, port))).then_some(proxy)
    }
}

/// Hosts that are reached directly: an entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DirectHosts {
    All,
    /// A network, or one address, and the only port meant.
    Network {
        address: IpAddr,
        bits: u32,
        port: Option<u16>,
    },
    /// A name with all names below it, and the only port meant.
    Named {
        name: String,
        port: Option<u16>,
    },
}

impl DirectHosts {
    /// The hosts of an entry; `None` if it is neither a name, an address nor a network.
    fn of(entry: &str) -> Option<Self> {
        let (text, bits) = match entry.split_once('/') {
            Some((text, bits)) => (text, Some(bits.parse::<u32>().ok()?)),
            None => (entry, None),
        };
        let (host, port) = without_port(text)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse::<IpAddr>() {
            let width = if address.is_ipv4() { u32::BITS } else { u128::BITS };
            let bits = bits.unwrap_or(width);
            return (bits <= width).then_some(Self::Network { address, bits, port });
        }
        if host == "*" {
            return Some(Self::All);
        }
        let name = host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
        let is_name = Host::parse(&name).is_ok() && !name.contains('*') && bits.is_none();
        is_name.then_some(Self::Named { name, port })
    }

    fn include(&self, host: &Host<&str>, requested_port: Option<u16>) -> bool {
        let is_port = |port: &Option<u16>| port.is_none() || *port == requested_port;
        match (self, host) {
            (Self::All, _) => true,
            (Self::Network { address: IpAddr::V4(network), bits, port }, Host::Ipv4(address)) => {
                is_port(port) && is_prefix_equal(address.to_bits(), network.to_bits(), u32::BITS, *bits)
            }
            (Self::Network { address: IpAddr::V6(network), bits, port }, Host::Ipv6(address)) => {
                is_port(port) && is_prefix_equal(address.to_bits(), network.to_bits(), u128::BITS, *bits)
            }
            (Self::Named { name, port }, Host::Domain(host)) => {
                let rest = host.trim_end_matches('.').to_ascii_lowercase();
                let rest = rest.strip_suffix(name.as_str());
                is_port(port) && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

/// True if the first `bits` bits are equal, of addresses that have `width`.
fn is_prefix_equal(one: impl Into<u128>, other: impl Into<u128>, width: u32, bits: u32) -> bool {
    (one.into() ^ other.into()).checked_shr(width.saturating_sub(bits)).unwrap_or(0) == 0
}

/// Splits `host:port` and `[::1]:port`; a bare IPv6 address has no port. `None` if the port is no number.
fn without_port(text: &str) -> Option<(&str, Option<u16>)> {
    let is_bare_address = text.matches(':').count() > 1 && !text.starts_with('[');
    match text.rsplit_once(':') {
        Some((host, port)) if !is_bare_address && !port.ends_with(']') => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Vec<Problem>> {
        let find = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::of(&find)
    }

    fn route(variables: &[(&str, &str)], url: &str) -> Option<String> {
        proxies(variables).unwrap().for_url(url).map(ToString::to_string)
    }

    const SQS: &str = "https://sqs.eu-west-1.amazonaws.com/";

    #[test]
    fn each_scheme_has_its_proxy_and_lower_case_has_precedence() {
        let both = [("HTTPS_PROXY", "http://a:1"), ("HTTP_PROXY", "b:2")];
        assert_eq!(route(&both, SQS).as_deref(), Some("http://a:1"));
        assert_eq!(route(&both, "http://sqs.test/").as_deref(), Some("http://b:2"));
        assert_eq!(route(&[("ALL_PROXY", "http://a:1")], SQS), None, "boto3 does not read it");
        assert_eq!(route(&[("HTTP_PROXY", "http://a:1")], SQS), None);
        let lower = [("HTTPS_PROXY", "http://a:1"), ("https_proxy", "//c:3/path")];
        assert_eq!(route(&lower, SQS).as_deref(), Some("http://c:3"));
        assert_eq!(route(&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "")], SQS), None);
    }

    #[test]
    fn no_proxy_has_names_suffixes_ports_addresses_and_networks() {
        let direct = |no_proxy: &str, url: &str| {
            let variables =
                [("HTTPS_PROXY", "http://p:1"), ("HTTP_PROXY", "http://p:1"), ("NO_PROXY", no_proxy)];
            route(&variables, url).is_none()
        };
        for (no_proxy, url) in [
            ("*", SQS),
            ("sqs.eu-west-1.amazonaws.com", SQS),
            ("example.org, .amazonaws.com", SQS),
            ("amazonaws.com", SQS),
            ("*.AmazonAWS.com", SQS),
            ("amazonaws.com:443", SQS),
            ("sqs.test:9324", "http://sqs.test:9324/"),
            ("10.1.2.3", "http://10.1.2.3:9324/"),
            ("10.0.0.0/8", "http://10.1.2.3:9324/"),
            ("10.1.2.3:9324", "http://10.1.2.3:9324/"),
            ("2001:db8::/32", "http://[2001:db8::5]:9324/"),
            ("[2001:db8::5]:9324", "http://[2001:db8::5]:9324/"),
            ("2001:db8::5", "http://[2001:db8::5]/"),
            ("0.0.0.0/0", "http://10.1.2.3/"),
        ] {
            assert!(direct(no_proxy, url), "{no_proxy} {url}");
        }
        for (no_proxy, url) in [
            ("", SQS),
            (",", SQS),
            ("aws.com", SQS),
            ("eu-west-1", SQS),
            ("amazonaws.com:8443", SQS),
            ("10.0.0.0/16", "http://10.1.2.3/"),
            ("10.1.2.4", "http://10.1.2.3/"),
            ("2001:db9::/32", "http://[2001:db8::5]/"),
            ("10.0.0.0/x", "http://10.1.2.3/"),
        ] {
            assert!(!direct(no_proxy, url), "{no_proxy} {url}");
        }
    }

    #[test]
    fn entries_of_no_proxy_that_stand_for_no_host_are_known() {
        let no_proxy =
            "https://sqs.test, 10.0.0.0/33, 10.0.0.0/x, sqs.*.test, a b, sqs.test:x, ., , sqs.test, *";
        let proxies = proxies(&[("NO_PROXY", no_proxy)]).unwrap();
        let unused =
            ["https://sqs.test", "10.0.0.0/33", "10.0.0.0/x", "sqs.*.test", "a b", "sqs.test:x", "."];
        assert_eq!(proxies.unused(), unused);
    }

    #[test]
    fn metadata_credentials_and_this_machine_are_reached_directly() {
        let variables = [
            ("HTTP_PROXY", "http://p:1"),
            ("HTTPS_PROXY", "http://p:1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://credentials.internal/v1"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://metadata.internal"),
        ];
        for url in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::254]/latest",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:4566/",
            "http://[::1]:4566/",
            "http://localhost:4566/",
            "http://sqs.us-east-1.localhost.:4566/",
            "https://credentials.internal/v1",
            "http://metadata.internal/latest",
        ] {
            assert_eq!(route(&variables, url), None, "{url}");
        }
        assert!(route(&variables, "http://170.254.169.254/").is_some());
    }

    #[test]
    fn credentials_are_shown_nowhere() {
        let good = proxies(&[("HTTPS_PROXY", "http://user:hunter2@proxy:3128/")]).unwrap();
        assert_eq!(good.iter().next().unwrap().to_string(), "http://proxy:3128");
        assert!(!format!("{good:?}").contains("hunter2"), "{good:?}");
        for bad in ["socks5://user:hunter2@proxy:1080", "http://user:hunt#hunter2@proxy:1", "http://"] {
            let problems = proxies(&[("HTTPS_PROXY", bad)]).unwrap_err();
            let text = format!("{problems:?} {}", problems[0]);
            assert!(text.contains("HTTPS_PROXY") && !text.contains("hunter2"), "{text}");
        }
    }
}
