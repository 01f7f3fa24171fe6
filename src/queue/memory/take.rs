//! Receiving from a queue: what a receive takes, and what it finds exhausted.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    attributes::Kind,
    clock::Now,
    content::{Receive, Received},
    queue::Queue,
    receipt::{Key, Ticket},
    shelf::{Latest, State, Stored},
};
use crate::message::Receipt;

/// What a receive may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// How many messages.
    pub(super) messages: usize,
    /// After how many receives a message goes to the dead-letter queue, if there is one.
    pub(super) max_receives: Option<NonZeroU32>,
    /// The serial number of this receive.
    pub(super) serial: u64,
}

/// What a receive found.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The messages it hands over.
    pub(super) received: Vec<Received>,
    /// The messages that were received too often.
    pub(super) exhausted: Vec<(Key, Stored)>,
}

impl Queue {
    /// Takes visible messages and hides them.
    pub(super) fn take(&mut self, receive: &Receive, allowance: Allowance, now: Now) -> Taken {
        let visibility = receive.visibility.unwrap_or(self.attributes.visibility);
        let attempt = receive.attempt_id.as_ref().filter(|_| self.attributes.kind != Kind::Standard);
        if let Some(received) = attempt.and_then(|id| self.repeat(id, visibility, now)) {
            return Taken { received, exhausted: Vec::new() };
        }
        let taken = self.take_visible(visibility, allowance, now);
        if let Some(id) = attempt
            && !taken.received.is_empty()
        {
            let tickets = taken.received.iter().filter_map(|one| self.scribe.read(one.receipt.as_str()).ok());
            self.attempts.remember(id.clone(), tickets.collect(), now.at);
        }
        taken
    }

    fn take_visible(&mut self, visibility: Duration, allowance: Allowance, now: Now) -> Taken {
        let mut taken = Taken::default();
        let mut group: Option<Arc<str>> = None;
        while taken.received.len() < allowance.messages
            && let Some(key) = self.shelf.next(group.as_deref())
            && let Some((message, _)) = self.shelf.get(key)
        {
            group.clone_from(&message.content.group_id);
            let is_exhausted = allowance.max_receives.is_some_and(|max| message.receives >= max.get());
            if is_exhausted {
                taken.exhausted.extend(self.shelf.remove(key).map(|message| (key, message)));
                continue;
            }
            self.shelf.hold(key, now.at + visibility);
            taken.received.extend(self.hand_over(Ticket { key, serial: allowance.serial }, now));
        }
        taken
    }

    fn hand_over(&mut self, ticket: Ticket, now: Now) -> Option<Received> {
        let message = self.shelf.get_mut(ticket.key)?;
        message.receives += 1;
        message.first_received_at.get_or_insert(now.wall);
        message.latest = Some(Latest { serial: ticket.serial, at: now.at });
        self.received(ticket)
    }

    fn received(&self, ticket: Ticket) -> Option<Received> {
        let (message, _) = self.shelf.get(ticket.key)?;
        Some(Received {
            receipt: Receipt::new(self.scribe.write(ticket)),
            receive_count: message.receives,
            first_received_at: message.first_received_at?,
            dead_letter_source_arn: message.source_arn.clone(),
            content: Arc::clone(&message.content),
        })
    }

    /// The messages of an earlier receive of the same attempt, as long as it still holds all of them.
    ///
    /// They are hidden anew and keep their handles; the receive counts once.
    fn repeat(&mut self, attempt_id: &String, visibility: Duration, now: Now) -> Option<Vec<Received>> {
        let tickets = self.attempts.get(attempt_id, now.at)?.clone();
        let is_held = |ticket: &Ticket| {
            let found = self.shelf.get(ticket.key);
            found
                .is_some_and(|(message, state)| message.is_latest(*ticket) && matches!(state, State::Held(_)))
        };
        if !tickets.iter().all(is_held) {
            return None;
        }
        for ticket in &tickets {
            self.shelf.hold(ticket.key, now.at + visibility);
        }
        Some(tickets.into_iter().filter_map(|ticket| self.received(ticket)).collect())
    }
}
