//! The SNS account: topics and subscriptions behind one lock.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    MessageStructure, PublishRequest, PublishResult, PublishTarget, SentSms, SmsNumber, SnsApiError,
    SnsTopicArn, SubscriptionSummary, persistence, policy, store::SnsStore, subscription::SubscribeRequest,
    topic::DATA_PROTECTION,
};
use crate::{
    journal::{AccountJournal, DataError},
    message::StringMap,
    permissions::{AccessPolicy, PermissionRequest},
    sqs::SqsAccount,
};

/// An account of SNS in memory; clones share the topics.
///
/// Its topics are those of its own region; those of another are seen by clients of that region.
#[derive(Clone)]
pub struct SnsAccount {
    shared: Arc<Inner>,
    region: Arc<str>,
}

struct Inner {
    sqs: SqsAccount,
    store: Mutex<SnsStore>,
    journal: Option<AccountJournal>,
    listener: Box<dyn Fn(&PublishedMessage) + Send + Sync>,
}

/// A message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedMessage {
    /// The message.
    pub request: PublishRequest,
    /// The number of subscriptions it was delivered to.
    pub delivered: usize,
}

/// Formats the message as a line of text.
impl fmt::Display for PublishedMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request: PublishRequest { target, body, .. }, delivered } = self;
        match target {
            PublishTarget::Topic(topic) => {
                write!(formatter, "published to {} for {delivered} subscriptions: {body}", topic.name())
            }
            PublishTarget::Phone(number) => write!(formatter, "sms to {}: {body}", number.as_str()),
        }
    }
}

impl fmt::Debug for SnsAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SnsAccount").field("sqs", &self.shared.sqs).finish_non_exhaustive()
    }
}

impl SnsAccount {
    /// An account without topics, which delivers to the queues of this SQS account.
    pub fn new(sqs: SqsAccount) -> Self {
        Self::with_listener(sqs, |_| {})
    }

    /// An account without topics that calls a function with every message that is published.
    pub fn with_listener(
        sqs: SqsAccount,
        listener: impl Fn(&PublishedMessage) + Send + Sync + 'static,
    ) -> Self {
        let store = SnsStore::new(sqs.identity().clone(), sqs.storage().clone());
        Self::of(store, sqs, None, listener)
    }

    /// An account that is restored from a journal, and writes every change of a topic to it.
    pub(crate) fn restored(
        sqs: SqsAccount,
        path: PathBuf,
        listener: impl Fn(&PublishedMessage) + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let mut store = SnsStore::new(sqs.identity().clone(), sqs.storage().clone());
        persistence::restore(&mut store, &path)?;
        store.changed.clear();
        let journal = Some(AccountJournal::create(path, |writer| persistence::write_all(&store, writer))?);
        Ok(Self::of(store, sqs, journal, listener))
    }

    fn of(
        store: SnsStore,
        sqs: SqsAccount,
        journal: Option<AccountJournal>,
        listener: impl Fn(&PublishedMessage) + Send + Sync + 'static,
    ) -> Self {
        let (region, listener) = (Arc::clone(&store.region), Box::new(listener));
        Self { shared: Arc::new(Inner { sqs, store: Mutex::new(store), journal, listener }), region }
    }

    /// The account as clients of a region see it.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), region: region.into() }
    }

    /// The reason for which the last change of a queue or a topic was not written, if there is a journal.
    pub(crate) fn journal_failure(&self) -> Option<String> {
        let of_topics = || self.shared.journal.as_ref()?.failure();
        self.shared.sqs.journal_failure().or_else(of_topics)
    }

    /// The SQS account to whose queues topics deliver.
    pub fn sqs(&self) -> &SqsAccount {
        &self.shared.sqs
    }

    /// The ARN that a topic of this name has or would have.
    pub fn arn(&self, name: &str) -> Result<SnsTopicArn, SnsApiError> {
        self.with(|store| store.arn(name))
    }

    /// Creates a topic; succeeds if one of the same name and attributes exists.
    pub fn create_topic(
        &self,
        name: &str,
        attributes: &StringMap,
        tags: &StringMap,
    ) -> Result<SnsTopicArn, SnsApiError> {
        self.with(|store| store.create_topic(name, attributes, tags))
    }

    /// Deletes a topic with its subscriptions; succeeds if there is none.
    pub fn delete_topic(&self, arn: &str) -> Result<(), SnsApiError> {
        self.with(|store| store.delete_topic(arn))
    }

    /// The ARNs of all topics, sorted.
    pub fn topic_arns(&self) -> Vec<String> {
        self.with(|store| store.topic_arns())
    }

    /// The attributes of a topic.
    pub fn topic_attributes(&self, arn: &str) -> Result<StringMap, SnsApiError> {
        self.with(|store| store.topic_attributes(arn))
    }

    /// Sets one attribute of a topic.
    pub fn set_topic_attribute(&self, arn: &str, name: &str, value: &str) -> Result<(), SnsApiError> {
        self.with(|store| store.change(arn)?.set(name, value))
    }

    /// The tags of a topic.
    pub fn topic_tags(&self, arn: &str) -> Result<StringMap, SnsApiError> {
        self.with(|store| Ok(store.topic(arn)?.tags.clone()))
    }

    /// Adds tags to a topic, or changes them.
    pub fn tag_topic(&self, arn: &str, tags: &StringMap) -> Result<(), SnsApiError> {
        self.with(|store| {
            let topic = store.change(arn)?;
            let mut all = topic.tags.clone();
            all.extend(tags.clone());
            topic.set_tags(all)
        })
    }

    /// Removes tags from a topic.
    pub fn untag_topic(&self, arn: &str, keys: &[String]) -> Result<(), SnsApiError> {
        self.with(|store| {
            let topic = store.change(arn)?;
            let mut left = topic.tags.clone();
            left.retain(|key, _| !keys.contains(key));
            topic.set_tags(left)
        })
    }

    /// The data protection policy of a topic, empty if there is none; it has no effect.
    pub(crate) fn data_protection_policy(&self, arn: &str) -> Result<String, SnsApiError> {
        self.with(|store| {
            let policy = store.topic(arn)?.attributes.get(DATA_PROTECTION);
            Ok(policy.unwrap_or_default().to_owned())
        })
    }

    /// Sets the data protection policy of a topic.
    pub(crate) fn set_data_protection_policy(&self, arn: &str, policy: &str) -> Result<(), SnsApiError> {
        self.set_topic_attribute(arn, DATA_PROTECTION, policy)
    }

    /// Adds a statement to the policy of a topic.
    pub(crate) fn add_permission(
        &self,
        arn: &str,
        request: PermissionRequest<'_>,
    ) -> Result<(), SnsApiError> {
        self.edit_policy(arn, |policy, arn| policy::add_statement(policy, arn, request))
    }

    /// Removes a statement from the policy of a topic.
    pub(crate) fn remove_permission(&self, arn: &str, label: &str) -> Result<(), SnsApiError> {
        self.edit_policy(arn, |policy, _| {
            policy.remove(label);
            Ok(())
        })
    }

    fn edit_policy(
        &self,
        arn: &str,
        edit: impl FnOnce(&mut AccessPolicy, &SnsTopicArn) -> Result<(), SnsApiError>,
    ) -> Result<(), SnsApiError> {
        self.with(|store| {
            let topic = store.change(arn)?;
            let mut policy = match topic.attributes.get("Policy") {
                Some(text) => AccessPolicy::parse(text).ok_or_else(|| SnsApiError::invalid("Policy"))?,
                None => policy::default_policy(&topic.arn),
            };
            edit(&mut policy, &topic.arn)?;
            topic.set("Policy", &policy.to_string())
        })
    }

    /// Subscribes a queue, by its ARN, to a topic; returns the ARN of the subscription.
    pub fn subscribe(
        &self,
        topic_arn: &str,
        queue_arn: &str,
        attributes: &StringMap,
    ) -> Result<String, SnsApiError> {
        self.subscribe_by(topic_arn, "sqs", queue_arn, attributes)
    }

    /// Subscribes an endpoint by the protocol that the client names; only `sqs` is delivered to.
    pub(crate) fn subscribe_by(
        &self,
        topic_arn: &str,
        protocol: &str,
        endpoint: &str,
        attributes: &StringMap,
    ) -> Result<String, SnsApiError> {
        self.with(|store| store.subscribe(topic_arn, &SubscribeRequest { protocol, endpoint, attributes }))
    }

    /// Deletes a subscription; succeeds if there is none.
    pub fn unsubscribe(&self, subscription_arn: &str) -> Result<(), SnsApiError> {
        self.with(|store| store.unsubscribe(subscription_arn))
    }

    /// All subscriptions, or those of one topic.
    pub fn subscriptions(&self, topic_arn: Option<&str>) -> Result<Vec<SubscriptionSummary>, SnsApiError> {
        self.with(|store| store.subscriptions(topic_arn))
    }

    /// The attributes of a subscription.
    pub fn subscription_attributes(&self, subscription_arn: &str) -> Result<StringMap, SnsApiError> {
        self.with(|store| store.subscription_attributes(subscription_arn))
    }

    /// Sets one attribute of a subscription; an empty filter policy removes it.
    pub fn set_subscription_attribute(
        &self,
        subscription_arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), SnsApiError> {
        self.with(|store| store.set_subscription_attribute(subscription_arn, name, value))
    }

    /// Publishes a message.
    pub fn publish(
        &self,
        request: PublishRequest,
        structure: MessageStructure,
    ) -> Result<PublishResult, SnsApiError> {
        let (result, message) = self.with(|store| store.publish(&self.shared.sqs, request, structure))?;
        (self.shared.listener)(&message);
        Ok(result)
    }

    /// The last published messages, the oldest first, a thousand at most.
    pub fn published(&self) -> Vec<PublishedMessage> {
        self.with(|store| store.published.all())
    }

    /// Sets the attributes of SMS in the region.
    pub(crate) fn set_sms_attributes(&self, attributes: &StringMap) -> Result<(), SnsApiError> {
        self.with(|store| store.sms.set_attributes(&store.region, attributes))
    }

    /// The attributes of SMS in the region.
    pub(crate) fn sms_attributes(&self) -> StringMap {
        self.with(|store| store.sms.attributes(&store.region))
    }

    /// Notes that a phone number wants no SMS; SNS has no such call, the owner of the number replies with `STOP`.
    pub fn opt_out(&self, number: SmsNumber) -> Result<(), SnsApiError> {
        self.with(|store| store.sms.opt_out(number))
    }

    /// Notes that a phone number wants SMS again.
    pub(crate) fn opt_in(&self, number: &SmsNumber) {
        self.with(|store| store.sms.opt_in(number));
    }

    /// True if a phone number wants no SMS.
    pub(crate) fn is_opted_out(&self, number: &SmsNumber) -> bool {
        self.with(|store| store.sms.is_opted_out(number))
    }

    /// The phone numbers that want no SMS, sorted.
    pub(crate) fn opted_out(&self) -> Vec<SmsNumber> {
        self.with(|store| store.sms.opted_out())
    }

    /// The last SMS to phone numbers, subscribed ones too, the oldest first, a thousand at most.
    pub fn sent_sms(&self) -> Vec<SentSms> {
        self.with(|store| store.sms.sent())
    }

    /// Forgets the SMS to one number, or all.
    pub(crate) fn forget_sms(&self, number: Option<&str>) {
        self.with(|store| store.sms.forget(number));
    }

    fn with<T>(&self, call: impl FnOnce(&mut SnsStore) -> T) -> T {
        let mut store = self.shared.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.region = Arc::clone(&self.region);
        let result = call(&mut store);
        let changed = std::mem::take(&mut store.changed);
        if let Some(journal) = &self.shared.journal {
            let records = persistence::write_changes(&store, changed);
            journal.append(&records, |writer| persistence::write_all(&store, writer));
        }
        result
    }
}
