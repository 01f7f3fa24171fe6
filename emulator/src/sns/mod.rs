//! SNS in memory: topics that deliver to the queues of the SQS account beside them.
//!
//! Not imitated: deliveries by other protocols than `sqs`, and policies and keys, which are stored and returned but not
//! enforced.

mod account;
mod error;
mod filter;
mod persistence;
mod policy;
mod publish;
mod store;
mod subscription;
mod target;
mod topic;

pub use self::{
    account::{PublishedMessage, SnsAccount},
    error::{SnsApiError, SnsErrorCode},
    publish::{MessageStructure, PublishResult},
    subscription::SubscriptionSummary,
    target::{PublishRequest, PublishTarget, SmsNumber, SnsTopicArn},
};

pub(crate) use self::publish::check_attribute_name;

#[cfg(test)]
mod tests;
