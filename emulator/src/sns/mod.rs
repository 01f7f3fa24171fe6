//! SNS in memory: topics that deliver to the queues of the SQS account beside them.
//!
//! SMS are remembered and not sent. Not imitated: deliveries by other protocols than `sqs` and `sms`, and policies and
//! keys, which are stored and returned but not enforced.

mod account;
mod error;
mod filter;
mod notification;
mod persistence;
mod policy;
mod publish;
mod signature;
mod sms;
mod store;
mod subscription;
mod target;
mod topic;

pub use self::{
    account::{PublishedMessage, SnsAccount},
    error::{SnsApiError, SnsErrorCode},
    publish::{MessageStructure, PublishResult},
    sms::SentSms,
    subscription::SubscriptionSummary,
    target::{PublishRequest, PublishTarget, SmsNumber, SnsTopicArn},
};

pub(crate) use self::{
    publish::check_attribute_name,
    signature::{CERTIFICATE, CERTIFICATE_PATH},
};

#[cfg(test)]
mod tests;
