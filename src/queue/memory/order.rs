//! Which message of a queue is handed out next.

use std::collections::BTreeMap;

use super::{fifo::Groups, receipt::Key, shelf::State};

/// The order of a queue.
#[derive(Debug)]
pub(super) enum Order {
    /// By turn, whatever the group.
    Standard(BTreeMap<u64, Key>),
    /// By group, in each as sent.
    Fifo(Groups),
}

impl Order {
    /// The order of an empty standard queue.
    pub(super) fn standard() -> Self {
        Self::Standard(BTreeMap::new())
    }

    /// The order of an empty FIFO queue.
    pub(super) fn fifo() -> Self {
        Self::Fifo(Groups::default())
    }

    /// The same order with nothing in it.
    pub(super) fn emptied(&self) -> Self {
        match self {
            Self::Standard(_) => Self::standard(),
            Self::Fifo(_) => Self::fifo(),
        }
    }

    /// The message to hand out next; `group` is the one a FIFO receive is in the middle of.
    pub(super) fn next(&self, group: Option<&str>) -> Option<Key> {
        match self {
            Self::Standard(ready) => ready.first_key_value().map(|(_, key)| *key),
            Self::Fifo(groups) => groups.next(group),
        }
    }

    /// Notes that a message is in this state.
    pub(super) fn enter(&mut self, key: Key, group: Option<&str>, state: State) {
        match (self, state) {
            (Self::Standard(ready), State::Ready { turn }) => {
                ready.insert(turn, key);
            }
            (Self::Standard(_), _) => {}
            (Self::Fifo(groups), state) => groups.enter(key, group.unwrap_or_default(), state),
        }
    }

    /// Notes that a message is in this state no more.
    pub(super) fn leave(&mut self, key: Key, group: Option<&str>, state: State) {
        match (self, state) {
            (Self::Standard(ready), State::Ready { turn }) => {
                ready.remove(&turn);
            }
            (Self::Standard(_), _) => {}
            (Self::Fifo(groups), state) => groups.leave(key, group.unwrap_or_default(), state),
        }
    }
}
