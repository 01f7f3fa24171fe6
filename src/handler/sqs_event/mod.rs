//! The event by which AWS hands a batch of SQS messages to a function, and the answer that names those that failed.
//!
//! Lambda functions and HTTP handlers of batches get the same event, so that one program can serve as either.

pub(super) mod event;
mod response;

pub(super) use self::response::{
    BatchVerdict, Fate, ItemFailure, Said, has_failures, speaks_of_failures, verdict,
};

/// The queue that events come from, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `arn:aws:sqs:eu-west-1:123456789012:orders`.
    pub(super) arn: Box<str>,
}

impl Source {
    /// The queue of this ARN.
    pub fn of_arn(arn: impl Into<Box<str>>) -> Self {
        Self { arn: arn.into() }
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }

    /// The region it is in.
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The ARN of a function of this name, as if it were where the queue is.
    pub(in crate::handler) fn function_arn(&self, name: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{name}", self.part(1), self.region(), self.part(4))
    }

    fn part(&self, position: usize) -> &str {
        self.arn.split(':').nth(position).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_name_and_region_and_where_the_function_is() {
        let source = Source::of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:orders.fifo");
        assert_eq!((source.name(), source.region()), ("orders.fifo", "cn-north-1"));
        assert_eq!(source.function_arn("ship"), "arn:aws-cn:lambda:cn-north-1:123456789012:function:ship");
    }

    #[test]
    fn what_is_no_arn_is_a_name_in_no_region() {
        let source = Source::of_arn("orders");
        assert_eq!((source.name(), source.region()), ("orders", ""));
    }
}
