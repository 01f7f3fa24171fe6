//! The queues of the account and what crosses from one to another; pure, with the time as an argument.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, task::Waker, time::Duration};

use tokio::time::Instant;

use super::{
    clock::Now,
    content::{Receive, Received, Sent},
    fault::{Code, Fault},
    identity::{Identity, Limits},
    kind::Kind,
    line::Alarm,
    moves::Moves,
    queue::Queue,
    receipt::Key,
    stored::Stored,
    take::Allowance,
    validate,
};
use crate::message::OutgoingMessage;

/// The queues of the account.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) identity: Identity,
    pub(super) queues: BTreeMap<Arc<str>, Queue>,
    pub(super) moves: Moves,
    pub(super) limits: Limits,
    sender_id: Arc<str>,
    serials: u64,
}

impl Store {
    /// A store without queues.
    pub(super) fn new(identity: Identity, limits: Limits) -> Self {
        let sender_id = identity.account_id.as_str().into();
        Self { identity, queues: BTreeMap::new(), moves: Moves::default(), limits, sender_id, serials: 0 }
    }

    /// The next of the numbers that keys, receives and places in line are told apart by.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// The queue of this name, with the time that passed behind it.
    pub(super) fn open(&mut self, name: &str, now: Now) -> Result<&mut Queue, Fault> {
        self.run_moves(now);
        let queue = self.queues.get_mut(name).ok_or_else(no_such_queue)?;
        queue.advance(now);
        Ok(queue)
    }

    /// The name of an existing queue of this ARN.
    pub(super) fn name_of(&self, arn: &str) -> Option<Arc<str>> {
        let (_, name) = arn.rsplit_once(':')?;
        self.queues.get(name).filter(|queue| *queue.arn == *arn).map(|queue| Arc::clone(&queue.name))
    }

    /// Sends one message.
    pub(super) fn send(&mut self, name: &str, message: OutgoingMessage, now: Now) -> Result<Sent, Fault> {
        let (key, sender_id) = (self.next_serial(), Arc::clone(&self.sender_id));
        let queue = self.open(name, now)?;
        let sent = queue.send(message, key, &sender_id, now)?;
        queue.announce();
        Ok(sent)
    }

    /// Receives what is visible, and moves what was received too often to the dead-letter queue.
    pub(super) fn receive(
        &mut self,
        name: &str,
        receive: &Receive,
        now: Now,
    ) -> Result<Vec<Received>, Fault> {
        validate::check_receive(receive)?;
        let dead_letters = self.dead_letters_of(name);
        let (serial, limit) = (self.next_serial(), self.limits.in_flight);
        let queue = self.open(name, now)?;
        let room = queue.room();
        if room == 0 && is_short_poll(queue, receive) && queue.attributes.kind == Kind::Standard {
            let message = format!("The queue has reached its limit of messages in flight: {limit}.");
            return Err(Fault::new(Code::OverLimit, message));
        }
        let max_receives = dead_letters.as_ref().map(|(_, max)| *max);
        let allowance = Allowance { messages: receive.max.min(room), max_receives, serial };
        let taken = queue.take(receive, allowance, now);
        queue.announce();
        let source_arn = Arc::clone(&queue.arn);
        if let Some((target, _)) = dead_letters {
            self.bury(taken.exhausted, &target, &source_arn, now)?;
        }
        Ok(taken.received)
    }

    /// Deletes the message that a receive handed over.
    pub(super) fn delete(&mut self, name: &str, handle: &str, now: Now) -> Result<(), Fault> {
        let queue = self.open(name, now)?;
        queue.delete(handle)?;
        // The end of a message may free its group.
        queue.announce();
        Ok(())
    }

    /// How long a receive waits.
    pub(super) fn wait_of(&self, name: &str, receive: &Receive) -> Duration {
        let of_queue = || self.queues.get(name).map(|queue| queue.attributes.wait);
        receive.wait.or_else(of_queue).unwrap_or_default()
    }

    /// Puts a receive that found nothing in line, and says when it should look again.
    pub(super) fn stand(&mut self, name: &str, place: u64, waker: &Waker) -> Result<Alarm, Fault> {
        let moves_due = self.moves.next_due();
        let queue = self.queues.get_mut(name).ok_or_else(no_such_queue)?;
        let dues: [Option<Instant>; 2] = [queue.shelf.next_due(), moves_due];
        Ok(queue.line.stand(place, waker, dues.into_iter().flatten().min()))
    }

    /// Takes a receive out of the line.
    pub(super) fn leave(&mut self, name: &str, place: u64) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.line.leave(place);
        }
    }

    /// The dead-letter queue of a queue, if it exists, with the receives that lead there.
    fn dead_letters_of(&self, name: &str) -> Option<(Arc<str>, NonZeroU32)> {
        let policy = self.queues.get(name)?.attributes.dead_letters.as_ref()?;
        Some((self.name_of(&policy.arn)?, policy.max_receives))
    }

    /// Moves messages to the dead-letter queue, with their ids, counts and (on standard queues) ages.
    fn bury(
        &mut self,
        exhausted: Vec<(Key, Stored)>,
        target: &str,
        source_arn: &Arc<str>,
        now: Now,
    ) -> Result<(), Fault> {
        if exhausted.is_empty() {
            return Ok(());
        }
        let queue = self.open(target, now)?;
        for (key, mut message) in exhausted {
            message.source_arn = Some(Arc::clone(source_arn));
            if queue.attributes.kind != Kind::Standard {
                message.since = now.at;
            }
            queue.shelf.put(key, message, None);
        }
        queue.announce();
        Ok(())
    }
}

/// SQS tells only short polls that too many messages are in flight; long ones wait for room.
fn is_short_poll(queue: &Queue, receive: &Receive) -> bool {
    receive.wait.unwrap_or(queue.attributes.wait).is_zero()
}

/// What SQS says of a queue that it does not have.
pub(super) fn no_such_queue() -> Fault {
    Fault::new(Code::QueueDoesNotExist, "The specified queue does not exist.")
}
