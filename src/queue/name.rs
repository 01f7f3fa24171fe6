//! Names of queues and their accounts.

/// A queue's name, with its account where that is not the credentials' own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueName {
    /// The name, with its `.fifo` on a FIFO queue.
    pub name: String,
    /// The number of the account that owns the queue.
    pub account: Option<String>,
}

impl QueueName {
    /// A queue of the account of the credentials.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), account: None }
    }

    /// The queue of an ARN, `arn:aws:sqs:eu-west-1:123456789012:orders`; `None` for anything else.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (scheme, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (_region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_queue = (scheme, service) == ("arn", "sqs") && !name.is_empty() && parts.next().is_none();
        is_queue.then(|| Self { name: name.to_owned(), account: Some(account.to_owned()) })
    }

    /// Leaves the account out where it is that of the queue with this ARN.
    #[must_use]
    pub fn seen_from(self, arn: &str) -> Self {
        let own = Self::of_arn(arn).and_then(|queue| queue.account);
        Self { account: self.account.filter(|account| Some(account) != own.as_ref()), ..self }
    }
}

/// The name in SQS of the queue at this address: the last part of a URL, or the name itself.
pub fn name_at(address: &str) -> &str {
    address.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// True if the queue at this address, a URL or a name, is a FIFO queue by its name.
pub fn is_fifo(address: &str) -> bool {
    name_at(address).strip_suffix(".fifo").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_name_and_the_kind() {
        for address in ["orders.fifo", "http://127.0.0.1:9324/000000000000/orders.fifo/"] {
            assert_eq!((name_at(address), is_fifo(address)), ("orders.fifo", true), "{address}");
        }
        assert!(!is_fifo("https://sqs.eu-west-1.amazonaws.com/123456789012/orders"));
    }

    #[test]
    fn an_arn_tells_the_name_and_the_account() {
        let queue = QueueName::of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:orders.fifo").unwrap();
        assert_eq!((queue.name.as_str(), queue.account.as_deref()), ("orders.fifo", Some("123456789012")));
        for other in [
            "",
            "orders",
            "arn:aws:sns:eu-west-1:1:orders",
            "arn:aws:sqs:eu-west-1:1:",
            "arn:aws:sqs:r:1:q:s",
        ] {
            assert_eq!(QueueName::of_arn(other), None, "{other}");
        }
    }

    #[test]
    fn the_account_is_told_only_where_it_is_another() {
        let dlq = QueueName::of_arn("arn:aws:sqs:eu-west-1:1:dlq").unwrap();
        assert_eq!(dlq.clone().seen_from("arn:aws:sqs:eu-west-1:1:orders").account, None);
        assert_eq!(dlq.clone().seen_from("arn:aws:sqs:eu-west-1:2:orders").account.as_deref(), Some("1"));
        assert_eq!(dlq.seen_from("").account.as_deref(), Some("1"), "the own account is not known");
    }
}
