//! The records of the journal, and how they are made from an account.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Change;
use crate::{
    journal::JournalWriter,
    message::{AttributeData, MessageAttributeValue, StringMap},
    sqs::{
        message::{MessageContent, StoredMessage, StoredState},
        queue::QueueState,
        receipt::MessageKey,
        store::{Now, SqsStore},
    },
};

/// The version of the records.
pub(super) const FORMAT: u32 = 1;

/// One record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(in crate::sqs) enum AccountRecord {
    /// The account, first in the file.
    Account { format: u32, region: String, account_id: String, serials: u64 },
    /// A queue with its attributes and tags.
    Queue {
        name: String,
        #[serde(flatten)]
        queue: QueueRecord,
    },
    /// A queue was deleted with its messages.
    QueueDeleted { name: String },
    /// All messages of a queue were deleted.
    Purged { queue: String },
    /// A message.
    Message { queue: String, key: MessageKey, content: ContentRecord, state: StateRecord },
    /// The new state of a message.
    State { queue: String, key: MessageKey, state: StateRecord },
    /// A message was deleted.
    Deleted { queue: String, key: MessageKey },
    /// A deduplication id.
    Recent {
        queue: String,
        #[serde(flatten)]
        recent: RecentRecord,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sqs) struct QueueRecord {
    pub(super) salt: u64,
    pub(super) attributes: StringMap,
    pub(super) tags: StringMap,
    pub(super) created_ms: u64,
    pub(super) modified_ms: u64,
}

/// A deduplication id with the first message that had it.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sqs) struct RecentRecord {
    pub(in crate::sqs) group: Option<String>,
    pub(in crate::sqs) id: String,
    pub(in crate::sqs) message_id: String,
    pub(in crate::sqs) sequence_number: Option<String>,
    pub(in crate::sqs) at_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sqs) struct ContentRecord {
    pub(super) id: String,
    pub(super) body: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, AttributeRecord>,
    pub(super) sender_id: String,
    pub(super) sent_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace_header: Option<String>,
}

/// A type and a value; that of a binary attribute in base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sqs) enum AttributeRecord {
    Text(String, String),
    Base64(String, String),
}

/// Times are milliseconds since the epoch.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::sqs) struct StateRecord {
    pub(super) since_ms: u64,
    #[serde(default)]
    pub(super) receives: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_received_ms: Option<u64>,
    /// The serial number and the time of the latest receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) latest: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delayed_until_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hidden_until_ms: Option<u64>,
}

/// The records of what a call has changed.
pub(in crate::sqs) fn write_changes(store: &SqsStore, changes: Vec<Change>, now: Now) -> Vec<AccountRecord> {
    changes.into_iter().map(|change| record(store, change, now)).collect()
}

fn record(store: &SqsStore, change: Change, now: Now) -> AccountRecord {
    match change {
        Change::Queue(name) => match store.queues.get(&name) {
            Some(queue) => queue_record(queue),
            None => AccountRecord::QueueDeleted { name: name.to_string() },
        },
        Change::Purge(name) => AccountRecord::Purged { queue: name.to_string() },
        Change::Recent(name, recent) => AccountRecord::Recent { queue: name.to_string(), recent },
        Change::Message(name, key) => match message(store, &name, key) {
            Some(found) => message_record(&name, key, found, now),
            None => AccountRecord::Deleted { queue: name.to_string(), key },
        },
        Change::State(name, key) => match message(store, &name, key) {
            Some((message, state)) => AccountRecord::State {
                queue: name.to_string(),
                key,
                state: state_record(message, state, now),
            },
            None => AccountRecord::Deleted { queue: name.to_string(), key },
        },
    }
}

fn message<'a>(
    store: &'a SqsStore,
    queue: &str,
    key: MessageKey,
) -> Option<(&'a StoredMessage, StoredState)> {
    store.queues.get(queue)?.messages.get(key)
}

/// Writes everything that the account holds.
pub(in crate::sqs) fn write_all(store: &SqsStore, writer: &mut JournalWriter, now: Now) {
    let (identity, serials) = store.identity_and_serials();
    let (region, account_id) = (identity.region.clone(), identity.account_id.clone());
    writer.line(&[AccountRecord::Account { format: FORMAT, region, account_id, serials }]);
    for (name, queue) in &store.queues {
        writer.line(&[queue_record(queue)]);
        for recent in queue.recent_ids(now) {
            writer.line(&[AccountRecord::Recent { queue: name.to_string(), recent }]);
        }
        for key in queue.messages.keys() {
            if let Some(found) = queue.messages.get(key) {
                writer.line(&[message_record(name, key, found, now)]);
            }
        }
    }
}

fn queue_record(queue: &QueueState) -> AccountRecord {
    let (created, modified) = queue.times();
    AccountRecord::Queue {
        name: queue.name.to_string(),
        queue: QueueRecord {
            salt: queue.receipts.salt(),
            attributes: queue.attributes.show(),
            tags: queue.tags.clone(),
            created_ms: millis(created),
            modified_ms: millis(modified),
        },
    }
}

fn message_record(
    queue: &str,
    key: MessageKey,
    (message, state): (&StoredMessage, StoredState),
    now: Now,
) -> AccountRecord {
    AccountRecord::Message {
        queue: queue.to_owned(),
        key,
        content: content_record(&message.content),
        state: state_record(message, state, now),
    }
}

fn content_record(content: &MessageContent) -> ContentRecord {
    let attributes = content.attributes.iter();
    ContentRecord {
        id: content.id.to_string(),
        body: content.body.clone(),
        attributes: attributes.map(|(name, value)| (name.clone(), value.into())).collect(),
        sender_id: content.sender_id.to_string(),
        sent_ms: millis(content.sent_at),
        group_id: content.group_id.as_deref().map(str::to_owned),
        deduplication_id: content.deduplication_id.clone(),
        sequence_number: content.sequence_number.clone(),
        trace_header: content.trace_header.clone(),
    }
}

impl From<&MessageAttributeValue> for AttributeRecord {
    fn from(value: &MessageAttributeValue) -> Self {
        let data_type = value.data_type.clone();
        match &value.content {
            AttributeData::Text(text) => Self::Text(data_type, text.clone()),
            AttributeData::Bytes(bytes) => Self::Base64(data_type, BASE64_STANDARD.encode(bytes)),
        }
    }
}

fn state_record(message: &StoredMessage, state: StoredState, now: Now) -> StateRecord {
    let at = |instant| millis(wall_time(instant, now));
    StateRecord {
        since_ms: at(message.since),
        receives: message.receives,
        first_received_ms: message.first_received_at.map(millis),
        latest: message.latest.map(|latest| (latest.serial, at(latest.at))),
        source_arn: message.source_arn.as_deref().map(str::to_owned),
        delayed_until_ms: if let StoredState::Delayed(until) = state { Some(at(until)) } else { None },
        hidden_until_ms: if let StoredState::InFlight(until) = state { Some(at(until)) } else { None },
    }
}

/// The time of day of an instant.
pub(in crate::sqs) fn wall_time(at: Instant, now: Now) -> SystemTime {
    if at >= now.at {
        now.wall + at.saturating_duration_since(now.at)
    } else {
        now.wall - now.at.saturating_duration_since(at)
    }
}

/// The instant of a time of day; the beginning of what came before this clock is now.
pub(super) fn instant(ms: u64, now: Now) -> Instant {
    let wall = UNIX_EPOCH + Duration::from_millis(ms);
    match wall.duration_since(now.wall) {
        Ok(ahead) => now.at + ahead,
        Err(behind) => now.at.checked_sub(behind.duration()).unwrap_or(now.at),
    }
}

/// Milliseconds since the epoch.
pub(in crate::sqs) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
