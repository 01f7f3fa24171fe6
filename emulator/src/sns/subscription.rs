//! The subscription of a queue to a topic, raw or enveloped, with an optional filter.

use super::{
    SnsApiError, SnsTopicArn, filter::FilterPolicy, persistence::SubscriptionRecord,
    topic::check_attribute_size,
};
use crate::{
    message::StringMap,
    storage::{Storage, StoredBytes, text_bytes},
};

/// The subscription of one queue to a topic.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) arn: String,
    pub(super) endpoint: String,
    pub(super) filter: Option<FilterPolicy>,
    attributes: StringMap,
    stored: StoredBytes,
}

/// The parameters of `Subscribe`.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubscribeRequest<'a> {
    pub(super) protocol: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) attributes: &'a StringMap,
}

/// A subscription as `ListSubscriptions` returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionSummary {
    /// `SubscriptionArn`.
    pub arn: String,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Endpoint`: the queue's ARN.
    pub endpoint: String,
    /// `Owner`: the account id.
    pub owner: String,
}

impl Subscription {
    /// A subscription of a request that was checked.
    pub(super) fn create(
        topic: &SnsTopicArn,
        request: &SubscribeRequest<'_>,
        storage: &Storage,
    ) -> Result<Self, SnsApiError> {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        let mut subscription = Self {
            arn: format!("{topic}:{}", id.hyphenated()),
            endpoint: request.endpoint.to_owned(),
            filter: None,
            attributes: StringMap::new(),
            stored: storage.store(request.endpoint.len())?,
        };
        for (name, value) in request.attributes {
            subscription.set(name, value)?;
        }
        Ok(subscription)
    }

    /// A subscription of an earlier process.
    pub(super) fn restored(
        (arn, endpoint): (String, String),
        attributes: StringMap,
        storage: &Storage,
    ) -> Result<Self, SnsApiError> {
        let stored = storage.store(endpoint.len())?;
        let mut subscription = Self { arn, endpoint, filter: None, attributes: StringMap::new(), stored };
        for (name, value) in &attributes {
            subscription.set(name, value)?;
        }
        Ok(subscription)
    }

    /// The subscription as the journal keeps it.
    pub(super) fn record(&self) -> SubscriptionRecord {
        let Self { arn, endpoint, attributes, .. } = self;
        SubscriptionRecord { arn: arn.clone(), endpoint: endpoint.clone(), attributes: attributes.clone() }
    }

    /// Sets one attribute; an empty filter policy removes it.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), SnsApiError> {
        check_attribute_size(name, value)?;
        let old = self.attributes.get(name).map_or(0, |old| name.len() + old.len());
        let text = self.endpoint.len() + text_bytes(&self.attributes) - old + name.len() + value.len();
        self.stored.resize(text)?;
        match name {
            "RawMessageDelivery" if matches!(value, "true" | "false") => {}
            "RawMessageDelivery" => {
                return Err(SnsApiError::invalid("RawMessageDelivery Reason: value must be true or false."));
            }
            "FilterPolicy" => {
                let parsed = FilterPolicy::parse(value, super::filter::FilterScope::default());
                self.filter = parsed.map_err(SnsApiError::invalid)?;
            }
            "FilterPolicyScope" if value == "MessageAttributes" => {}
            "FilterPolicyScope" => {
                return Err(SnsApiError::invalid(
                    "FilterPolicyScope Reason: this server filters by MessageAttributes only",
                ));
            }
            "RedrivePolicy" | "DeliveryPolicy" | "SubscriptionRoleArn" => {}
            _ => return Err(SnsApiError::invalid("AttributeName")),
        }
        self.attributes.insert(name.to_owned(), value.to_owned());
        if name == "FilterPolicy" && self.filter.is_none() {
            self.attributes.remove(name);
        }
        Ok(())
    }

    /// Returns true if messages are delivered without the envelope of SNS.
    pub(super) fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }

    /// Returns true if both subscriptions have the same attributes.
    pub(super) fn has_attributes_of(&self, other: &Self) -> bool {
        self.attributes == other.attributes
    }

    /// The queue's name, the last part of its ARN.
    pub(super) fn queue_name(&self) -> &str {
        self.endpoint.rsplit(':').next().unwrap_or_default()
    }

    /// The subscription as lists show it.
    pub(super) fn summary(&self, topic: &SnsTopicArn) -> SubscriptionSummary {
        SubscriptionSummary {
            arn: self.arn.clone(),
            topic_arn: topic.to_string(),
            endpoint: self.endpoint.clone(),
            owner: topic.account_id().to_owned(),
        }
    }

    /// The attributes as SNS returns them.
    pub(super) fn show(&self, topic: &SnsTopicArn) -> StringMap {
        let mut shown = self.attributes.clone();
        shown.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
        if self.filter.is_some() {
            shown.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
        }
        let facts = [
            ("SubscriptionArn", self.arn.as_str()),
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", &self.endpoint),
            ("Owner", topic.account_id()),
            ("ConfirmationWasAuthenticated", "true"),
            ("PendingConfirmation", "false"),
        ];
        shown.extend(facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
        shown
    }
}

/// Checks protocol and endpoint of a subscription to a topic.
pub(super) fn check_endpoint(topic_is_fifo: bool, request: &SubscribeRequest<'_>) -> Result<(), SnsApiError> {
    if request.protocol != "sqs" {
        let protocol = request.protocol;
        let reason = format!("Protocol Reason: this server delivers to sqs only, not to {protocol}");
        return Err(SnsApiError::invalid(reason));
    }
    let parts: Vec<&str> = request.endpoint.split(':').collect();
    let ["arn", _, "sqs", _, _, name] = parts[..] else {
        return Err(SnsApiError::invalid("Endpoint Reason: SQS endpoint ARN"));
    };
    if name.strip_suffix(".fifo").is_some() && !topic_is_fifo {
        let reason = "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return Err(SnsApiError::invalid(reason));
    }
    Ok(())
}

/// Checks that a text can be the ARN of a subscription, which has one part more than that of a topic.
pub(super) fn check_arn(arn: &str) -> Result<(), SnsApiError> {
    let parts = arn.split(':').count();
    if parts == 7 {
        return Ok(());
    }
    let reason = format!("An ARN must have at least 6 elements, not {parts}");
    Err(SnsApiError::invalid(format!("SubscriptionArn Reason: {reason}")))
}
