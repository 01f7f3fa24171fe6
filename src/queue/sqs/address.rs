//! What a queue's URL tells: its name, its region, its endpoint.

use url::Url;

/// Which queue to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// By its URL, which may also tell the region and the endpoint.
    Url(Url),
    /// By its name, in the account and region of the credentials.
    Name(String),
}

impl Address {
    /// The queue's own name: the last part of its URL.
    pub fn queue_name(&self) -> &str {
        match self {
            Self::Url(url) => url.path().rsplit('/').next().unwrap_or_default(),
            Self::Name(name) => name,
        }
    }

    /// The region that an AWS URL names: `sqs.eu-west-1.amazonaws.com`, or the older `eu-west-1.queue.amazonaws.com`.
    pub(super) fn region(&self) -> Option<&str> {
        let labels: Vec<_> = self.aws_host()?.split('.').collect();
        match labels.as_slice() {
            ["sqs" | "sqs-fips", region, "amazonaws", ..] | [region, "queue", "amazonaws", ..] => {
                Some(region)
            }
            ["queue", "amazonaws", ..] => Some("us-east-1"),
            _ => None,
        }
    }

    /// Where to send requests when the URL is not AWS's own: an emulator, or an endpoint in a VPC.
    pub(super) fn endpoint(&self) -> Option<String> {
        match self {
            Self::Url(url) if self.aws_host().is_none() => Some(url.origin().ascii_serialization()),
            _ => None,
        }
    }

    fn aws_host(&self) -> Option<&str> {
        let Self::Url(url) = self else { return None };
        url.host_str().filter(|host| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
    }
}

/// Whether an endpoint is plain HTTP on this machine, where an emulator listens.
pub(super) fn is_local(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let on_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    on_loopback && url.scheme() == "http"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::Url(url.parse().unwrap())
    }

    #[test]
    fn an_aws_url_tells_the_region_and_no_endpoint() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "eu-west-1"),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders", "cn-north-1"),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/orders", "eu-west-1"),
            ("https://queue.amazonaws.com/123456789012/orders", "us-east-1"),
        ] {
            assert_eq!((address(url).region(), address(url).endpoint()), (Some(region), None), "{url}");
            assert_eq!(address(url).queue_name(), "orders");
        }
    }

    #[test]
    fn any_other_url_tells_its_endpoint() {
        let emulator = address("http://127.0.0.1:9324/000000000000/orders");
        assert_eq!(emulator.endpoint().as_deref(), Some("http://127.0.0.1:9324"));
        assert_eq!(emulator.region(), None);
    }

    #[test]
    fn only_plain_http_on_loopback_is_local() {
        assert!(
            is_local("http://127.0.0.1:9324")
                && is_local("http://localhost:4566")
                && is_local("http://[::1]:1")
        );
        assert!(!is_local("https://localhost:4566") && !is_local("http://elasticmq:9324"));
    }
}
