//! One topic: its attributes, and the deduplication of a FIFO topic.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{
    PublishResult, SnsApiError, SnsTopicArn, policy, signature::SignatureVersion, subscription::Subscription,
};
use crate::{
    limits,
    message::StringMap,
    sqs::RecentIds,
    storage::{Storage, StoredBytes, text_bytes},
};

/// One topic.
#[derive(Debug)]
pub(super) struct TopicState {
    pub(super) arn: SnsTopicArn,
    pub(super) attributes: TopicAttributes,
    pub(super) tags: StringMap,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) deleted_subscriptions: usize,
    pub(super) fifo: TopicDeduplication,
    pub(super) storage: Storage,
    /// The bytes of its attributes and tags.
    stored: StoredBytes,
}

impl TopicState {
    /// A topic without subscriptions.
    pub(super) fn new(
        arn: SnsTopicArn,
        attributes: TopicAttributes,
        tags: StringMap,
        storage: Storage,
    ) -> Result<Self, SnsApiError> {
        let stored = storage.store(text_bytes(&attributes.0) + text_bytes(&tags))?;
        Ok(Self {
            arn,
            attributes,
            tags,
            subscriptions: Vec::new(),
            deleted_subscriptions: 0,
            fifo: TopicDeduplication::default(),
            storage,
            stored,
        })
    }

    /// A topic of an earlier process, whose FIFO topic goes on with higher sequence numbers.
    pub(super) fn restored(
        arn: SnsTopicArn,
        attributes: StringMap,
        tags: StringMap,
        storage: Storage,
    ) -> Result<Self, SnsApiError> {
        let mut topic = Self::new(arn, TopicAttributes(attributes), tags, storage)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        topic.fifo.last_number = u64::try_from(since.as_micros()).unwrap_or_default();
        Ok(topic)
    }

    /// Sets one attribute.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), SnsApiError> {
        let mut attributes = self.attributes.clone();
        attributes.set(name, value)?;
        self.stored.resize(text_bytes(&attributes.0) + text_bytes(&self.tags))?;
        self.attributes = attributes;
        Ok(())
    }

    /// Replaces the tags.
    pub(super) fn set_tags(&mut self, tags: StringMap) -> Result<(), SnsApiError> {
        self.stored.resize(text_bytes(&self.attributes.0) + text_bytes(&tags))?;
        self.tags = tags;
        Ok(())
    }

    /// The attributes as SNS returns them, counts of subscriptions included.
    pub(super) fn show(&self) -> StringMap {
        let mut shown = self.attributes.show();
        shown.entry("Policy".to_owned()).or_insert_with(|| policy::default_policy(&self.arn).to_string());
        shown.insert("EffectiveDeliveryPolicy".to_owned(), policy::effective_delivery_policy());
        let pending = self.subscriptions.iter().filter(|one| one.protocol.is_pending()).count();
        let counts = [
            ("SubscriptionsConfirmed", self.subscriptions.len() - pending),
            ("SubscriptionsPending", pending),
            ("SubscriptionsDeleted", self.deleted_subscriptions),
        ];
        shown.extend(counts.map(|(name, count)| (name.to_owned(), count.to_string())));
        shown.insert("TopicArn".to_owned(), self.arn.to_string());
        shown
    }
}

/// The attributes of a topic as the client set them.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicAttributes(StringMap);

/// The attributes that are stored and returned, and have no effect.
const WITHOUT_EFFECT: [&str; 7] = [
    "ArchivePolicy",
    DATA_PROTECTION,
    "DeliveryPolicy",
    "DisplayName",
    "KmsMasterKeyId",
    "Policy",
    "TracingConfig",
];
/// The policy with actions of its own, which the attributes do not show.
pub(super) const DATA_PROTECTION: &str = "DataProtectionPolicy";
/// A part of the names of attributes about delivery logs, such as `SQSSuccessFeedbackRoleArn`.
const FEEDBACK: &str = "Feedback";

impl TopicAttributes {
    /// The attributes of a new topic.
    pub(super) fn create(name: &str, given: &StringMap) -> Result<Self, SnsApiError> {
        let mut attributes = Self::default();
        for (name, value) in given {
            attributes.insert(name, value)?;
        }
        if !attributes.is_fifo() {
            attributes.0.remove("FifoTopic"); // A topic that is none says nothing of it (recorded against AWS).
        }
        let is_fifo_by_name = name.strip_suffix(".fifo").is_some();
        if attributes.is_fifo() == is_fifo_by_name {
            Ok(attributes)
        } else {
            Err(SnsApiError::invalid("Topic Name"))
        }
    }

    /// The value of an attribute that was set.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets one attribute of an existing topic.
    fn set(&mut self, name: &str, value: &str) -> Result<(), SnsApiError> {
        if name == "FifoTopic" {
            return Err(SnsApiError::invalid("AttributeName"));
        }
        self.insert(name, value)
    }

    fn insert(&mut self, name: &str, value: &str) -> Result<(), SnsApiError> {
        check_attribute_size(name, value)?;
        let is_allowed = match name {
            "FifoTopic" | "ContentBasedDeduplication" => matches!(value, "true" | "false"),
            "SignatureVersion" => SignatureVersion::parse(value).is_some(),
            "FifoThroughputScope" => matches!(value, "Topic" | "MessageGroup"),
            "MaximumMessageSize" => {
                value.parse().is_ok_and(|bytes| (1_024..=limits::MESSAGE_BYTES).contains(&bytes))
            }
            other if WITHOUT_EFFECT.contains(&other) || other.contains(FEEDBACK) => true,
            _ => return Err(SnsApiError::invalid("AttributeName")),
        };
        if !is_allowed {
            let reason = format!("Attributes Reason: {name}: {value} is not a valid value");
            return Err(SnsApiError::invalid(reason));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Returns true if all attributes of a repeated creation have the same values here.
    pub(super) fn includes(&self, requested: &Self) -> bool {
        requested.0.iter().all(|(name, value)| self.0.get(name) == Some(value))
    }

    /// The attributes that were set.
    pub(super) fn as_set(&self) -> &StringMap {
        &self.0
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is_true("FifoTopic")
    }

    pub(super) fn deduplicates_by_content(&self) -> bool {
        self.is_true("ContentBasedDeduplication")
    }

    /// Returns true if a deduplication id is unique within its group only.
    pub(super) fn deduplicates_by_group(&self) -> bool {
        self.0.get("FifoThroughputScope").is_some_and(|scope| scope == "MessageGroup")
    }

    /// The version of the signatures of its notifications.
    pub(super) fn signature_version(&self) -> SignatureVersion {
        self.get("SignatureVersion").and_then(SignatureVersion::parse).unwrap_or(SignatureVersion::One)
    }

    /// The largest message.
    pub(super) fn message_bytes(&self) -> usize {
        let set = self.0.get("MaximumMessageSize").and_then(|bytes| bytes.parse().ok());
        set.unwrap_or(limits::TOPIC_MESSAGE_BYTES)
    }

    fn show(&self) -> StringMap {
        let mut shown = self.0.clone();
        shown.entry("DisplayName".to_owned()).or_default();
        if self.is_fifo() {
            shown.entry("ContentBasedDeduplication".to_owned()).or_insert_with(|| "false".to_owned());
        }
        shown.remove(DATA_PROTECTION);
        shown
    }

    fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value == "true")
    }
}

/// Checks the size of an attribute of a topic or a subscription.
pub(super) fn check_attribute_size(name: &str, value: &str) -> Result<(), SnsApiError> {
    if value.len() <= limits::ATTRIBUTE_BYTES {
        return Ok(());
    }
    let reason = format!("Attributes Reason: {name} is larger than {} bytes", limits::ATTRIBUTE_BYTES);
    Err(SnsApiError::invalid(reason))
}

/// The identity of a message on a FIFO topic: the group, if groups are deduplicated separately, and the id.
pub(super) type DeduplicationKey = (Option<String>, String);

/// The sequence numbers of a FIFO topic and the messages of the last five minutes.
#[derive(Debug, Default)]
pub(super) struct TopicDeduplication {
    last_number: u64,
    recent: RecentIds<DeduplicationKey, RecentPublication>,
}

/// A publication of the last five minutes.
#[derive(Debug)]
struct RecentPublication {
    result: PublishResult,
    _stored: StoredBytes,
}

impl TopicDeduplication {
    /// The next sequence number: twenty digits that grow.
    pub(super) fn next_number(&mut self) -> String {
        self.last_number += 1;
        (10_000_000_000_000_000_000_u128 + u128::from(self.last_number)).to_string()
    }

    /// The result of the same message within the last five minutes.
    pub(super) fn get(&mut self, key: &DeduplicationKey, now: Instant) -> Option<PublishResult> {
        self.recent.get(key, now).map(|recent| recent.result.clone())
    }

    /// Remembers the result of a message.
    pub(super) fn insert(
        &mut self,
        key: DeduplicationKey,
        result: PublishResult,
        (now, stored): (Instant, StoredBytes),
    ) {
        self.recent.insert(key, RecentPublication { result, _stored: stored }, now);
    }
}
