//! What happens to messages that have come: held, lined up, or given back before they ran.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Engine, availability::DOWN_DELAY, buffer::Group};
use crate::{
    consumer::lease::{Acquired, Lease, ReceiveTimes, Reservation},
    message::Message,
    telemetry::{context::TraceContext, events},
};

/// A message that is held and waits for its turn.
pub(super) struct HeldMessage {
    pub(super) message: Arc<Message>,
    pub(super) lease: Lease,
    /// The group it keeps its order in, on a FIFO queue.
    pub(super) group: Option<Group>,
}

impl HeldMessage {
    /// Whether its lease was lost while it waited.
    fn is_lost(&self) -> bool {
        !self.lease.is_held()
    }
}

impl Engine {
    /// Takes over the messages of a receive that was sent at `sent`, and starts what may start.
    pub(super) fn admit(&self, messages: Vec<Message>, mut reservation: Reservation, sent: Instant) {
        self.0.metrics.consumed.inc_by(messages.len() as u64);
        let times = ReceiveTimes { sent, answered: Instant::now() };
        let (mut blocked, mut behind) = (Vec::new(), Vec::new());
        for message in messages {
            let Some(permit) = reservation.take() else {
                let producer = TraceContext::of_message(&message);
                let _lines = producer.as_ref().map(TraceContext::enter);
                events::ExcessReceived { queue: &self.0.name, message_id: &message.id }.emit();
                continue;
            };
            let group = self.group_of(&message);
            match self.0.leases.acquire(&message, permit, times) {
                Acquired::New(lease) if group.as_ref().is_some_and(|group| blocked.contains(group)) => {
                    behind.push(HeldMessage { message: Arc::new(message), lease, group });
                }
                Acquired::New(lease) => self.line_up(message, lease, group),
                Acquired::AlreadyDone(lease) => self.delete_again(lease, group),
                // It may be on its way back, and then it holds up nobody: what came behind it must come again after it.
                Acquired::Duplicate => blocked.extend(group),
            }
        }
        self.give_back_unrun(behind, Duration::ZERO);
        if self.0.stop.is_draining() || !self.0.availability.is_open() {
            let delay = if self.0.stop.is_draining() { Duration::ZERO } else { DOWN_DELAY.random_delay(1) };
            self.give_back_waiting(delay);
        }
        self.start_waiting();
    }

    /// Deletes a message that was done before; its group waits, so that it cannot run elsewhere after a later one.
    fn delete_again(&self, mut lease: Lease, group: Option<Group>) {
        if let Some(group) = group {
            self.hold_up_group(&mut lease, group);
        }
        self.0.settler.delete(lease);
    }

    fn line_up(&self, message: Message, lease: Lease, group: Option<Group>) {
        let takes_one = self.0.options.batch.size == 1;
        let bytes = if takes_one { 0 } else { self.0.handler.weigh(&message) };
        let waiting = HeldMessage { message: Arc::new(message), lease, group: group.clone() };
        self.slots().wait(waiting, group, bytes, Instant::now());
    }

    /// Gives back everything that waits, visible again after `delay`.
    pub(super) fn give_back_waiting(&self, delay: Duration) {
        let waiting = self.slots().take_waiting();
        self.give_back_unrun(waiting, delay);
    }

    /// Gives back messages that have not run.
    pub(super) fn give_back_unrun(&self, waiting: Vec<HeldMessage>, delay: Duration) {
        if waiting.is_empty() {
            return;
        }
        self.0.metrics.given_back.inc_by(waiting.len() as u64);
        for HeldMessage { lease, .. } in waiting {
            self.0.settler.change_visibility(lease, delay);
        }
        self.0.settler.flush_now();
    }

    /// Frees the room of messages whose lease was lost while they waited: they come back as new ones. What waited behind
    /// them in their groups must not overtake them, and is given back.
    pub(super) fn forget_lost(&self) {
        let lost = self.slots().take_lost(HeldMessage::is_lost);
        self.give_back_unrun(lost.behind, Duration::ZERO);
        drop(lost.lost);
    }
}
