//! The topics of an account by their ARNs, and the calls on them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    MessageStructure, PublishRequest, PublishResult, PublishTarget, PublishedMessage, SnsApiError,
    SnsTopicArn, SubscriptionSummary, publish,
    sms::SmsState,
    subscription::{self, SubscribeRequest, Subscription},
    target::is_topic_name,
    topic::{TopicAttributes, TopicState},
};
use crate::{
    message::StringMap,
    sqs::{AccountIdentity, SqsAccount},
    storage::{Remembered, Storage},
};

/// The topics of an account.
#[derive(Debug)]
pub(super) struct SnsStore {
    identity: AccountIdentity,
    /// The region of the current call, which is that of the client.
    pub(super) region: Arc<str>,
    topics: BTreeMap<String, TopicState>,
    pub(super) sms: SmsState,
    /// The last published messages.
    pub(super) published: Remembered<PublishedMessage>,
    storage: Storage,
    /// The ARNs of the topics that the current call changes.
    pub(super) changed: Vec<String>,
}

impl SnsStore {
    pub(super) fn new(identity: AccountIdentity, storage: Storage) -> Self {
        Self {
            region: identity.region.as_str().into(),
            identity,
            topics: BTreeMap::new(),
            sms: SmsState::new(storage.clone()),
            published: Remembered::new(storage.clone()),
            storage,
            changed: Vec::new(),
        }
    }

    /// The storage of the account.
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// A topic, if it exists.
    pub(super) fn get(&self, arn: &str) -> Option<&TopicState> {
        self.topics.get(arn)
    }

    /// All topics.
    pub(super) fn all(&self) -> impl Iterator<Item = &TopicState> {
        self.topics.values()
    }

    /// Adds a topic or replaces it.
    pub(super) fn put(&mut self, topic: TopicState) {
        self.topics.insert(topic.arn.to_string(), topic);
    }

    /// A topic that the call changes.
    pub(super) fn change(&mut self, arn: &str) -> Result<&mut TopicState, SnsApiError> {
        self.topic(arn)?;
        self.changed.push(arn.to_owned());
        self.topic(arn)
    }

    pub(super) fn arn(&self, name: &str) -> Result<SnsTopicArn, SnsApiError> {
        let arn = SnsTopicArn::new(&self.region, &self.identity.account_id, name)
            .ok()
            .filter(|_| is_topic_name(name));
        arn.ok_or_else(|| SnsApiError::invalid("Topic Name"))
    }

    pub(super) fn create_topic(
        &mut self,
        name: &str,
        given: &StringMap,
        tags: &StringMap,
    ) -> Result<SnsTopicArn, SnsApiError> {
        let attributes = TopicAttributes::create(name, given)?;
        let arn = self.arn(name)?;
        if let Some(topic) = self.topics.get(arn.as_str()) {
            let differing = if !topic.attributes.includes(&attributes) {
                "Attributes Reason: Topic already exists with different attributes"
            } else if tags.iter().any(|(name, value)| topic.tags.get(name) != Some(value)) {
                "Tags Reason: Topic already exists with different tags"
            } else {
                return Ok(arn);
            };
            return Err(SnsApiError::invalid(differing));
        }
        let topic = TopicState::new(arn.clone(), attributes, tags.clone(), self.storage.clone())?;
        self.put(topic);
        self.changed.push(arn.to_string());
        Ok(arn)
    }

    pub(super) fn delete_topic(&mut self, arn: &str) -> Result<(), SnsApiError> {
        self.check_region(arn)?;
        self.remove(arn);
        self.changed.push(arn.to_owned());
        Ok(())
    }

    /// Removes a topic, of whatever region.
    pub(super) fn remove(&mut self, arn: &str) {
        self.topics.remove(arn);
    }

    /// The topics of the region.
    fn of_region(&self) -> impl Iterator<Item = &TopicState> {
        self.topics.values().filter(|topic| topic.arn.region() == &*self.region)
    }

    pub(super) fn topic_arns(&self) -> Vec<String> {
        self.of_region().map(|topic| topic.arn.to_string()).collect()
    }

    /// Checks the form of an ARN; a topic of another region is none for the client.
    fn check_region(&self, arn: &str) -> Result<(), SnsApiError> {
        let arn: SnsTopicArn = arn.parse()?;
        if arn.region() == &*self.region { Ok(()) } else { Err(SnsApiError::invalid("TopicArn")) }
    }

    pub(super) fn topic(&mut self, arn: &str) -> Result<&mut TopicState, SnsApiError> {
        self.check_region(arn)?;
        self.topics.get_mut(arn).ok_or_else(SnsApiError::no_topic)
    }

    pub(super) fn topic_attributes(&mut self, arn: &str) -> Result<StringMap, SnsApiError> {
        let owner = self.identity.account_id.clone();
        let mut shown = self.topic(arn)?.show();
        shown.insert("Owner".to_owned(), owner);
        Ok(shown)
    }

    pub(super) fn subscribe(
        &mut self,
        topic_arn: &str,
        request: &SubscribeRequest<'_>,
    ) -> Result<String, SnsApiError> {
        let topic = self.change(topic_arn)?;
        let protocol = subscription::check_endpoint(topic.attributes.is_fifo(), request)?;
        let requested = Subscription::create(&topic.arn, protocol, request, &topic.storage)?;
        let is_same =
            |other: &&Subscription| other.protocol == protocol && other.endpoint == request.endpoint;
        if let Some(existing) = topic.subscriptions.iter().find(is_same) {
            let reason = "Attributes Reason: Subscription already exists with different attributes";
            let agrees = existing.includes(&requested);
            return if agrees { Ok(existing.arn.clone()) } else { Err(SnsApiError::invalid(reason)) };
        }
        let arn = requested.arn.clone();
        topic.subscriptions.push(requested);
        Ok(arn)
    }

    pub(super) fn unsubscribe(&mut self, arn: &str) -> Result<(), SnsApiError> {
        subscription::check_arn(arn)?;
        for topic in self.topics.values_mut() {
            let before = topic.subscriptions.len();
            topic.subscriptions.retain(|subscription| subscription.arn != arn);
            if topic.subscriptions.len() < before {
                topic.deleted_subscriptions += 1;
                self.changed.push(topic.arn.to_string());
            }
        }
        Ok(())
    }

    pub(super) fn subscriptions(
        &mut self,
        topic_arn: Option<&str>,
    ) -> Result<Vec<SubscriptionSummary>, SnsApiError> {
        let topics: Vec<&TopicState> = match topic_arn {
            Some(arn) => vec![self.topic(arn)?],
            None => self.of_region().collect(),
        };
        let of_topic = |topic: &TopicState| {
            topic.subscriptions.iter().map(|one| one.summary(&topic.arn)).collect::<Vec<_>>()
        };
        Ok(topics.into_iter().flat_map(of_topic).collect())
    }

    pub(super) fn subscription_attributes(&self, arn: &str) -> Result<StringMap, SnsApiError> {
        subscription::check_arn(arn)?;
        let found = self.topics.values().find_map(|topic| {
            let subscription = topic.subscriptions.iter().find(|subscription| subscription.arn == arn)?;
            Some(subscription.show(&topic.arn))
        });
        found.ok_or_else(SnsApiError::no_subscription)
    }

    pub(super) fn set_subscription_attribute(
        &mut self,
        arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), SnsApiError> {
        subscription::check_arn(arn)?;
        for topic in self.topics.values_mut() {
            if let Some(found) = topic.subscriptions.iter_mut().find(|one| one.arn == arn) {
                self.changed.push(topic.arn.to_string());
                return found.set(name, value);
            }
        }
        Err(SnsApiError::no_subscription())
    }

    /// Publishes a message and remembers it.
    pub(super) fn publish(
        &mut self,
        sqs: &SqsAccount,
        request: PublishRequest,
        structure: MessageStructure,
    ) -> Result<(PublishResult, PublishedMessage), SnsApiError> {
        publish::check_request(&request)?;
        let (result, delivered) = match &request.target {
            PublishTarget::Topic(arn) => {
                self.check_region(arn.as_str())?;
                let topic = self.topics.get_mut(arn.as_str()).ok_or_else(SnsApiError::no_topic)?;
                publish::publish_to_topic(topic, (sqs, &mut self.sms), &request, structure)?
            }
            PublishTarget::Phone(number) => {
                publish::publish_to_phone(number, &mut self.sms, &request, structure)?
            }
        };
        let bytes = request.size_bytes();
        let message = PublishedMessage { request, delivered };
        self.published.push(message.clone(), bytes);
        Ok((result, message))
    }
}
