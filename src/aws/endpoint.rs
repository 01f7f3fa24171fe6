//! The hosts of SQS: the region and the kind of endpoint that a host name of AWS or of an emulator stands for.

/// A partition of AWS: regions that share domains.
struct Partition {
    name: &'static str,
    /// The beginning of the names of its regions.
    regions: &'static str,
    domain: &'static str,
    dual_stack_domain: &'static str,
}

/// All partitions; the first, whose regions have many beginnings, is that of any region of no other.
const PARTITIONS: [Partition; 8] = [
    partition("aws", "", "amazonaws.com", "api.aws"),
    partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    partition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

const fn partition(
    name: &'static str,
    regions: &'static str,
    domain: &'static str,
    dual_stack_domain: &'static str,
) -> Partition {
    Partition { name, regions, domain, dual_stack_domain }
}

/// The region of the oldest host, which names none.
const FIRST_REGION: &str = "us-east-1";

/// The kind of an endpoint of SQS in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostKind {
    /// One that the SDK derives from the region.
    Regional {
        /// True for an endpoint with validated cryptography.
        fips: bool,
        /// True for an endpoint with IPv6 addresses too.
        dual_stack: bool,
    },
    /// An endpoint of a VPC, or of an emulator.
    Own,
}

/// The region and the kind of endpoint of a host of SQS at AWS; `None` for any other host.
pub(crate) fn sqs_host(host: &str) -> Option<(&str, HostKind)> {
    PARTITIONS.iter().find_map(|partition| {
        let usual = labels(host, partition.domain, false);
        usual.or_else(|| labels(host, partition.dual_stack_domain, true))
    })
}

fn labels<'a>(host: &'a str, domain: &str, dual_stack: bool) -> Option<(&'a str, HostKind)> {
    let labels: Vec<_> = host.strip_suffix(domain)?.strip_suffix('.')?.split('.').collect();
    let regional = |fips| HostKind::Regional { fips, dual_stack };
    match labels.as_slice() {
        ["sqs", region] => Some((region, regional(false))),
        ["sqs-fips", region] => Some((region, regional(true))),
        [region, "queue"] if !dual_stack => Some((region, regional(false))),
        ["queue"] if !dual_stack => Some((FIRST_REGION, regional(false))),
        [.., "sqs" | "sqs-fips", region, "vpce"] if !dual_stack => Some((region, HostKind::Own)),
        _ => None,
    }
}

/// The region in the host or the path of a queue's URL at an emulator, as LocalStack writes them.
///
/// `sqs.eu-west-1.localhost.localstack.cloud`, `eu-west-1.queue.localhost.localstack.cloud` or `/queue/eu-west-1/…/orders`.
pub(crate) fn region_at_emulator<'a>(host: &'a str, path: &'a str) -> Option<&'a str> {
    let by_host = match host.split('.').collect::<Vec<_>>().as_slice() {
        ["sqs", region, _, ..] | [region, "queue", _, ..] => Some(*region),
        _ => None,
    };
    let by_path = match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["queue", region, _, _] => Some(*region),
        _ => None,
    };
    by_host.filter(|region| is_region(region)).or_else(|| by_path.filter(|region| is_region(region)))
}

/// True for a text of the form of a region's name, such as `eu-west-1`.
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let are_words = |words: &[&str]| {
        words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    match parts.as_slice() {
        [words @ .., number] => words.len() >= 2 && are_words(words) && number.parse::<u8>().is_ok(),
        [] => false,
    }
}

/// The partition of a region.
pub(crate) fn partition_of(region: &str) -> &'static str {
    let [usual, others @ ..] = &PARTITIONS;
    others.iter().find(|partition| region.starts_with(partition.regions)).unwrap_or(usual).name
}

/// The usual endpoint of SQS in a region.
pub(crate) fn sqs_endpoint(region: &str) -> String {
    let partition = partition_of(region);
    let domain = PARTITIONS.iter().find(|known| known.name == partition).map_or("", |known| known.domain);
    format!("https://sqs.{region}.{domain}")
}

/// True for a host in a domain of AWS, each of which serves one service.
pub(crate) fn is_aws_host(host: &str) -> bool {
    let is_in = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    PARTITIONS.iter().any(|partition| is_in(partition.domain) || is_in(partition.dual_stack_domain))
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};

    use super::*;

    /// A region of each partition.
    const REGIONS: [(&str, &str); 8] = [
        ("eu-west-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ];

    /// The host that the SDK calls.
    async fn host_by_sdk(region: &str, fips: bool, dual_stack: bool) -> String {
        let params =
            Params::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build().unwrap();
        let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
        endpoint.url().trim_start_matches("https://").to_owned()
    }

    #[tokio::test]
    async fn every_endpoint_that_the_sdk_has_is_recognised() {
        for (region, name) in REGIONS {
            assert_eq!(partition_of(region), name);
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let host = host_by_sdk(region, fips, dual_stack).await;
                // In GovCloud the usual endpoint is the one with FIPS.
                let is_fips = fips && host.starts_with("sqs-fips.");
                let kind = HostKind::Regional { fips: is_fips, dual_stack };
                assert_eq!(sqs_host(&host), Some((region, kind)), "{host}");
                assert!(is_aws_host(&host), "{host}");
            }
            assert_eq!(sqs_endpoint(region), format!("https://{}", host_by_sdk(region, false, false).await));
        }
    }

    #[test]
    fn legacy_and_vpc_hosts_have_a_region() {
        let usual = HostKind::Regional { fips: false, dual_stack: false };
        for (host, found) in [
            ("eu-west-1.queue.amazonaws.com", Some(("eu-west-1", usual))),
            ("cn-north-1.queue.amazonaws.com.cn", Some(("cn-north-1", usual))),
            ("queue.amazonaws.com", Some(("us-east-1", usual))),
            ("vpce-0a1-b2c.sqs.eu-west-1.vpce.amazonaws.com", Some(("eu-west-1", HostKind::Own))),
            ("vpce-0a1-b2c-eu-west-1a.sqs.eu-west-1.vpce.amazonaws.com", Some(("eu-west-1", HostKind::Own))),
            ("vpce-0a1-b2c.sqs-fips.us-east-1.vpce.amazonaws.com", Some(("us-east-1", HostKind::Own))),
            ("vpce-0a1.sqs.eusc-de-east-1.vpce.amazonaws.eu", Some(("eusc-de-east-1", HostKind::Own))),
            ("abc.execute-api.eu-west-1.amazonaws.com", None),
            ("sqs.eu-west-1.amazonaws.com.example.org", None),
            ("notamazonaws.com", None),
        ] {
            assert_eq!(sqs_host(host), found, "{host}");
        }
    }

    #[test]
    fn the_urls_of_emulators_may_name_the_region() {
        for (host, path, region) in [
            ("sqs.eu-west-1.localhost.localstack.cloud", "/000000000000/orders", Some("eu-west-1")),
            ("eu-west-1.queue.localhost.localstack.cloud", "/000000000000/orders", Some("eu-west-1")),
            ("localhost", "/queue/ap-southeast-2/000000000000/orders", Some("ap-southeast-2")),
            ("localhost", "/000000000000/orders", None),
            ("localhost", "/queue/orders", None),
            ("sqs.internal.example", "/000000000000/orders", None),
            ("[::1]", "/queue/us-gov-west-1/1/orders", Some("us-gov-west-1")),
        ] {
            assert_eq!(region_at_emulator(host, path), region, "{host}{path}");
        }
    }
}
