//! The messages of one queue, each in one state and indexed by it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    content::Content,
    order::Order,
    receipt::Key,
    stored::{State, Stored},
};

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Those that may be received.
    pub(super) visible: usize,
    /// Those received and hidden.
    pub(super) held: usize,
    /// Those still delayed.
    pub(super) delayed: usize,
}

/// The messages of one queue.
///
/// Every change of state goes through [`Shelf::hook`] and [`Shelf::unhook`], so that the indexes agree. All
/// operations take logarithmic time.
#[derive(Debug)]
pub(super) struct Shelf {
    messages: HashMap<Key, (Stored, State)>,
    order: Order,
    held: BTreeSet<(Instant, Key)>,
    delayed: BTreeSet<(Instant, Key)>,
    ages: BTreeSet<(Instant, Key)>,
    turns: u64,
}

impl Shelf {
    /// An empty shelf that hands out in this order.
    pub(super) fn new(order: Order) -> Self {
        let messages = HashMap::new();
        let (held, delayed, ages) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { messages, order, held, delayed, ages, turns: 0 }
    }

    /// Takes a message in, hidden at first if it is delayed.
    pub(super) fn put(&mut self, key: Key, message: Stored, delayed_until: Option<Instant>) {
        self.ages.insert((message.since, key));
        let group = message.content.group_id.clone();
        let state = delayed_until.map_or_else(|| self.ready_state(), State::Delayed);
        self.messages.insert(key, (message, state));
        self.hook(key, group.as_deref(), state);
    }

    /// The message, whatever its state.
    pub(super) fn get(&self, key: Key) -> Option<(&Stored, State)> {
        self.messages.get(&key).map(|(message, state)| (message, *state))
    }

    /// The message, to be changed.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Stored> {
        self.messages.get_mut(&key).map(|(message, _)| message)
    }

    /// What every message holds, whatever its state, in the order of their keys.
    pub(super) fn contents(&self) -> Vec<Arc<Content>> {
        let mut keys: Vec<_> = self.messages.keys().copied().collect();
        keys.sort_unstable();
        keys.iter().map(|key| self.messages[key].0.content.clone()).collect()
    }

    /// The message to hand out next; `group` is the one a FIFO receive is in the middle of.
    pub(super) fn next(&self, group: Option<&str>) -> Option<Key> {
        self.order.next(group)
    }

    /// Hides a message until then.
    pub(super) fn hold(&mut self, key: Key, until: Instant) {
        self.set_state(key, State::Held(until));
    }

    /// Makes a message visible, behind those already visible on a standard queue.
    pub(super) fn release(&mut self, key: Key) {
        let state = self.ready_state();
        self.set_state(key, state);
    }

    /// Takes a message out, whatever its state.
    pub(super) fn remove(&mut self, key: Key) -> Option<Stored> {
        let (message, state) = self.messages.remove(&key)?;
        self.ages.remove(&(message.since, key));
        self.unhook(key, message.content.group_id.as_deref(), state);
        Some(message)
    }

    /// Takes every message out.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.order.emptied());
    }

    /// Lets time pass: delays and visibilities end, and messages that are too old vanish.
    pub(super) fn advance(&mut self, now: Instant, retention: Duration) {
        while let Some(key) = first_due(&self.delayed, now).or_else(|| first_due(&self.held, now)) {
            self.release(key);
        }
        while let Some(&(since, key)) = self.ages.first()
            && now.saturating_duration_since(since) >= retention
        {
            self.remove(key);
        }
    }

    /// When the next delay or visibility ends.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let firsts = [self.delayed.first(), self.held.first()];
        firsts.into_iter().flatten().map(|(until, _)| *until).min()
    }

    /// How many messages are in which state.
    pub(super) fn counts(&self) -> Counts {
        let (held, delayed) = (self.held.len(), self.delayed.len());
        Counts { visible: self.messages.len() - held - delayed, held, delayed }
    }

    fn ready_state(&mut self) -> State {
        self.turns += 1;
        State::Ready { turn: self.turns }
    }

    fn set_state(&mut self, key: Key, new: State) {
        let Some((message, state)) = self.messages.get_mut(&key) else { return };
        let old = std::mem::replace(state, new);
        let group = message.content.group_id.clone();
        self.unhook(key, group.as_deref(), old);
        self.hook(key, group.as_deref(), new);
    }

    fn hook(&mut self, key: Key, group: Option<&str>, state: State) {
        self.order.enter(key, group, state);
        match state {
            State::Ready { .. } => {}
            State::Delayed(until) => {
                self.delayed.insert((until, key));
            }
            State::Held(until) => {
                self.held.insert((until, key));
            }
        }
    }

    fn unhook(&mut self, key: Key, group: Option<&str>, state: State) {
        self.order.leave(key, group, state);
        match state {
            State::Ready { .. } => {}
            State::Delayed(until) => {
                self.delayed.remove(&(until, key));
            }
            State::Held(until) => {
                self.held.remove(&(until, key));
            }
        }
    }
}

fn first_due(index: &BTreeSet<(Instant, Key)>, now: Instant) -> Option<Key> {
    index.first().filter(|(until, _)| *until <= now).map(|(_, key)| *key)
}
