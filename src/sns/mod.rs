//! The SNS port: publications, their targets and errors, the publisher, and notifications.

mod address;
#[cfg(feature = "testing")]
mod emulated;
mod error;
pub(crate) mod metrics;
pub(crate) mod notifications;
mod sdk;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::{message::AttributeValue, queue};

#[cfg(feature = "testing")]
pub use self::emulated::EmulatorPublisher;
pub(crate) use self::error::{PublishRetryClass, TopicError};
pub use self::{
    address::{NotAPhoneNumber, NotATopicArn, PhoneNumber, TopicArn},
    notifications::NotificationPlan,
    sdk::SnsPublisher,
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
    /// Also `Ok` when SNS denies the permission to check: publishing does not need it.
    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>>;
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// A message to publish.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The topic or phone.
    pub target: Target,
    /// The body.
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
    /// A message with this body and nothing else.
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

    /// The size in bytes by SNS's count: the body, and names, types and values of the attributes.
    pub fn size_bytes(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.size_bytes());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Sets the trace context, and replaces one that came with the message.
    ///
    /// Without effect where it would need an eleventh attribute, for which SNS drops all attributes on their way into
    /// a queue, or make the message too large for SNS.
    pub(crate) fn carry_trace(&mut self, traceparent: String, tracestate: Option<String>) {
        let mut attributes = self.attributes.clone();
        attributes.retain(|name, _| {
            !name.eq_ignore_ascii_case(TRACEPARENT) && !name.eq_ignore_ascii_case(TRACESTATE)
        });
        attributes.insert(TRACEPARENT.to_owned(), AttributeValue::string(traceparent));
        if let Some(tracestate) = tracestate.filter(|_| attributes.len() < queue::limits::ATTRIBUTES) {
            attributes.insert(TRACESTATE.to_owned(), AttributeValue::string(tracestate));
        }
        let is_few = attributes.len() <= queue::limits::ATTRIBUTES;
        let traced = Self { attributes, ..self.clone() };
        if is_few && traced.size_bytes() <= limits::MESSAGE_BYTES {
            *self = traced;
        }
    }
}

/// The target of a publication.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A topic.
    Topic(TopicArn),
    /// A phone, by SMS.
    Phone(PhoneNumber),
}

/// The id that SNS gave a message.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationId(pub String);

/// The limits that SNS documents.
pub(crate) mod limits {
    /// The longest subject, in characters.
    pub(crate) const SUBJECT_CHARS: usize = 100;
    /// The longest text of a call that sends SMS, in characters; SNS splits it into several SMS.
    pub(crate) const SMS_CHARS: usize = 1_600;
    /// The largest message of a topic whose `MaximumMessageSize` is not set, body and attributes.
    pub(crate) const MESSAGE_BYTES: usize = 262_144;

    /// True for a valid subject: printable ASCII that does not begin with a space.
    pub(crate) fn is_subject(text: &str) -> bool {
        let is_printable = |byte: u8| (b' '..=b'~').contains(&byte);
        (1..=SUBJECT_CHARS).contains(&text.len()) && text.bytes().all(is_printable) && !text.starts_with(' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn publication(attributes: usize, body: usize) -> Publication {
        let topic = TopicArn::new("eu-west-1", "123456789012", "orders").unwrap();
        let mut publication = Publication::new(Target::Topic(topic), "x".repeat(body));
        for number in 0..attributes {
            publication.attributes.insert(format!("a{number}"), AttributeValue::string("x"));
        }
        publication
    }

    fn carrying(mut publication: Publication) -> Publication {
        publication.carry_trace(PARENT.to_owned(), Some("vendor=1".to_owned()));
        publication
    }

    fn value<'a>(publication: &'a Publication, name: &str) -> Option<&'a str> {
        publication.attributes.get(name).and_then(AttributeValue::text)
    }

    #[test]
    fn the_trace_context_fits_into_ten_attributes_or_is_left_out() {
        for (own, parent, state) in [
            (0, Some(PARENT), Some("vendor=1")),
            (8, Some(PARENT), Some("vendor=1")),
            (9, Some(PARENT), None),
            (10, None, None),
        ] {
            let traced = carrying(publication(own, 1));
            assert_eq!((value(&traced, TRACEPARENT), value(&traced, TRACESTATE)), (parent, state), "{own}");
            assert!(traced.attributes.len() <= 10);
        }
    }

    #[test]
    fn the_trace_context_that_came_with_the_message_is_replaced_as_a_whole() {
        let mut sent = publication(8, 1);
        for name in ["Traceparent", "tracestate"] {
            sent.attributes.insert(name.to_owned(), AttributeValue::string("old"));
        }
        sent.carry_trace(PARENT.to_owned(), None);
        assert_eq!((value(&sent, TRACEPARENT), sent.attributes.len()), (Some(PARENT), 9));
    }

    #[test]
    fn a_message_of_the_largest_size_gets_no_trace_context() {
        let full = publication(0, limits::MESSAGE_BYTES);
        assert_eq!(carrying(full.clone()), full);
    }

    #[test]
    fn a_subject_is_one_short_line_of_ascii() {
        for subject in ["Order shipped", "!", &"x".repeat(100)] {
            assert!(limits::is_subject(subject), "{subject}");
        }
        for subject in ["", " x", "a\nb", "größer", &"x".repeat(101)] {
            assert!(!limits::is_subject(subject), "{subject}");
        }
    }
}
