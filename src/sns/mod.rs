//! The topic port: everything Longshore asks of SNS.

mod address;
mod error;
pub mod limits;
pub mod memory;
pub mod notifications;
mod phone;
mod publication;
mod sdk;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

pub use self::{
    address::{NotATopicArn, TopicArn},
    error::{TopicError, Verdict},
    phone::{NotAPhoneNumber, PhoneNumber},
    sdk::SnsPublisher,
};
use crate::message::AttributeValue;

/// SNS, or something that keeps its promises.
///
/// # Contract
///
/// - `Ok` means that SNS has taken the message and delivers it.
/// - `Err` with [`Verdict::Wait`] leaves open whether it has; any other error means that it has not.
/// - No call retries by itself: the caller knows whether a repetition is wise.
/// - No call waits for ever: each ends in an answer or in an error within its own time limit.
/// - Futures may be dropped; the message may then be published or not.
pub trait Publisher: Send + Sync + 'static {
    /// Publishes one message.
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>>;

    /// Looks whether a topic is there and can be reached.
    ///
    /// `Ok` too where SNS is reached and does not let us look: publishing needs no permission to look.
    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>>;
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where it goes.
    pub target: Target,
    /// The message itself.
    pub body: String,
    /// The subject, which e-mail subscriptions show.
    pub subject: Option<String>,
    /// The message attributes, which subscriptions may filter by.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// The FIFO group; on a standard topic the tenant, which is passed on to SQS.
    pub group_id: Option<String>,
    /// The deduplication id, FIFO topics only.
    pub deduplication_id: Option<String>,
}

impl Publication {
    /// A message of this body and nothing else.
    pub fn new(target: Target, body: impl Into<String>) -> Self {
        Self {
            target,
            body: body.into(),
            subject: None,
            attributes: BTreeMap::new(),
            group_id: None,
            deduplication_id: None,
        }
    }

    /// The size in bytes as SNS counts it: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.size_bytes());
        self.body.len() + attributes.sum::<usize>()
    }
}

/// Where a message is published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A topic.
    Topic(TopicArn),
    /// A phone, by SMS.
    Phone(PhoneNumber),
}

/// The id SNS gave a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationId(pub String);
