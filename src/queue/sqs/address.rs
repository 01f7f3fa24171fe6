//! Queue addresses: the name, region and endpoint in a queue's URL.

use url::Url;

/// The address of the queue to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QueueAddress {
    /// By its URL, which may also have the region and the endpoint.
    Url(Url),
    /// By its name, in the account and region of the credentials.
    Name(String),
}

impl QueueAddress {
    /// The queue's own name: the last part of its URL.
    pub(crate) fn queue_name(&self) -> &str {
        match self {
            Self::Url(url) => url.path().rsplit('/').next().unwrap_or_default(),
            Self::Name(name) => name,
        }
    }

    /// The queue's ARN, if its URL has enough for it; `region` is the configured one.
    pub(crate) fn arn(&self, region: Option<&str>) -> Option<String> {
        let Self::Url(url) = self else { return None };
        let region = region.or_else(|| self.region())?;
        let partition = match region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let account = url.path().trim_matches('/').rsplit('/').nth(1)?;
        Some(format!("arn:{partition}:sqs:{region}:{account}:{}", self.queue_name()))
    }

    /// The region that AWS's URLs name, those of its endpoints in a VPC and of its dual-stack endpoints too.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region_of_usual_host().or_else(|| self.region_of_other_host())
    }

    /// The endpoint, where the SDK would not choose it by the region alone.
    ///
    /// For an emulator, or another endpoint of AWS, such as a VPC endpoint in a network without access to the usual one.
    pub(super) fn endpoint(&self) -> Option<String> {
        match self {
            Self::Url(url) if self.region_of_usual_host().is_none() => {
                Some(url.origin().ascii_serialization())
            }
            _ => None,
        }
    }

    /// The region of SQS's usual hosts: `sqs.eu-west-1.amazonaws.com`, or the older `eu-west-1.queue.amazonaws.com`.
    fn region_of_usual_host(&self) -> Option<&str> {
        match self.labels_before(&[".amazonaws.com", ".amazonaws.com.cn"])?.as_slice() {
            ["sqs" | "sqs-fips", region] | [region, "queue"] => Some(region),
            ["queue"] => Some("us-east-1"),
            _ => None,
        }
    }

    /// The region of AWS's other hosts: `vpce-….sqs.eu-west-1.vpce.amazonaws.com`, or `sqs.eu-west-1.api.aws`.
    fn region_of_other_host(&self) -> Option<&str> {
        let in_vpc = self.labels_before(&[".vpce.amazonaws.com", ".vpce.amazonaws.com.cn"]);
        if let Some([.., "sqs" | "sqs-fips", region]) = in_vpc.as_deref() {
            return Some(region);
        }
        match self.labels_before(&[".api.aws", ".api.amazonwebservices.com.cn"])?.as_slice() {
            ["sqs" | "sqs-fips", region] => Some(region),
            _ => None,
        }
    }

    /// The labels of the host before one of these domains.
    fn labels_before(&self, domains: &[&str]) -> Option<Vec<&str>> {
        let Self::Url(url) = self else { return None };
        let host = url.host_str()?;
        let labels = domains.iter().find_map(|domain| host.strip_suffix(domain))?;
        Some(labels.split('.').collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> QueueAddress {
        QueueAddress::Url(url.parse().unwrap())
    }

    #[test]
    fn an_aws_url_has_the_region_and_needs_no_endpoint() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/123456789012/orders", "eu-west-1"),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders", "cn-north-1"),
            ("https://eu-west-1.queue.amazonaws.com/123456789012/orders", "eu-west-1"),
            ("https://sqs-fips.us-west-2.amazonaws.com/123456789012/orders", "us-west-2"),
            ("https://queue.amazonaws.com/123456789012/orders", "us-east-1"),
        ] {
            assert_eq!((address(url).region(), address(url).endpoint()), (Some(region), None), "{url}");
            assert_eq!(address(url).queue_name(), "orders");
        }
    }

    #[test]
    fn a_vpc_or_dual_stack_url_has_the_region_and_the_endpoint() {
        for (host, region) in [
            ("vpce-0a1-b2c.sqs.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("vpce-0a1-b2c-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("vpce-0a1-b2c.sqs.cn-north-1.vpce.amazonaws.com.cn", Some("cn-north-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("sqs-fips.us-east-1.api.aws", Some("us-east-1")),
            ("sqs.cn-north-1.api.amazonwebservices.com.cn", Some("cn-north-1")),
            ("abc.execute-api.eu-west-1.amazonaws.com", None),
            ("sqs.eu-west-1.amazonaws.com.example.org", None),
        ] {
            let address = address(&format!("https://{host}/123456789012/orders"));
            assert_eq!((address.region(), address.endpoint()), (region, Some(format!("https://{host}"))));
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
        assert_eq!(QueueAddress::Name("orders".to_owned()).arn(Some("eu-west-1")), None);
    }

    #[test]
    fn any_other_url_has_its_endpoint() {
        let emulator = address("http://127.0.0.1:9324/000000000000/orders");
        assert_eq!(emulator.endpoint().as_deref(), Some("http://127.0.0.1:9324"));
        assert_eq!(emulator.region(), None);
    }
}
