//! SNS in memory: topics that deliver to the queues of the SQS account beside them.
//!
//! Not imitated: subscriptions of other protocols than `sqs`, policies and keys, which are stored and returned but not
//! enforced, and filters on the message's body.

mod account;
mod error;
mod filter;
mod persistence;
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

#[cfg(test)]
mod tests;
