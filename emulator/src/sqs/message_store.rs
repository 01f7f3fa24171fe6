//! The messages of one queue, indexed by state and age, and the order in which they are delivered.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    MessageContent,
    fifo::MessageGroups,
    message::{StoredMessage, StoredState},
    persistence::QueueChanges,
    receipt::MessageKey,
};

/// The numbers of messages by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MessageCounts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

/// The messages of one queue.
///
/// Every change of state updates all indexes through `index` and `unindex`. All operations take logarithmic time.
#[derive(Debug)]
pub(super) struct MessageStore {
    messages: HashMap<MessageKey, (StoredMessage, StoredState)>,
    order: DeliveryOrder,
    in_flight: BTreeSet<(Instant, MessageKey)>,
    delayed: BTreeSet<(Instant, MessageKey)>,
    ages: BTreeSet<(Instant, MessageKey)>,
    changes: QueueChanges,
}

impl MessageStore {
    /// An empty store with this order of delivery.
    pub(super) fn new(order: DeliveryOrder, changes: QueueChanges) -> Self {
        let messages = HashMap::new();
        let (in_flight, delayed, ages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { messages, order, in_flight, delayed, ages, changes }
    }

    /// Adds a message, visible or delayed.
    pub(super) fn insert(&mut self, key: MessageKey, message: StoredMessage, delayed_until: Option<Instant>) {
        self.ages.insert((message.since, key));
        let group = message.content.group_id.clone();
        let state = delayed_until.map_or(StoredState::Visible, StoredState::Delayed);
        self.messages.insert(key, (message, state));
        self.index(key, group.as_deref(), state);
        self.changes.message(key);
    }

    /// A message and its state.
    pub(super) fn get(&self, key: MessageKey) -> Option<(&StoredMessage, StoredState)> {
        self.messages.get(&key).map(|(message, state)| (message, *state))
    }

    /// A message, mutable.
    pub(super) fn get_mut(&mut self, key: MessageKey) -> Option<&mut StoredMessage> {
        self.messages.get_mut(&key).map(|(message, _)| message)
    }

    /// The contents of all messages in the order of sending.
    pub(super) fn contents(&self) -> Vec<Arc<MessageContent>> {
        self.keys().iter().map(|key| self.messages[key].0.content.clone()).collect()
    }

    /// The keys of all messages in the order of sending.
    pub(super) fn keys(&self) -> Vec<MessageKey> {
        let mut keys: Vec<_> = self.messages.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// The next message for a receive; `last` is the message it has taken last, with its group.
    pub(super) fn next(&self, last: Option<(&str, MessageKey)>) -> Option<MessageKey> {
        self.order.next(last)
    }

    /// Hides a message until a time.
    pub(super) fn hide(&mut self, key: MessageKey, until: Instant) {
        self.set_state(key, StoredState::InFlight(until));
    }

    /// Makes a message visible, before those that were sent later (recorded against AWS).
    pub(super) fn show(&mut self, key: MessageKey) {
        self.set_state(key, StoredState::Visible);
    }

    /// Removes a message.
    pub(super) fn remove(&mut self, key: MessageKey) -> Option<StoredMessage> {
        let (message, state) = self.messages.remove(&key)?;
        self.ages.remove(&(message.since, key));
        self.unindex(key, message.content.group_id.as_deref(), state);
        self.changes.state(key);
        Some(message)
    }

    /// Removes all messages.
    pub(super) fn clear(&mut self) {
        self.changes.purge();
        *self = Self::new(self.order.emptied(), self.changes.clone());
    }

    /// Ends the delays and visibility timeouts that are over, and removes messages beyond their retention.
    pub(super) fn advance(&mut self, now: Instant, retention: Duration) {
        while let Some(key) = first_due(&self.delayed, now).or_else(|| first_due(&self.in_flight, now)) {
            self.show(key);
        }
        while let Some(&(since, key)) = self.ages.first()
            && now.saturating_duration_since(since) >= retention
        {
            self.remove(key);
        }
    }

    /// The end of the next delay or visibility timeout.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let firsts = [self.delayed.first(), self.in_flight.first()];
        firsts.into_iter().flatten().map(|(until, _)| *until).min()
    }

    /// The numbers of messages by state.
    pub(super) fn counts(&self) -> MessageCounts {
        let (in_flight, delayed) = (self.in_flight.len(), self.delayed.len());
        MessageCounts { visible: self.messages.len() - in_flight - delayed, in_flight, delayed }
    }

    fn set_state(&mut self, key: MessageKey, new: StoredState) {
        let Some((message, state)) = self.messages.get_mut(&key) else { return };
        let old = std::mem::replace(state, new);
        let group = message.content.group_id.clone();
        self.unindex(key, group.as_deref(), old);
        self.index(key, group.as_deref(), new);
        self.changes.state(key);
    }

    fn index(&mut self, key: MessageKey, group: Option<&str>, state: StoredState) {
        self.order.insert(key, group, state);
        match state {
            StoredState::Visible => {}
            StoredState::Delayed(until) => {
                self.delayed.insert((until, key));
            }
            StoredState::InFlight(until) => {
                self.in_flight.insert((until, key));
            }
        }
    }

    fn unindex(&mut self, key: MessageKey, group: Option<&str>, state: StoredState) {
        self.order.remove(key, group, state);
        match state {
            StoredState::Visible => {}
            StoredState::Delayed(until) => {
                self.delayed.remove(&(until, key));
            }
            StoredState::InFlight(until) => {
                self.in_flight.remove(&(until, key));
            }
        }
    }
}

fn first_due(index: &BTreeSet<(Instant, MessageKey)>, now: Instant) -> Option<MessageKey> {
    index.first().filter(|(until, _)| *until <= now).map(|(_, key)| *key)
}

/// The order in which a queue delivers its visible messages.
#[derive(Debug)]
pub(super) enum DeliveryOrder {
    /// In the order of sending, regardless of groups.
    Standard(BTreeSet<MessageKey>),
    /// By group, and in the order of sending within each.
    Fifo(MessageGroups),
}

impl DeliveryOrder {
    /// The order of an empty standard queue.
    pub(super) fn standard() -> Self {
        Self::Standard(BTreeSet::new())
    }

    /// The order of an empty FIFO queue.
    pub(super) fn fifo() -> Self {
        Self::Fifo(MessageGroups::default())
    }

    fn emptied(&self) -> Self {
        match self {
            Self::Standard(_) => Self::standard(),
            Self::Fifo(_) => Self::fifo(),
        }
    }

    fn next(&self, last: Option<(&str, MessageKey)>) -> Option<MessageKey> {
        match self {
            Self::Standard(visible) => visible.first().copied(),
            Self::Fifo(groups) => groups.next(last),
        }
    }

    fn insert(&mut self, key: MessageKey, group: Option<&str>, state: StoredState) {
        match (self, state) {
            (Self::Standard(visible), StoredState::Visible) => {
                visible.insert(key);
            }
            (Self::Standard(_), _) => {}
            (Self::Fifo(groups), state) => groups.insert(key, group.unwrap_or_default(), state),
        }
    }

    fn remove(&mut self, key: MessageKey, group: Option<&str>, state: StoredState) {
        match (self, state) {
            (Self::Standard(visible), StoredState::Visible) => {
                visible.remove(&key);
            }
            (Self::Standard(_), _) => {}
            (Self::Fifo(groups), _) => groups.remove(key, group.unwrap_or_default()),
        }
    }
}
