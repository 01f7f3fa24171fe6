//! Names the place, the likely cause and the fix of a failed call to SQS.

use std::{error::Error, io};

use url::Url;

use super::address::QueueAddress;
use crate::{
    aws::{self, LoadedAccess},
    error_chain::causes,
    queue::QueueError,
    settings::hide,
};

/// The place that calls go to, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct SqsPlace {
    endpoint: Option<String>,
    region: Option<String>,
    queue: Option<String>,
}

/// The cause of a failure without an answer of SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Nothing listens there.
    Refused,
    /// The host has no address.
    UnknownHost,
    /// Something answers that is not SQS.
    OtherServer,
    /// The proxy before it.
    Proxy,
    /// Anything else.
    Unknown,
}

impl Cause {
    fn of(error: &(dyn Error + 'static), status: Option<u16>, chain: &str) -> Self {
        let is_refused = |cause: &(dyn Error + 'static)| {
            let io = cause.downcast_ref::<io::Error>();
            io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        if status.is_some() {
            Self::OtherServer
        } else if aws::proxy_fix(chain).is_some() {
            Self::Proxy
        } else if causes(error).any(is_refused) {
            Self::Refused
        } else if aws::is_unknown_host(error) {
            Self::UnknownHost
        } else {
            Self::Unknown
        }
    }
}

impl SqsPlace {
    pub(super) fn of(access: &LoadedAccess, address: &QueueAddress) -> Self {
        let region = access.config.region().map(ToString::to_string);
        let by_region = || region.as_deref().map(aws::sqs_endpoint);
        let endpoint = access.endpoint("SQS").or_else(by_region).map(|endpoint| hide(&endpoint));
        Self { endpoint, region, queue: Some(address.queue_name().to_owned()) }
    }

    fn endpoint(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("sqs")
    }

    fn region(&self) -> String {
        self.region.as_ref().map_or_else(|| "the region".to_owned(), |region| format!("the region {region}"))
    }

    fn is_aws(&self) -> bool {
        let host = self.endpoint.as_ref().and_then(|endpoint| Url::parse(endpoint).ok());
        host.and_then(|url| url.host_str().map(aws::is_aws_host)).unwrap_or(true)
    }

    /// The sentence and the fix of a call that SQS has not answered.
    pub(super) fn unanswered(
        &self,
        error: &(dyn Error + 'static),
        status: Option<u16>,
        chain: &str,
    ) -> (String, String) {
        let endpoint = self.endpoint();
        match Cause::of(error, status, chain) {
            Cause::Refused => (
                format!("no connection to {endpoint}: connection refused, nothing listens there"),
                format!(
                    "start the server, such as longshore dev or longshore emulator; {}",
                    self.address_fix()
                ),
            ),
            Cause::UnknownHost => (
                format!("no connection to {endpoint}: the host is not known"),
                format!("{}, or check the DNS of this network", self.address_fix()),
            ),
            Cause::OtherServer => (format!("{endpoint} {chain}"), self.address_fix()),
            Cause::Proxy => (format!("no connection to {endpoint} {chain}"), self.address_fix()),
            Cause::Unknown => (
                format!("no usable answer from sqs at {endpoint}: {chain}"),
                format!(
                    "{}, and check the network: a private subnet needs a NAT gateway or a VPC endpoint of SQS",
                    self.address_fix()
                ),
            ),
        }
    }

    fn address_fix(&self) -> String {
        if self.is_aws() {
            format!("check the url, or {}", self.region())
        } else {
            "check the url, or endpoint_url (--endpoint-url, AWS_ENDPOINT_URL)".to_owned()
        }
    }

    /// The fix of a call that SQS has refused.
    pub(super) fn fix(&self, error: &QueueError) -> Option<String> {
        let (endpoint, region) = (self.endpoint(), self.region());
        if error.is_missing_queue() {
            let queue = self.queue.as_deref().unwrap_or("the queue");
            return Some(format!(
                "create {queue}, or check the url or name, {region} and the account: {endpoint} has no such queue"
            ));
        }
        if error.refuses_credentials() {
            return Some(format!(
                "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID), which may be of another account or out of date, and that {endpoint} is in {region}"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(endpoint: &str) -> SqsPlace {
        let (region, queue) = (Some("eu-west-1".to_owned()), Some("orders".to_owned()));
        SqsPlace { endpoint: Some(endpoint.to_owned()), region, queue }
    }

    #[test]
    fn a_failure_names_the_place_the_cause_and_the_fix() {
        let local = place("http://127.0.0.1:9324");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let (sentence, fix) = local.unanswered(&Outer(refused), None, "");
        assert_eq!(
            sentence,
            "no connection to http://127.0.0.1:9324: connection refused, nothing listens there"
        );
        assert!(fix.contains("longshore dev") && fix.contains("--endpoint-url"), "{fix}");
        let chain = "answered 501 and not as sqs does";
        let (sentence, _) = local.unanswered(&Outer(io::Error::other("x")), Some(501), chain);
        assert_eq!(sentence, "http://127.0.0.1:9324 answered 501 and not as sqs does");
        let aws = place("https://sqs.eu-west-1.amazonaws.com");
        let (sentence, fix) = aws.unanswered(&Outer(io::Error::other("dns error")), None, "");
        assert!(sentence.ends_with("the host is not known") && fix.contains("the region eu-west-1"), "{fix}");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let chain = "through the proxy http://proxy:3128: connection refused";
        let (sentence, _) = aws.unanswered(&Outer(refused), None, chain);
        assert_eq!(sentence, format!("no connection to https://sqs.eu-west-1.amazonaws.com {chain}"));
        let missing = QueueError::answered("AWS.SimpleQueueService.NonExistentQueue", "no");
        let fix = aws.fix(&missing).unwrap();
        assert!(fix.starts_with("create orders, or check the url or name, the region eu-west-1"), "{fix}");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);
}
