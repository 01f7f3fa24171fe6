//! Writes topics and subscriptions to the journal, and restores them.
//!
//! Published messages are with the queues; what a FIFO topic remembers for deduplication is not kept, because the
//! FIFO queues behind it remember it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{SnsApiError, SnsTopicArn, store::SnsStore, subscription::Subscription, topic::TopicState};
use crate::{
    journal::{self, DataError, JournalWriter},
    message::StringMap,
};

/// One record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum TopicRecord {
    /// A topic with its subscriptions.
    Topic {
        arn: String,
        attributes: StringMap,
        tags: StringMap,
        deleted_subscriptions: usize,
        subscriptions: Vec<SubscriptionRecord>,
    },
    /// A topic was deleted.
    TopicDeleted { arn: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SubscriptionRecord {
    pub(super) arn: String,
    pub(super) protocol: String,
    pub(super) endpoint: String,
    pub(super) attributes: StringMap,
}

/// The records of the topics that a call has changed.
pub(super) fn write_changes(store: &SnsStore, changed: Vec<String>) -> Vec<TopicRecord> {
    let record = |arn: String| match store.get(&arn) {
        Some(topic) => topic_record(topic),
        None => TopicRecord::TopicDeleted { arn },
    };
    changed.into_iter().map(record).collect()
}

/// Writes all topics.
pub(super) fn write_all(store: &SnsStore, writer: &mut JournalWriter) {
    for topic in store.all() {
        writer.line(&[topic_record(topic)]);
    }
}

/// Fills an empty store from the journal, which may not exist yet.
pub(super) fn restore(store: &mut SnsStore, path: &Path) -> Result<(), DataError> {
    journal::read(path, |record| match record {
        TopicRecord::TopicDeleted { arn } => {
            store.remove(&arn);
            Ok(())
        }
        topic @ TopicRecord::Topic { .. } => restore_topic(store, topic).map_err(|error| error.message),
    })
}

fn restore_topic(store: &mut SnsStore, record: TopicRecord) -> Result<(), SnsApiError> {
    let TopicRecord::Topic { arn, attributes, tags, deleted_subscriptions, subscriptions } = record else {
        return Ok(());
    };
    let arn: SnsTopicArn = arn.parse()?;
    let mut topic = TopicState::restored(arn, attributes, tags, store.storage().clone())?;
    topic.deleted_subscriptions = deleted_subscriptions;
    for subscription in subscriptions {
        topic.subscriptions.push(Subscription::restored(subscription, store.storage())?);
    }
    store.put(topic);
    Ok(())
}

fn topic_record(topic: &TopicState) -> TopicRecord {
    TopicRecord::Topic {
        arn: topic.arn.to_string(),
        attributes: topic.attributes.as_set().clone(),
        tags: topic.tags.clone(),
        deleted_subscriptions: topic.deleted_subscriptions,
        subscriptions: topic.subscriptions.iter().map(Subscription::record).collect(),
    }
}
