//! The SNS port: publications, their targets and errors, the publisher, and notifications.

mod address;
#[cfg(feature = "testing")]
mod emulated;
mod error;
pub mod metrics;
pub(crate) mod notifications;
mod publication;
mod sdk;

use futures_util::future::BoxFuture;

#[cfg(feature = "testing")]
pub use self::emulated::EmulatorPublisher;
pub use self::{
    address::{NotAPhoneNumber, NotATopicArn, PhoneNumber, TopicArn},
    notifications::NotificationPlan,
    sdk::SnsPublisher,
};
pub(crate) use self::{
    error::{PublishRetryClass, TopicError},
    publication::{Publication, PublicationId, Target, limits},
};

/// SNS, or a stand-in that keeps the same contract.
///
/// # Contract
///
/// - `Ok` means that SNS has accepted the message and delivers it.
/// - `Err` with [`PublishRetryClass::Transient`] means that it may have been published; any other error, that it was not.
/// - No call retries by itself: the caller does.
/// - Each call ends within its own time limit.
/// - Futures may be dropped; the message may then be published or not.
#[doc(hidden)]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes one message.
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>>;

    /// Checks that a topic exists and can be reached.
    ///
    /// `Ok` too when SNS denies the permission to look: publishing does not need it.
    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>>;
}
