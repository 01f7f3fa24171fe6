//! Copying rejected messages to the DLQ: each is deleted only after its copy was taken.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    Owed, Settler, Slip, Verb,
    flusher::{Sent, WATCHDOG, settled},
    letter::{Allowed, DeadLetter, Stamp, copy},
};
use crate::{
    consumer::lease::Lease,
    health::Condition,
    message::{Message, MessageId, OutgoingMessage, Wanted},
    queue::{
        BatchAnswer, Description, EntryError, Queue, QueueError, QueueName, RetryClass, all_entries, limits,
        within,
    },
    telemetry::{
        Action, CallResult, events,
        traces::{QueueIdentity, QueueTraces},
    },
};

/// For how long a refusal keeps the worker from being ready when nothing is rejected that could show it is over.
const REFUSAL_SHOWN: Duration = Duration::from_mins(15);

/// Where rejected messages are copied to.
#[derive(Clone)]
pub struct DeadLetterQueue {
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// What it said of itself.
    pub description: Description,
    /// The kind of the handler that rejects, which each copy tells.
    pub kind: &'static str,
}

/// A handler's word that a message is never to be tried again.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Why.
    pub reason: String,
    /// When the message is visible again if it cannot be copied: there is no DLQ, or it refuses.
    pub retry_in: Duration,
}

/// Whether the DLQ takes copies, as the process's health shows it.
pub(super) struct Refusals {
    ready: Condition,
    last: Mutex<Option<Instant>>,
}

impl Refusals {
    pub(super) fn new(ready: Condition) -> Self {
        ready.ready();
        Self { ready, last: Mutex::new(None) }
    }

    fn note(&self, error: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.ready.unready(format!("the dlq refuses rejected messages: {error}"));
    }

    /// Forgets the last refusal after a while: no reject may ever come that could show it is over.
    pub(super) fn forget_old(&self) {
        let is_old = |last: &mut Instant| last.elapsed() >= REFUSAL_SHOWN;
        if self.last.lock().unwrap_or_else(PoisonError::into_inner).take_if(is_old).is_some() {
            self.ready.ready();
        }
    }

    fn over(&self) {
        if self.last.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            self.ready.ready();
        }
    }
}

impl DeadLetterQueue {
    /// What makes the spans of the copies sent here.
    pub(super) fn traces(&self, of_source: &QueueTraces) -> QueueTraces {
        let named = QueueName::of_arn(&self.description.arn).map_or_else(String::new, |queue| queue.name);
        of_source.of_other(&QueueIdentity::of(self.queue.url(), &named))
    }

    fn letter(&self, message: Message, reason: &str, retry_in: Duration) -> DeadLetter {
        let Description { fifo, message_bytes, .. } = self.description;
        let bytes = message_bytes.unwrap_or(limits::MESSAGE_BYTES).min(limits::MESSAGE_BYTES);
        let stamp = Stamp { reason, kind: self.kind, at: SystemTime::now() };
        DeadLetter { message: copy(message, &stamp, Allowed { fifo, bytes }), retry_in }
    }
}

impl Settler {
    /// Whether a reject is more than a retry: there is a DLQ.
    pub fn copies_rejects(&self) -> bool {
        self.0.dead_letters.is_some()
    }

    /// How much of each message is to be received, so that it can be copied whole.
    pub fn wanted(&self, by_handler: Wanted) -> Wanted {
        if self.copies_rejects() { Wanted::Everything } else { by_handler }
    }

    /// Copies the message to the DLQ and then deletes it; without a DLQ it is given back.
    pub fn reject(&self, lease: Lease, message: Arc<Message>, rejection: Rejection) {
        let Rejection { reason, retry_in } = rejection;
        let Some(dlq) = &self.0.dead_letters else { return self.change_visibility(lease, retry_in) };
        let letter = dlq.letter(Arc::unwrap_or_clone(message), &reason, retry_in);
        if !letter.is_stamped() {
            let _lines = lease.enter_trace();
            events::ReasonLeftOut { queue: &self.0.name, message_id: lease.id(), reason: &reason }.emit();
        }
        self.push(Verb::Copy(Box::new(letter)), lease);
    }

    /// Sends the copies of a batch, and passes on what was taken to be deleted.
    pub(super) async fn copy(&self, batch: Vec<Slip<Owed>>) {
        // Nothing waits to be copied where there is no DLQ.
        let Some(dlq) = &self.0.dead_letters else { return };
        let batch: Vec<_> = batch.into_iter().filter_map(|slip| self.address(slip, Instant::now())).collect();
        let messages: Vec<_> = batch.iter().filter_map(|sent| letter(&sent.slip)).cloned().collect();
        if messages.is_empty() {
            return;
        }
        let began = Instant::now();
        let answer = within(WATCHDOG, "a copy", dlq.queue.send(&messages)).await;
        self.0.metrics.called(Action::Copy, CallResult::of(&answer), began);
        if let Some(traces) = &self.0.dlq_traces {
            traces.settled(&settled(Action::Copy, began, &batch), &answer);
        }
        self.note_copies(batch, answer);
    }

    fn note_copies(&self, batch: Vec<Sent>, answer: BatchAnswer<MessageId>) {
        let slips = batch.into_iter().map(|sent| sent.slip);
        match answer {
            Ok(entries) => {
                slips.zip(all_entries(entries)).for_each(|(slip, entry)| self.note_copy(slip, entry));
            }
            Err(error) if error.retry_class() == RetryClass::Transient => {
                self.copy_later(slips.collect(), &error)
            }
            Err(error) => self.refused(slips.collect(), &error.to_string()),
        }
    }

    fn note_copy(&self, slip: Slip<Owed>, entry: Result<MessageId, EntryError>) {
        match entry {
            Ok(_) => {
                self.0.metrics.settled.of(Action::Copy).inc();
                self.0.refusals.over();
                // No company is waited for: until it is deleted it could run and be copied again elsewhere.
                self.put_aside(slip.turned_into(Verb::Delete), Duration::ZERO);
            }
            Err(error) if error.retry_class == RetryClass::Transient => {
                let (queue, message_id) = (&*self.0.name, slip.lease.id());
                let _lines = slip.lease.enter_trace();
                events::EntryFailed { queue, message_id, action: Action::Copy, error: &error }.emit();
                let pause = error.retry_class.pauses().random_delay(slip.attempt);
                self.try_again(slip, pause);
            }
            Err(error) => self.refused(vec![slip], &error.to_string()),
        }
    }

    fn copy_later(&self, slips: Vec<Slip<Owed>>, error: &QueueError) {
        let attempt = slips.iter().map(|slip| slip.attempt).max().unwrap_or(1);
        let (queue, retry_in) = (&*self.0.name, error.retry_class().pauses().random_delay(attempt));
        events::CallFailed { queue, action: Action::Copy, error, attempt, retry_in }.emit();
        for slip in slips {
            self.try_again(slip, retry_in);
        }
    }

    /// Gives messages back that the DLQ will not take however often it is asked.
    fn refused(&self, slips: Vec<Slip<Owed>>, error: &str) {
        let Some(first) = slips.first() else { return };
        let (queue, messages, message_id) = (&*self.0.name, slips.len(), first.lease.id());
        let _lines = first.lease.enter_trace();
        events::CopyRefused { queue, messages, message_id, error }.emit(&self.0.metrics);
        self.0.refusals.note(error);
        for mut slip in slips {
            let delay = match &slip.verb {
                Verb::Copy(letter) => letter.retry_in,
                Verb::Delete | Verb::GiveBack(_) => Duration::ZERO,
            };
            slip.lease.postpone_dependents(delay);
            self.put_aside(slip.turned_into(Verb::GiveBack(delay)), Duration::ZERO);
        }
    }
}

/// What is to be sent for a slip; every slip of a batch of copies has something.
fn letter(slip: &Slip<Owed>) -> Option<&OutgoingMessage> {
    match &slip.verb {
        Verb::Copy(letter) => Some(&letter.message),
        Verb::Delete | Verb::GiveBack(_) => None,
    }
}
