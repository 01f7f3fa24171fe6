//! Queue addresses: the name, region and endpoint in a queue's URL or ARN.

use url::Url;

use crate::{
    aws::{self, HostKind, ServiceLocation},
    queue::{QueueName, name_at},
};

/// The address of the queue to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueueAddress {
    /// By its URL, which may also have the region and the endpoint.
    Url(Url),
    /// By its ARN, from which its URL is looked up in its region.
    Arn {
        /// The ARN.
        arn: String,
        /// The name and the account in it.
        name: QueueName,
    },
    /// By its name, in the region of the configuration.
    Name(QueueName),
}

/// A text that is no address of a queue.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAnAddress {
    /// It is what a variable that is not set leaves.
    #[error("it is empty")]
    Empty,
    /// It looks like a URL.
    #[error("{0}")]
    Url(#[from] url::ParseError),
    /// It is a page of AWS's console.
    #[error("a page of the console, not a queue; copy the URL or the ARN from the queue's details there")]
    Console,
    /// It looks like an ARN.
    #[error("not the arn of an sqs queue, such as arn:aws:sqs:eu-west-1:123456789012:orders")]
    Arn,
}

impl QueueAddress {
    /// Reads a URL, also one without its scheme, an ARN, a name, or a name with its account as `123456789012/orders`.
    pub(crate) fn parse(text: &str) -> Result<Self, NotAnAddress> {
        if text.is_empty() {
            return Err(NotAnAddress::Empty);
        }
        if text.starts_with("arn:") {
            let name = QueueName::of_arn(text).ok_or(NotAnAddress::Arn)?;
            return Ok(Self::Arn { arn: text.to_owned(), name });
        }
        if text.contains("://") {
            let url = Url::parse(text)?;
            return if is_console(&url) { Err(NotAnAddress::Console) } else { Ok(Self::Url(url)) };
        }
        if let Some(scheme) = missing_scheme(text) {
            return Self::parse(&format!("{scheme}://{text}"));
        }
        let account = text.split_once('/').filter(|(account, _)| is_account(account));
        Ok(Self::Name(match account {
            Some((account, name)) => QueueName { account: Some(account.to_owned()), ..QueueName::new(name) },
            None => QueueName::new(text),
        }))
    }

    /// The queue's own name: the last part of its URL or ARN.
    pub(crate) fn queue_name(&self) -> &str {
        match self {
            Self::Url(url) => name_at(url.path()),
            Self::Arn { name, .. } | Self::Name(name) => &name.name,
        }
    }

    /// The queue's ARN, if its address has enough for it; `region` is the configured one.
    pub(crate) fn arn(&self, region: Option<&str>) -> Option<String> {
        let url = match self {
            Self::Url(url) => url,
            Self::Arn { arn, .. } => return Some(arn.clone()),
            Self::Name(_) => return None,
        };
        let region = self.region().or(region)?;
        let partition = aws::partition_of(region);
        let account = account_in(url)?;
        Some(format!("arn:{partition}:sqs:{region}:{account}:{}", self.queue_name()))
    }

    /// The region that the address names.
    pub(crate) fn region(&self) -> Option<&str> {
        match self {
            Self::Url(url) => {
                let host = url.host_str()?;
                aws::sqs_host(host)
                    .map(|(region, _)| region)
                    .or_else(|| aws::region_at_emulator(host, url.path()))
            }
            Self::Arn { arn, .. } => arn.split(':').nth(3).filter(|region| !region.is_empty()),
            Self::Name(_) => None,
        }
    }

    /// The region and the endpoint that the address leads to.
    ///
    /// An endpoint is named only where the SDK would not choose it by region and kind, such as an emulator's or a VPC's.
    pub(crate) fn location(&self) -> ServiceLocation {
        let mut location =
            ServiceLocation { region: self.region().map(str::to_owned), ..ServiceLocation::default() };
        if let Self::Url(url) = self {
            match url.host_str().and_then(aws::sqs_host) {
                Some((_, HostKind::Regional { fips, dual_stack })) => {
                    (location.fips, location.dual_stack) = (fips, dual_stack);
                }
                _ => location.endpoint = Some(url.origin().ascii_serialization()),
            }
        }
        location
    }

    /// The account that the address names; that of an emulator's URL is its only one.
    pub(super) fn owner(&self) -> Option<&str> {
        match self {
            Self::Url(url) => url.host_str().and_then(aws::sqs_host).and_then(|_| account_in(url)),
            Self::Arn { name, .. } | Self::Name(name) => name.account.as_deref(),
        }
    }

    /// The URL of a queue at AWS by its ARN, for whoever may not look it up.
    pub(super) fn usual_url(&self) -> Option<String> {
        let Self::Arn { name: QueueName { name, account: Some(account) }, .. } = self else { return None };
        Some(format!("{}/{account}/{name}", aws::sqs_endpoint(self.region()?)))
    }
}

fn account_in(url: &Url) -> Option<&str> {
    url.path().trim_matches('/').rsplit('/').nth(1).filter(|text| is_account(text))
}

/// The scheme that a URL lacks: of a host with a port, or of a host of AWS with a path.
pub(crate) fn missing_scheme(text: &str) -> Option<&'static str> {
    let (host, _) = text.split_once('/')?;
    if aws::sqs_host(host).is_some() {
        return Some("https");
    }
    is_without_scheme(text).then_some("http")
}

/// True for a host with a port, and perhaps a path.
pub(crate) fn is_without_scheme(text: &str) -> bool {
    let authority = text.split('/').next().unwrap_or_default();
    let Some((host, port)) = authority.rsplit_once(':') else { return false };
    let is_name = |host: &str| {
        !host.is_empty() && host.chars().all(|one| one.is_ascii_alphanumeric() || "-._".contains(one))
    };
    let is_ipv6 = host.starts_with('[') && host.ends_with(']');
    (is_name(host) || is_ipv6) && !port.is_empty() && port.chars().all(|digit| digit.is_ascii_digit())
}

/// True for the number of an account.
fn is_account(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for a page such as `https://eu-west-1.console.aws.amazon.com/sqs/v3/home`.
fn is_console(url: &Url) -> bool {
    let mut labels = url.host_str().unwrap_or_default().split('.');
    labels.any(|label| label == "console") && url.path().starts_with("/sqs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> QueueAddress {
        QueueAddress::parse(text).unwrap()
    }

    #[test]
    fn an_aws_url_leads_to_its_host_by_region_and_kind() {
        for (host, region, fips, dual_stack) in [
            ("sqs.eu-west-1.amazonaws.com", "eu-west-1", false, false),
            ("eu-west-1.queue.amazonaws.com", "eu-west-1", false, false),
            ("queue.amazonaws.com", "us-east-1", false, false),
            ("sqs-fips.us-west-2.amazonaws.com", "us-west-2", true, false),
            ("sqs.us-west-2.api.aws", "us-west-2", false, true),
            ("sqs-fips.us-west-2.api.aws", "us-west-2", true, true),
        ] {
            let address = address(&format!("https://{host}/123456789012/orders"));
            let region = Some(region.to_owned());
            assert_eq!(
                address.location(),
                ServiceLocation { region, endpoint: None, fips, dual_stack },
                "{host}"
            );
            assert_eq!(address.queue_name(), "orders");
        }
    }

    #[test]
    fn a_host_with_a_port_is_an_address_of_http() {
        for text in ["127.0.0.1:8080", "localhost:80/path?a=b:1", "[::1]:9", "my_host.internal:1"] {
            assert!(is_without_scheme(text), "{text}");
        }
        for text in [
            "http://h:1",
            "localhost",
            "orders",
            "arn:aws:sqs:eu-west-1:1:orders",
            ":80",
            "h:x",
            "user:p@h:1",
        ] {
            assert!(!is_without_scheme(text), "{text}");
        }
    }

    #[test]
    fn a_url_without_its_scheme_is_a_url() {
        for (text, url) in [
            ("127.0.0.1:9324/000000000000/orders", "http://127.0.0.1:9324/000000000000/orders"),
            ("sqs.eu-west-1.amazonaws.com/1/orders", "https://sqs.eu-west-1.amazonaws.com/1/orders"),
        ] {
            assert_eq!(address(text), address(url));
        }
        assert_eq!(address("123456789012/orders").queue_name(), "orders");
    }

    #[test]
    fn an_empty_text_is_no_name() {
        assert_eq!(QueueAddress::parse(""), Err(NotAnAddress::Empty));
        for page in [
            "https://eu-west-1.console.aws.amazon.com/sqs/v3/home?region=eu-west-1#/queues/https%3A%2F%2Fsqs",
            "https://console.amazonaws.cn/sqs/v2/home",
        ] {
            assert_eq!(QueueAddress::parse(page), Err(NotAnAddress::Console), "{page}");
        }
    }

    #[test]
    fn any_other_url_has_its_endpoint() {
        for (url, region, endpoint) in [
            (
                "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/orders",
                Some("eu-west-1"),
                "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
            ),
            ("http://127.0.0.1:9324/000000000000/orders", None, "http://127.0.0.1:9324"),
            ("http://[fd00::1]:9324/000000000000/orders", None, "http://[fd00::1]:9324"),
            ("http://localhost:9324/queue/orders", None, "http://localhost:9324"),
            ("http://localhost:4566/queue/eu-west-1/1/orders", Some("eu-west-1"), "http://localhost:4566"),
            (
                "http://eu-west-1.queue.localhost.localstack.cloud:4566/000000000000/orders",
                Some("eu-west-1"),
                "http://eu-west-1.queue.localhost.localstack.cloud:4566",
            ),
        ] {
            let ServiceLocation { region: found, endpoint: origin, fips, dual_stack } =
                address(url).location();
            assert_eq!((found.as_deref(), origin.as_deref()), (region, Some(endpoint)), "{url}");
            assert!(!fips && !dual_stack, "{url}");
            assert_eq!(address(url).queue_name(), "orders", "{url}");
        }
    }

    #[test]
    fn a_url_has_the_arn_where_a_region_is_known() {
        let arn = |url: &str, region| address(url).arn(region);
        let of_aws = arn("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders", None);
        assert_eq!(of_aws.as_deref(), Some("arn:aws-cn:sqs:cn-north-1:123456789012:orders"));
        let emulator = "http://127.0.0.1:9324/000000000000/orders";
        assert_eq!(arn(emulator, None), None);
        assert_eq!(
            arn(emulator, Some("eu-west-1")).as_deref(),
            Some("arn:aws:sqs:eu-west-1:000000000000:orders")
        );
        assert_eq!(arn("http://localhost:9324/queue/orders", Some("eu-west-1")), None);
        assert_eq!(arn("orders", Some("eu-west-1")), None);
    }

    #[test]
    fn an_arn_has_the_region_the_name_and_the_url() {
        let queue = address("arn:aws-cn:sqs:cn-north-1:123456789012:orders");
        assert_eq!((queue.region(), queue.queue_name()), (Some("cn-north-1"), "orders"));
        assert_eq!(
            queue.usual_url().as_deref(),
            Some("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders")
        );
        assert_eq!(queue.location().endpoint, None);
        for text in ["arn:aws:sns:eu-west-1:1:orders", "arn:aws:sqs:eu-west-1:1", "arn:"] {
            assert_eq!(QueueAddress::parse(text), Err(NotAnAddress::Arn), "{text}");
        }
    }

    #[test]
    fn a_name_may_have_its_account() {
        let QueueAddress::Name(name) = address("123456789012/orders") else { panic!("not a name") };
        assert_eq!((name.name.as_str(), name.account.as_deref()), ("orders", Some("123456789012")));
        assert_eq!(address("orders"), QueueAddress::Name(QueueName::new("orders")));
    }
}
