//! One queue: its attributes, its messages, and the receives that wait for them.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{
    AccountLimits, DeliveredMessage, MessageContent, ReceiveOptions, SendResult, SqsApiError, SqsErrorCode,
    attributes::{DeduplicationScope, QueueConfiguration, QueueType},
    fifo::{DeduplicationKey, RecentIds},
    message::{LatestReceive, StoredMessage, StoredState},
    message_store::{DeliveryOrder, MessageStore},
    persistence::{self, Changes, QueueChanges, RecentRecord},
    receipt::{MessageKey, ReceiptCodec, Receive},
    send,
    store::Now,
    validate,
    waiting::WaitingReceives,
};
use crate::{
    limits,
    message::{NewMessage, StringMap},
    storage::{Storage, StoredBytes, text_bytes},
};

/// The time after a purge in which the next one is refused.
const PURGE_PAUSE: Duration = Duration::from_mins(1);
/// The time after which a change of `DeduplicationScope` takes effect.
///
/// SQS documents a minute for every attribute; here the others take effect at once, which tests want. That this one does
/// not is recorded against AWS.
const SCOPE_DELAY: Duration = Duration::from_mins(1);

/// The attributes and counts of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// `QueueArn`.
    pub arn: String,
    /// `VisibilityTimeout`.
    pub visibility: Duration,
    /// `MessageRetentionPeriod`.
    pub retention: Duration,
    /// `KmsMasterKeyId`, if it is set.
    pub kms_key: Option<String>,
    /// `RedrivePolicy`, if it is set.
    pub redrive: Option<RedriveSettings>,
    /// `FifoQueue`.
    pub fifo: bool,
    /// `MaximumMessageSize`.
    pub message_bytes: usize,
    /// `ApproximateNumberOfMessages`; exact here.
    pub visible: u64,
    /// `ApproximateNumberOfMessagesNotVisible`; exact here.
    pub in_flight: u64,
    /// `ApproximateNumberOfMessagesDelayed`; exact here.
    pub delayed: u64,
}

/// The redrive policy of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedriveSettings {
    /// `deadLetterTargetArn`.
    pub dead_letter_arn: String,
    /// `maxReceiveCount`.
    pub max_receive_count: NonZeroU32,
}

/// One queue.
///
/// Every call begins with [`QueueState::advance`], which lets time pass, and every call that changes a message ends
/// with [`QueueState::wake_receives`].
#[derive(Debug)]
pub(super) struct QueueState {
    pub(super) name: Arc<str>,
    pub(super) arn: Arc<str>,
    pub(super) attributes: QueueConfiguration,
    pub(super) tags: StringMap,
    pub(super) messages: MessageStore,
    pub(super) waiting: WaitingReceives,
    pub(super) receipts: ReceiptCodec,
    deduplicated: RecentIds<DeduplicationKey, FirstMessage>,
    /// The scope in effect, and the time from which it is that of the attributes.
    scope: (DeduplicationScope, Option<Instant>),
    attempts: RecentIds<String, ReceiveAttemptRecord>,
    limits: AccountLimits,
    storage: Storage,
    /// The bytes of its attributes and tags.
    stored: StoredBytes,
    created_at: SystemTime,
    modified_at: SystemTime,
    purged: Option<Instant>,
    changes: QueueChanges,
}

/// The first message of a deduplication id.
#[derive(Debug)]
struct FirstMessage {
    id: Arc<str>,
    sequence_number: Option<String>,
    _stored: StoredBytes,
}

/// The messages that a receive with an attempt id has returned.
#[derive(Debug)]
struct ReceiveAttemptRecord {
    receives: Vec<Receive>,
    _stored: StoredBytes,
}

/// The limits of one receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveAllowance {
    /// The most messages.
    pub(super) messages: usize,
    /// The number of receives after which a message goes to the dead-letter queue, if there is one.
    pub(super) max_receives: Option<NonZeroU32>,
    /// The serial number of this receive.
    pub(super) serial: u64,
}

/// The messages that a receive took out of the visible ones.
#[derive(Debug, Default)]
pub(super) struct TakenMessages {
    /// The messages it returns.
    pub(super) received: Vec<DeliveredMessage>,
    /// The messages that were received too often.
    pub(super) exhausted: Vec<(MessageKey, StoredMessage)>,
}

impl QueueState {
    /// An empty queue.
    pub(super) fn new(
        name: &str,
        arn: String,
        attributes: QueueConfiguration,
        (limits, storage, changes): (AccountLimits, Storage, Changes),
        now: Now,
    ) -> Result<Self, SqsApiError> {
        let changes = QueueChanges::new(changes, name.into());
        changes.queue();
        let order = match attributes.queue_type {
            QueueType::Standard => DeliveryOrder::standard(),
            QueueType::Fifo(_) => DeliveryOrder::fifo(),
        };
        let stored = storage.store(length_of(name, &attributes, &StringMap::new()))?;
        Ok(Self {
            name: name.into(),
            arn: arn.into(),
            scope: (attributes.queue_type.scope(), None),
            attributes,
            tags: StringMap::new(),
            messages: MessageStore::new(order, changes.clone()),
            waiting: WaitingReceives::default(),
            receipts: ReceiptCodec::new(),
            deduplicated: RecentIds::default(),
            attempts: RecentIds::default(),
            limits,
            storage,
            stored,
            created_at: now.wall,
            modified_at: now.wall,
            purged: None,
            changes,
        })
    }

    /// Advances the queue to the current time: ends delays and visibility timeouts, drops old messages.
    pub(super) fn advance(&mut self, now: Now) {
        if self.scope.1.is_some_and(|changes_at| changes_at <= now.at) {
            self.scope = (self.attributes.queue_type.scope(), None);
        }
        self.messages.advance(now.at, self.attributes.retention);
    }

    /// The number of messages that may still go in flight.
    pub(super) fn in_flight_capacity(&self) -> usize {
        self.limits.in_flight.saturating_sub(self.messages.counts().in_flight)
    }

    /// Wakes the first waiting receive if a message is visible, or will be before that receive tries again.
    ///
    /// At the in-flight limit a visible message wakes no receive, which could not take it and would wake itself again. The
    /// receive tries again at the next end of a visibility timeout.
    pub(super) fn wake_receives(&self) {
        if self.in_flight_capacity() > 0 && self.messages.next(None).is_some() {
            self.waiting.wake_first();
        } else {
            self.waiting.wake_first_before(self.messages.next_due());
        }
    }

    /// Changes the attributes.
    pub(super) fn set_attributes(
        &mut self,
        attributes: QueueConfiguration,
        now: Now,
    ) -> Result<(), SqsApiError> {
        self.stored.resize(length_of(&self.name, &attributes, &self.tags))?;
        if attributes.queue_type.scope() != self.attributes.queue_type.scope() {
            self.scope.1 = Some(now.at + SCOPE_DELAY);
        }
        self.attributes = attributes;
        self.modified_at = now.wall;
        self.changes.queue();
        Ok(())
    }

    /// Replaces the tags.
    pub(super) fn set_tags(&mut self, tags: StringMap) -> Result<(), SqsApiError> {
        self.stored.resize(length_of(&self.name, &self.attributes, &tags))?;
        self.tags = tags;
        self.changes.queue();
        Ok(())
    }

    /// All attributes as SQS returns them.
    pub(super) fn show(&self) -> StringMap {
        let counts = self.messages.counts();
        let mut shown = self.attributes.show();
        shown.extend(
            [
                ("ApproximateNumberOfMessages", counts.visible.to_string()),
                ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
                ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
                ("CreatedTimestamp", epoch_seconds(self.created_at)),
                ("LastModifiedTimestamp", epoch_seconds(self.modified_at)),
                ("QueueArn", self.arn.as_ref().to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        shown
    }

    /// The attributes and counts, typed.
    pub(super) fn snapshot(&self) -> QueueSnapshot {
        let counts = self.messages.counts();
        let redrive = self.attributes.redrive.as_ref().map(|policy| RedriveSettings {
            dead_letter_arn: policy.arn.clone(),
            max_receive_count: policy.max_receives,
        });
        QueueSnapshot {
            arn: self.arn.as_ref().to_owned(),
            visibility: self.attributes.visibility,
            retention: self.attributes.retention,
            kms_key: self.attributes.kms_key().map(str::to_owned),
            redrive,
            fifo: self.attributes.queue_type.is_fifo(),
            message_bytes: self.attributes.message_bytes,
            visible: counts.visible as u64,
            in_flight: counts.in_flight as u64,
            delayed: counts.delayed as u64,
        }
    }

    /// Deletes all messages, those in flight too.
    pub(super) fn purge(&mut self, now: Now) -> Result<(), SqsApiError> {
        if self.purged.is_some_and(|purged| now.at.saturating_duration_since(purged) < PURGE_PAUSE) {
            let message =
                format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", self.name);
            return Err(SqsApiError::new(SqsErrorCode::PurgeQueueInProgress, message));
        }
        self.purged = Some(now.at);
        self.messages.clear();
        self.deduplicated.clear();
        Ok(())
    }

    /// The times of its creation and of its last change.
    pub(super) fn times(&self) -> (SystemTime, SystemTime) {
        (self.created_at, self.modified_at)
    }

    /// Sets the times of an earlier process.
    pub(super) fn restore_times(&mut self, created_at: SystemTime, modified_at: SystemTime) {
        (self.created_at, self.modified_at) = (created_at, modified_at);
    }

    /// The deduplication ids of the last five minutes.
    pub(super) fn recent_ids(&self, now: Now) -> impl Iterator<Item = RecentRecord> {
        let recent = self.deduplicated.iter(now.at);
        recent.map(move |(at, (group, id), first)| RecentRecord {
            group: group.as_deref().map(str::to_owned),
            id: id.clone(),
            message_id: first.id.to_string(),
            sequence_number: first.sequence_number.clone(),
            at_ms: persistence::millis(persistence::wall_time(at, now)),
        })
    }

    /// Remembers a deduplication id from a time on.
    pub(super) fn remember(&mut self, recent: RecentRecord, at: Instant) -> Result<(), SqsApiError> {
        let RecentRecord { group, id, message_id, sequence_number, .. } = recent;
        let first = FirstMessage { id: message_id.into(), sequence_number, _stored: self.storage.store(0)? };
        self.deduplicated.insert((group.map(Into::into), id), first, at);
        Ok(())
    }

    /// Checks and adds a message; a duplicate gets the result of the first.
    pub(super) fn send(
        &mut self,
        message: NewMessage,
        key: MessageKey,
        sender_id: &Arc<str>,
        now: Now,
    ) -> Result<SendResult, SqsApiError> {
        validate::check_message(&message, self.attributes.message_bytes)?;
        let (content, delay) = match self.attributes.queue_type {
            QueueType::Standard => send::standard(message, self.attributes.delay)?,
            QueueType::Fifo(fifo) => (send::fifo(message, fifo, key)?, self.attributes.delay),
        };
        let content = MessageContent { sender_id: Arc::clone(sender_id), sent_at: now.wall, ..content };
        if let Some(first) = self.duplicate_of(&content, now) {
            let (id, sequence_number) = (first.id.clone(), first.sequence_number.clone());
            return Ok(SendResult { id, sequence_number, ..send::result(&content) });
        }
        let (result, stored) = (send::result(&content), self.storage.store(content.stored_bytes())?);
        if let Some(id) = self.deduplication_key(&content) {
            let recent = || RecentRecord {
                group: id.0.as_deref().map(str::to_owned),
                id: id.1.clone(),
                message_id: content.id.to_string(),
                sequence_number: content.sequence_number.clone(),
                at_ms: persistence::millis(now.wall),
            };
            self.remember(recent(), now.at)?;
            self.changes.recent(recent);
        }
        self.insert(key, StoredMessage::new(Arc::new(content), now.at, stored), delay, now);
        Ok(result)
    }

    /// Checks the rule by which a FIFO queue refuses a batch as a whole.
    ///
    /// In a batch a missing group is an invalid value, and one entry fails all (recorded against AWS).
    pub(super) fn check_batch<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a NewMessage>,
    ) -> Result<(), SqsApiError> {
        let QueueType::Fifo(fifo) = self.attributes.queue_type else { return Ok(()) };
        let checked = messages.into_iter().try_for_each(|message| send::check_fifo(message, fifo));
        checked.map_err(|error| SqsApiError { code: SqsErrorCode::InvalidParameterValue, ..error })
    }

    /// Adds a message that was checked.
    pub(super) fn insert(&mut self, key: MessageKey, message: StoredMessage, delay: Duration, now: Now) {
        let delayed_until = (!delay.is_zero()).then(|| now.at + delay);
        self.messages.insert(key, message, delayed_until);
    }

    fn duplicate_of(&mut self, content: &MessageContent, now: Now) -> Option<&FirstMessage> {
        let key = self.deduplication_key(content)?;
        self.deduplicated.get(&key, now.at)
    }

    fn deduplication_key(&self, content: &MessageContent) -> Option<DeduplicationKey> {
        if !self.attributes.queue_type.is_fifo() {
            return None;
        }
        let group = content.group_id.clone().filter(|_| self.scope.0 == DeduplicationScope::Group);
        Some((group, content.deduplication_id.clone()?))
    }

    /// Takes visible messages and hides them.
    pub(super) fn take(
        &mut self,
        options: &ReceiveOptions,
        allowance: ReceiveAllowance,
        now: Now,
    ) -> TakenMessages {
        let visibility = options.visibility.unwrap_or(self.attributes.visibility);
        let attempt = options.attempt_id.as_ref().filter(|_| self.attributes.queue_type.is_fifo());
        if let Some(received) = attempt.and_then(|id| self.repeat(id, visibility, now)) {
            return TakenMessages { received, exhausted: Vec::new() };
        }
        let taken = self.take_visible(visibility, allowance, now);
        if let Some(id) = attempt
            && !taken.received.is_empty()
        {
            let handles = taken.received.iter().map(|message| message.receipt_handle.as_str());
            let receives = handles.filter_map(|handle| self.receipts.decode(handle).ok()).collect();
            // A full storage costs the memory of attempts, and fails no receive.
            if let Ok(stored) = self.storage.store(0) {
                self.attempts.insert(id.clone(), ReceiveAttemptRecord { receives, _stored: stored }, now.at);
            }
        }
        taken
    }

    fn take_visible(&mut self, visibility: Duration, allowance: ReceiveAllowance, now: Now) -> TakenMessages {
        let mut taken = TakenMessages::default();
        let mut last: Option<(Arc<str>, MessageKey)> = None;
        while taken.received.len() < allowance.messages
            && let Some(key) = self.messages.next(last.as_ref().map(|(group, key)| (&**group, *key)))
            && let Some((message, _)) = self.messages.get(key)
        {
            last = message.content.group_id.clone().map(|group| (group, key));
            let is_exhausted = allowance.max_receives.is_some_and(|max| message.receives >= max.get());
            if is_exhausted {
                taken.exhausted.extend(self.messages.remove(key).map(|message| (key, message)));
                continue;
            }
            self.messages.hide(key, now.at + visibility);
            taken.received.extend(self.count_receive(Receive { key, serial: allowance.serial }, now));
        }
        taken
    }

    fn count_receive(&mut self, receive: Receive, now: Now) -> Option<DeliveredMessage> {
        let message = self.messages.get_mut(receive.key)?;
        message.receives += 1;
        message.first_received_at.get_or_insert(now.wall);
        message.latest = Some(LatestReceive { serial: receive.serial, at: now.at });
        self.received(receive)
    }

    fn received(&self, receive: Receive) -> Option<DeliveredMessage> {
        let (message, _) = self.messages.get(receive.key)?;
        Some(DeliveredMessage {
            receipt_handle: self.receipts.encode(receive),
            receive_count: message.receives,
            first_received_at: message.first_received_at?,
            dead_letter_source_arn: message.source_arn.clone(),
            content: Arc::clone(&message.content),
        })
    }

    /// The messages of an earlier receive with the same attempt id, as long as all of them are still in flight.
    ///
    /// They are hidden anew and keep their handles and receive counts.
    fn repeat(
        &mut self,
        attempt_id: &String,
        visibility: Duration,
        now: Now,
    ) -> Option<Vec<DeliveredMessage>> {
        let receives = self.attempts.get(attempt_id, now.at)?.receives.clone();
        let is_held = |receive: &Receive| {
            let found = self.messages.get(receive.key);
            found.is_some_and(|(message, state)| {
                message.is_latest(*receive) && matches!(state, StoredState::InFlight(_))
            })
        };
        if !receives.iter().all(is_held) {
            return None;
        }
        for receive in &receives {
            self.messages.hide(receive.key, now.at + visibility);
        }
        Some(receives.into_iter().filter_map(|receive| self.received(receive)).collect())
    }

    /// Deletes a received message.
    ///
    /// A standard queue accepts every handle of the message, also after its time and after it was received again; a
    /// FIFO queue only the latest, while the message is in flight (recorded against AWS).
    pub(super) fn delete(&mut self, handle: &str) -> Result<(), SqsApiError> {
        let receive = self.receipts.decode(handle)?;
        let Some((message, state)) = self.messages.get(receive.key) else { return Ok(()) };
        let is_held = message.is_latest(receive) && matches!(state, StoredState::InFlight(_));
        if self.attributes.queue_type.is_fifo() && !is_held {
            let reason = "The receipt handle has expired.";
            return Err(SqsApiError::invalid_parameter("ReceiptHandle", handle, reason));
        }
        self.messages.remove(receive.key);
        Ok(())
    }

    /// Sets the time for which a received message stays hidden, from now on.
    ///
    /// After the visibility timeout the message stays visible, and the response is the same. Once it was received again,
    /// a standard queue accepts the older handles too (recorded against AWS).
    pub(super) fn change_visibility(
        &mut self,
        handle: &str,
        visibility: Duration,
        now: Now,
    ) -> Result<(), SqsApiError> {
        validate::check_duration("VisibilityTimeout", visibility)?;
        let receive = self.receipts.decode(handle)?;
        let is_fifo = self.attributes.queue_type.is_fifo();
        let found =
            self.messages.get(receive.key).filter(|(message, _)| !is_fifo || message.is_latest(receive));
        let Some((latest, state)) = found.and_then(|(message, state)| Some((message.latest?, state))) else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(SqsApiError::invalid_parameter("ReceiptHandle", handle, reason));
        };
        if !matches!(state, StoredState::InFlight(_)) {
            return Ok(());
        }
        // Whole seconds, so that the full 12 hours are available right after the receive.
        let held_seconds = now.at.saturating_duration_since(latest.at).as_secs();
        if held_seconds + visibility.as_secs() > limits::VISIBILITY.as_secs() {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            let seconds = visibility.as_secs();
            return Err(SqsApiError::invalid_parameter("VisibilityTimeout", seconds, reason));
        }
        if visibility.is_zero() {
            self.messages.show(receive.key);
        } else {
            self.messages.hide(receive.key, now.at + visibility);
        }
        Ok(())
    }
}

/// The length of the texts of a queue.
fn length_of(name: &str, attributes: &QueueConfiguration, tags: &StringMap) -> usize {
    name.len() + text_bytes(&attributes.show()) + text_bytes(tags)
}

fn epoch_seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}
