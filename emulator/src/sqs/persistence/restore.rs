//! Restores an account from the records of its journal.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{
    RecentRecord,
    record::{AccountRecord, AttributeRecord, ContentRecord, FORMAT, QueueRecord, StateRecord, instant},
};
use crate::sqs::{
    AccountIdentity, SqsApiError,
    attributes::QueueConfiguration,
    message::{LatestReceive, MessageContent, StoredMessage},
    queue::QueueState,
    receipt::MessageKey,
    store::{Now, SqsStore},
};
use crate::{
    checksum,
    journal::{self, DataError},
    message::{AttributeData, MessageAttributeValue},
    storage::Storage,
};

/// Fills an empty store from the journal, which may not exist yet.
pub(in crate::sqs) fn restore(store: &mut SqsStore, path: &Path, now: Now) -> Result<(), DataError> {
    let mut account = AccountImage::default();
    journal::read(path, |record| account.apply(record, store.identity_and_serials().0))?;
    account.fill(store, now).map_err(|error| DataError::Refused {
        file: path.to_owned(),
        message: format!("{} hint: raise the limit of stored bytes", error.message),
    })
}

/// The account that the records read so far make.
#[derive(Default)]
struct AccountImage {
    serials: u64,
    queues: BTreeMap<String, QueueImage>,
}

struct QueueImage {
    queue: QueueRecord,
    messages: BTreeMap<MessageKey, (ContentRecord, StateRecord)>,
    recent: Vec<RecentRecord>,
}

impl AccountImage {
    fn apply(&mut self, record: AccountRecord, identity: &AccountIdentity) -> Result<(), String> {
        match record {
            AccountRecord::Account { format, region, account_id, serials } => {
                check_account(format, &AccountIdentity { region, account_id }, identity)?;
                self.serials = serials;
            }
            AccountRecord::Queue { name, queue } => {
                if let Some(image) = self.queues.get_mut(&name) {
                    image.queue = queue;
                } else {
                    let image = QueueImage { queue, messages: BTreeMap::new(), recent: Vec::new() };
                    self.queues.insert(name, image);
                }
            }
            AccountRecord::QueueDeleted { name } => drop(self.queues.remove(&name)),
            AccountRecord::Purged { queue } => {
                let image = self.queue(&queue)?;
                image.messages.clear();
                image.recent.clear();
            }
            AccountRecord::Message { queue, key, content, state } => {
                self.saw(key, &state);
                self.queue(&queue)?.messages.insert(key, (content, state));
            }
            AccountRecord::State { queue, key, state } => {
                self.saw(key, &state);
                if let Some((_, old)) = self.queue(&queue)?.messages.get_mut(&key) {
                    *old = state;
                }
            }
            AccountRecord::Deleted { queue, key } => {
                if let Some(image) = self.queues.get_mut(&queue) {
                    image.messages.remove(&key);
                }
            }
            AccountRecord::Recent { queue, recent } => self.queue(&queue)?.recent.push(recent),
        }
        Ok(())
    }

    fn queue(&mut self, name: &str) -> Result<&mut QueueImage, String> {
        self.queues.get_mut(name).ok_or_else(|| format!("the queue {name} is not in the file"))
    }

    /// Numbers are unique over restarts, too.
    fn saw(&mut self, key: MessageKey, state: &StateRecord) {
        let receive = state.latest.map_or(0, |(serial, _)| serial);
        self.serials = self.serials.max(key).max(receive);
    }

    fn fill(self, store: &mut SqsStore, now: Now) -> Result<(), SqsApiError> {
        store.continue_serials(self.serials);
        for (name, image) in self.queues {
            let attributes = QueueConfiguration::create(&image.queue.attributes)?;
            let mut queue = store.new_queue(&name, attributes, now)?;
            queue.restore_times(time(image.queue.created_ms), time(image.queue.modified_ms));
            queue.receipts.restore_salt(image.queue.salt);
            queue.set_tags(image.queue.tags)?;
            for recent in image.recent {
                let at = instant(recent.at_ms, now);
                queue.remember(recent, at)?;
            }
            for (key, (content, state)) in image.messages {
                restore_message(&mut queue, key, (content, state), (store.storage(), now))?;
            }
            queue.advance(now);
            store.queues.insert(name.as_str().into(), queue);
        }
        Ok(())
    }
}

fn check_account(format: u32, found: &AccountIdentity, wanted: &AccountIdentity) -> Result<(), String> {
    if format != FORMAT {
        return Err(format!("its format is {format}, this version reads {FORMAT}"));
    }
    if found != wanted {
        let AccountIdentity { region, account_id } = found;
        return Err(format!("it belongs to the account {account_id} in {region}"));
    }
    Ok(())
}

fn restore_message(
    queue: &mut QueueState,
    key: MessageKey,
    (content, state): (ContentRecord, StateRecord),
    (storage, now): (&Storage, Now),
) -> Result<(), SqsApiError> {
    let content = MessageContent {
        md5_of_body: checksum::md5_of_body(&content.body),
        id: content.id.into(),
        body: content.body,
        attributes: content.attributes.into_iter().map(|(name, value)| (name, value.into())).collect(),
        sender_id: content.sender_id.into(),
        sent_at: time(content.sent_ms),
        group_id: content.group_id.map(Into::into),
        deduplication_id: content.deduplication_id,
        sequence_number: content.sequence_number,
        trace_header: content.trace_header,
    };
    let stored = storage.store(content.stored_bytes())?;
    let latest = state.latest.map(|(serial, ms)| LatestReceive { serial, at: instant(ms, now) });
    let message = StoredMessage {
        receives: state.receives,
        first_received_at: state.first_received_ms.map(time),
        latest,
        source_arn: state.source_arn.map(Into::into),
        ..StoredMessage::new(Arc::new(content), instant(state.since_ms, now), stored)
    };
    queue.messages.insert(key, message, state.delayed_until_ms.map(|ms| instant(ms, now)));
    if let Some(until) = state.hidden_until_ms {
        queue.messages.hide(key, instant(until, now));
    }
    Ok(())
}

impl From<AttributeRecord> for MessageAttributeValue {
    fn from(record: AttributeRecord) -> Self {
        match record {
            AttributeRecord::Text(data_type, text) => Self { data_type, content: AttributeData::Text(text) },
            AttributeRecord::Base64(data_type, encoded) => {
                let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
                Self { data_type, content: AttributeData::Bytes(bytes) }
            }
        }
    }
}

fn time(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}
