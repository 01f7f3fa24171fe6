//! One queue of the account: its messages, its attributes and those who wait at it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{
    account::Names,
    attributes::Attributes,
    clock::Now,
    deduplication::{Deduplicated, Recent},
    fault::{Code, Fault},
    identity::Limits,
    kind::Kind,
    line::Line,
    order::Order,
    receipt::{Scribe, Ticket},
    shelf::Shelf,
};
use crate::queue::{QueueAttributes, RedrivePolicy};

/// How long after a purge the next one is refused.
const PURGE_PAUSE: Duration = Duration::from_mins(1);

/// One queue of the account.
///
/// Time passes in [`Queue::advance`], which every call begins with; every call that changes a message ends
/// with [`Queue::announce`], which wakes whoever waits for it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: Arc<str>,
    pub(super) arn: Arc<str>,
    pub(super) attributes: Attributes,
    pub(super) tags: Names,
    pub(super) shelf: Shelf,
    pub(super) line: Line,
    pub(super) scribe: Scribe,
    pub(super) deduplicated: Deduplicated,
    pub(super) attempts: Recent<String, Vec<Ticket>>,
    limits: Limits,
    created_at: SystemTime,
    modified_at: SystemTime,
    purged: Option<Instant>,
}

impl Queue {
    /// An empty queue.
    pub(super) fn new(name: &str, arn: String, attributes: Attributes, limits: Limits, now: Now) -> Self {
        let order = match attributes.kind {
            Kind::Standard => Order::standard(),
            Kind::Fifo(_) => Order::fifo(),
        };
        Self {
            name: name.into(),
            arn: arn.into(),
            attributes,
            tags: Names::new(),
            shelf: Shelf::new(order),
            line: Line::default(),
            scribe: Scribe::new(),
            deduplicated: Recent::default(),
            attempts: Recent::default(),
            limits,
            created_at: now.wall,
            modified_at: now.wall,
            purged: None,
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Now) {
        self.shelf.advance(now.at, self.attributes.retention);
    }

    /// How many more messages may be in flight.
    pub(super) fn room(&self) -> usize {
        self.limits.in_flight.saturating_sub(self.shelf.counts().held)
    }

    /// Wakes the first receive in line if there is something for it, or will be sooner than it thinks.
    ///
    /// A visible message is nothing for it while too many are in flight: woken for one that it cannot take, a
    /// receive would announce it again, to itself. The next end of a visibility makes room, and is expected.
    pub(super) fn announce(&self) {
        if self.room() > 0 && self.shelf.next(None).is_some() {
            self.line.wake_first();
        } else {
            self.line.expect(self.shelf.next_due());
        }
    }

    /// Changes the attributes.
    pub(super) fn set_attributes(&mut self, attributes: Attributes, now: Now) {
        self.attributes = attributes;
        self.modified_at = now.wall;
    }

    /// Every attribute, as SQS shows them.
    pub(super) fn show(&self) -> Names {
        let counts = self.shelf.counts();
        let mut shown = self.attributes.show();
        shown.extend(
            [
                ("ApproximateNumberOfMessages", counts.visible.to_string()),
                ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
                ("ApproximateNumberOfMessagesNotVisible", counts.held.to_string()),
                ("CreatedTimestamp", epoch_seconds(self.created_at)),
                ("LastModifiedTimestamp", epoch_seconds(self.modified_at)),
                ("QueueArn", self.arn.as_ref().to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        shown
    }

    /// What the queue says of itself to a worker.
    pub(super) fn describe(&self) -> QueueAttributes {
        let counts = self.shelf.counts();
        let redrive = self.attributes.dead_letters.as_ref().map(|policy| RedrivePolicy {
            dead_letter_arn: policy.arn.clone(),
            max_receive_count: policy.max_receives,
        });
        QueueAttributes {
            arn: self.arn.as_ref().to_owned(),
            visibility: self.attributes.visibility,
            retention: self.attributes.retention,
            kms_key: self.attributes.kms_key().map(str::to_owned),
            redrive,
            fifo: self.attributes.kind != Kind::Standard,
            message_bytes: Some(self.attributes.message_bytes),
            visible: counts.visible as u64,
            in_flight: counts.held as u64,
            delayed: counts.delayed as u64,
        }
    }

    /// Drops every message, those in flight too.
    pub(super) fn purge(&mut self, now: Now) -> Result<(), Fault> {
        if self.purged.is_some_and(|purged| now.at.saturating_duration_since(purged) < PURGE_PAUSE) {
            let message =
                format!("Only one PurgeQueue operation on {} is allowed every 60 seconds.", self.name);
            return Err(Fault::new(Code::PurgeQueueInProgress, message));
        }
        self.purged = Some(now.at);
        self.shelf.clear();
        Ok(())
    }
}

fn epoch_seconds(moment: SystemTime) -> String {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}
