//! Dead letters: copies rejected messages to the DLQ. A message is deleted only after SQS has accepted its copy.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    SettleMetrics,
    batcher::{SettleAction, Settlement},
    flusher::WATCHDOG,
    pending::{PendingLease, PendingSettlements, SentSettlement, settled},
};
use crate::{
    consumer::lease::MessageStage,
    health::Condition,
    message::{AttributeValue, Message, MessageId, OutgoingMessage},
    queue::{
        BatchResult, EntryError, Queue, QueueAttributes, QueueError, QueueName, RetryClass, all_entries,
        limits, metrics::CallMetrics, within,
    },
    tasks,
    telemetry::{
        Action, CallResult, MetricScope, events,
        spans::{QueueIdentity, QueueTraces},
    },
};

/// The most copy calls in flight, counted separately so that a DLQ that hangs delays no delete.
const CALLS_AT_ONCE: usize = 8;
/// The time after which a refusal no longer makes the worker unready, even if no later copy has succeeded.
const REFUSAL_SHOWN: Duration = Duration::from_mins(15);
/// The attribute that holds the whole record of a reject, and the prefix of attributes that hold one field each.
pub(super) const NAMESPACE: &str = "longshore.reject";
/// The longest reason in a record, in bytes.
const REASON_BYTES: usize = 4_096;
const ELLIPSIS: &str = "…";

/// The queue that rejected messages are copied to.
#[derive(Clone)]
pub(crate) struct DeadLetterQueue {
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// The queue's attributes.
    pub description: QueueAttributes,
    /// The kind of the handler that rejects, for the record in each copy.
    pub kind: &'static str,
}

impl DeadLetterQueue {
    /// The spans of copies.
    pub(super) fn traces(&self, of_source: &QueueTraces) -> QueueTraces {
        let named = QueueName::of_arn(&self.description.arn).map_or_else(String::new, |queue| queue.name);
        of_source.of_other(&QueueIdentity::of(self.queue.url(), &named))
    }

    fn limits(&self) -> CopyLimits {
        let QueueAttributes { fifo, message_bytes, .. } = self.description;
        let bytes = message_bytes.unwrap_or(limits::MESSAGE_BYTES).min(limits::MESSAGE_BYTES);
        CopyLimits { fifo, bytes }
    }
}

/// A handler's rejection of a message, which must not be retried.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    /// The handler's reason.
    pub reason: String,
    /// The delay until the message is visible again if it cannot be copied.
    pub retry_in: Duration,
}

/// A rejected message on its way to the DLQ.
#[derive(Clone, Debug)]
pub(super) struct DeadLetter {
    pub(super) message: OutgoingMessage,
    /// The delay until the message is visible again if the DLQ refuses the copy.
    pub(super) retry_in: Duration,
}

impl DeadLetter {
    /// Returns true if the copy had space for the record with the reason.
    pub(super) fn has_reason(&self) -> bool {
        self.message.attributes.keys().any(|name| is_reject_attribute(name))
    }
}

/// Sends copies to the DLQ, and has the messages deleted whose copies SQS has accepted.
pub(super) struct DeadLetterSender {
    parts: DeadLetterSenderParts,
    /// Absent while rejects are retries.
    target: RwLock<Option<Arc<DeadLetterTarget>>>,
    calls: Semaphore,
}

/// The DLQ that copies are sent to, with their spans.
pub(super) struct DeadLetterTarget {
    dlq: DeadLetterQueue,
    traces: Option<QueueTraces>,
}

impl DeadLetterTarget {
    /// The DLQ itself.
    pub(super) fn queue(&self) -> Arc<dyn Queue> {
        self.dlq.queue.clone()
    }

    /// Builds the copy of a message that was rejected now.
    pub(super) fn dead_letter(&self, message: Message, reason: &str, retry_in: Duration) -> DeadLetter {
        let reject = RejectRecord { reason, kind: self.dlq.kind, at: SystemTime::now() };
        DeadLetter { message: copy(message, &reject, self.dlq.limits()), retry_in }
    }
}

pub(super) struct DeadLetterSenderParts {
    pub(super) name: Arc<str>,
    pub(super) pending: Arc<PendingSettlements>,
    pub(super) metrics: Arc<SettleMetrics>,
    pub(super) calls: Arc<CallMetrics>,
    pub(super) scope: MetricScope,
    /// The spans of the messages' own queue; absent while traces are off.
    pub(super) traces_of_source: Option<QueueTraces>,
    /// Unready while the DLQ refuses copies.
    pub(super) ready: Condition,
}

impl DeadLetterSender {
    /// A sender without a DLQ.
    pub(super) fn new(parts: DeadLetterSenderParts) -> Self {
        parts.ready.ready();
        Self { parts, target: RwLock::default(), calls: Semaphore::new(CALLS_AT_ONCE) }
    }

    /// Sends copies to this DLQ from now on; without one, messages whose copies are not sent yet are given back.
    pub(super) fn send_to(&self, dlq: Option<DeadLetterQueue>) {
        let traces_of = |dlq: &DeadLetterQueue| {
            self.parts.traces_of_source.as_ref().map(|of_source| dlq.traces(of_source))
        };
        let target = dlq.map(|dlq| Arc::new(DeadLetterTarget { traces: traces_of(&dlq), dlq }));
        *self.target.write().unwrap_or_else(PoisonError::into_inner) = target;
        // A refusal by another DLQ says nothing about this one.
        self.parts.ready.ready();
    }

    /// The DLQ that copies are sent to.
    pub(super) fn target(&self) -> Option<Arc<DeadLetterTarget>> {
        self.target.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends the copies of a batch.
    pub(super) async fn send(&self, batch: Vec<Settlement<PendingLease>>) {
        // The semaphore is never closed.
        let Ok(_permit) = self.calls.acquire().await else { return };
        let Some(target) = self.target() else {
            return batch.into_iter().for_each(|settlement| self.give_back(settlement));
        };
        let batch = self.parts.pending.with_receipts(batch);
        let messages: Vec<_> = batch.iter().filter_map(|sent| outgoing(&sent.settlement)).cloned().collect();
        if messages.is_empty() {
            return;
        }
        let began = Instant::now();
        let answer = within(WATCHDOG, "a copy", target.dlq.queue.send(&messages)).await;
        self.parts.calls.called(Action::Copy, CallResult::of(&answer), began);
        if let Some(traces) = &target.traces {
            traces.settled(&settled(Action::Copy, began, &batch), &answer);
        }
        self.handle_answer(batch, answer);
    }

    fn handle_answer(&self, batch: Vec<SentSettlement>, answer: BatchResult<MessageId>) {
        let settlements = batch.into_iter().map(|sent| sent.settlement);
        match answer {
            Ok(entries) => {
                settlements
                    .zip(all_entries(entries))
                    .for_each(|(settlement, entry)| self.handle_entry(settlement, entry));
            }
            Err(error) if error.retry_class() == RetryClass::Transient => {
                self.handle_call_error(settlements.collect(), &error);
            }
            Err(error) => self.handle_refusal(settlements.collect(), &error.to_string()),
        }
    }

    fn handle_entry(&self, settlement: Settlement<PendingLease>, entry: Result<MessageId, EntryError>) {
        match entry {
            Ok(_) => {
                self.parts.metrics.settled.of(Action::Copy).inc();
                self.parts.ready.ready();
                settlement.lease.note(MessageStage::Settled(Action::Copy));
                // The delete does not linger: until it is sent the message could run and be copied again elsewhere.
                self.parts.pending.delay(settlement.followed_by(SettleAction::Delete), Duration::ZERO);
            }
            Err(error) if error.retry_class == RetryClass::Transient => {
                let (queue, message_id) = (&*self.parts.name, settlement.lease.id());
                let _trace = settlement.lease.enter_trace();
                events::EntryFailed { queue, message_id, action: Action::Copy, error: &error }.emit();
                let delay = error.retry_class.pauses().random_delay(settlement.attempt);
                self.parts.pending.retry_after(settlement, &error.to_string(), delay);
            }
            Err(error) => self.handle_refusal(vec![settlement], &error.to_string()),
        }
    }

    fn handle_call_error(&self, settlements: Vec<Settlement<PendingLease>>, error: &QueueError) {
        let attempt = settlements.iter().map(|settlement| settlement.attempt).max().unwrap_or(1);
        let (queue, retry_in) = (&*self.parts.name, error.retry_class().pauses().random_delay(attempt));
        events::CallFailed { queue, action: Action::Copy, error, attempt, retry_in }.emit();
        let reason = error.to_string();
        for settlement in settlements {
            self.parts.pending.retry_after(settlement, &reason, retry_in);
        }
    }

    /// Gives back messages whose copies the DLQ refuses permanently.
    fn handle_refusal(&self, settlements: Vec<Settlement<PendingLease>>, error: &str) {
        let Some(first) = settlements.first() else { return };
        let (queue, messages, message_id) = (&*self.parts.name, settlements.len(), first.lease.id());
        let _trace = first.lease.enter_trace();
        events::CopyRefused { queue, messages, message_id, error }
            .emit(&self.parts.metrics.settle_failures, self.parts.scope.warnings());
        // Without further rejects no copy can succeed.
        self.parts.ready.unready_for(REFUSAL_SHOWN, format!("the dlq refuses rejected messages: {error}"));
        for settlement in settlements {
            settlement.lease.note(MessageStage::NotSettled { action: Action::Copy, reason: error });
            self.give_back(settlement);
        }
    }

    /// Makes a message visible again, after its dependents are postponed.
    fn give_back(&self, mut settlement: Settlement<PendingLease>) {
        let delay = match &settlement.action {
            SettleAction::Copy(dead_letter) => dead_letter.retry_in,
            SettleAction::Delete | SettleAction::ChangeVisibility(_) => Duration::ZERO,
        };
        let postponed = join_all(settlement.lease.postpone_dependents(delay));
        let visible = settlement.followed_by(SettleAction::ChangeVisibility(delay));
        visible.lease.note(MessageStage::Settling { action: Action::GiveBack, delay });
        let pending = self.parts.pending.clone();
        tasks::detach("give back", async move {
            postponed.await;
            pending.delay(visible, Duration::ZERO);
        });
    }
}

/// The copy to send for a settlement; every settlement of a batch of copies has one.
fn outgoing(settlement: &Settlement<PendingLease>) -> Option<&OutgoingMessage> {
    match &settlement.action {
        SettleAction::Copy(dead_letter) => Some(&dead_letter.message),
        SettleAction::Delete | SettleAction::ChangeVisibility(_) => None,
    }
}

/// The reason, kind and time of a reject.
#[derive(Clone, Debug)]
struct RejectRecord<'a> {
    /// The handler's reason.
    reason: &'a str,
    /// The kind of the handler.
    kind: &'a str,
    at: SystemTime,
}

/// The limits of the DLQ.
#[derive(Clone, Copy, Debug)]
struct CopyLimits {
    fifo: bool,
    /// The size of the largest message.
    bytes: usize,
}

/// Copies a message for the DLQ, with everything that the sender set, and with the record if there is space for it.
///
/// The sender's attributes never change, so that a message moved back from the DLQ is the original: with six to nine
/// attributes the record is combined into one, and with ten, or in a message of the largest size, it is omitted.
fn copy(message: Message, reject: &RejectRecord<'_>, allowed: CopyLimits) -> OutgoingMessage {
    let (id, receive_count) = (message.id.clone(), message.receive_count);
    // SQS drops a second copy within five minutes.
    let mut copy = original(message, allowed.fifo.then(|| id.as_str().to_owned()));
    let fields = RecordFields {
        reason: clean(reject.reason),
        kind: reject.kind,
        attempt: receive_count,
        time: humantime::format_rfc3339_millis(reject.at).to_string(),
        message_id: id.as_str(),
    };
    let format = RecordFormat::beside(copy.attributes.len());
    copy.attributes.extend(format.fitted(fields, allowed.bytes.saturating_sub(copy.size_bytes())));
    copy
}

/// True if a message has the record of an earlier reject.
pub(super) fn has_record(message: &Message) -> bool {
    message.attributes.keys().any(|name| is_reject_attribute(name))
}

/// A message as its sender has sent it, without the record of an earlier reject, for another send with this deduplication id.
pub(crate) fn original(mut message: Message, deduplication_id: Option<String>) -> OutgoingMessage {
    remove_record(&mut message);
    let Message { body, attributes, system, .. } = message;
    let system = system.into_inner();
    OutgoingMessage {
        body,
        attributes,
        delay: None,
        group_id: system.group_id,
        deduplication_id,
        trace_header: system.trace_header,
    }
}

/// Removes the record of an earlier reject.
pub(crate) fn remove_record(message: &mut Message) {
    message.attributes.retain(|name, _| !is_reject_attribute(name));
}

fn is_reject_attribute(name: &str) -> bool {
    name.strip_prefix(NAMESPACE).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Replaces the characters that SQS refuses, shortens a long reason, and replaces an empty one, which SQS refuses, too.
fn clean(reason: &str) -> String {
    let allowed =
        |character| if limits::is_allowed(character) { character } else { char::REPLACEMENT_CHARACTER };
    let text: String = reason.chars().map(allowed).collect();
    match shortened(&text, text.len().min(REASON_BYTES)) {
        text if text.trim().is_empty() => "no reason given".to_owned(),
        text => text,
    }
}

/// Shortens a text to at most this many bytes, ending in an ellipsis.
fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

/// The fields of a record.
#[derive(Clone, Debug)]
struct RecordFields<'a> {
    reason: String,
    kind: &'a str,
    attempt: u32,
    time: String,
    message_id: &'a str,
}

/// The attributes that a record takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordFormat {
    /// An attribute for each field.
    Separate,
    /// One attribute of JSON.
    Combined,
    Omitted,
}

impl RecordFormat {
    /// The format for a message with this many attributes; SQS allows ten.
    fn beside(attributes: usize) -> Self {
        match limits::ATTRIBUTES.saturating_sub(attributes) {
            0 => Self::Omitted,
            1..5 => Self::Combined,
            _ => Self::Separate,
        }
    }

    /// The attributes of a record, its reason shortened to fit into this many bytes; empty if that is not enough.
    fn fitted(self, mut fields: RecordFields<'_>, bytes: usize) -> BTreeMap<String, AttributeValue> {
        let attributes = self.attributes(&fields);
        let excess = size_bytes(&attributes).saturating_sub(bytes);
        if excess == 0 {
            return attributes;
        }
        // A reason shorter by one byte shortens the attributes by one byte at least, in JSON perhaps by more.
        let left = fields.reason.len().saturating_sub(excess);
        fields.reason = shortened(&fields.reason, left);
        let attributes = self.attributes(&fields);
        if size_bytes(&attributes) <= bytes { attributes } else { BTreeMap::new() }
    }

    fn attributes(self, fields: &RecordFields<'_>) -> BTreeMap<String, AttributeValue> {
        let RecordFields { reason, kind, attempt, time, message_id } = fields;
        let text = |name: &str, value: &str| (format!("{NAMESPACE}.{name}"), AttributeValue::string(value));
        match self {
            Self::Separate => BTreeMap::from([
                text("reason", reason),
                text("kind", kind),
                (format!("{NAMESPACE}.attempt"), AttributeValue::number(attempt.to_string())),
                text("time", time),
                text("message-id", message_id),
            ]),
            Self::Combined => {
                let record = json!({ "reason": reason, "kind": kind, "attempt": attempt, "time": time, "message-id": message_id });
                BTreeMap::from([(NAMESPACE.to_owned(), AttributeValue::string(record.to_string()))])
            }
            Self::Omitted => BTreeMap::new(),
        }
    }
}

fn size_bytes(attributes: &BTreeMap<String, AttributeValue>) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

#[cfg(test)]
mod tests;
