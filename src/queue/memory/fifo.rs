//! The groups of a FIFO queue: in each, one receive at a time and in order.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{receipt::Key, shelf::State};

/// The groups of a FIFO queue that hold any message.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_id: HashMap<Arc<str>, Group>,
    /// The groups that may be received from, in the order in which they became so.
    open: BTreeMap<u64, Arc<str>>,
    turns: u64,
}

/// The messages of one group.
#[derive(Debug, Default)]
struct Group {
    /// Those that are not in flight, in the order of sending.
    waiting: BTreeMap<Key, Wait>,
    /// How many are in flight: while any is, no other receive gets a message.
    held: usize,
    /// Its place among the open groups.
    open: Option<u64>,
}

/// Why a message of a group waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Delay,
    Receive,
}

impl Group {
    /// The message to hand out next, if its delay is over.
    fn head(&self) -> Option<Key> {
        let (key, wait) = self.waiting.first_key_value()?;
        (*wait == Wait::Receive).then_some(*key)
    }
}

impl Groups {
    /// The message to hand out next: of the group that the receive is in the middle of, as long as it has
    /// any, and of the group open longest after that.
    pub(super) fn next(&self, current: Option<&str>) -> Option<Key> {
        let of_current = current.and_then(|id| self.by_id.get(id)?.head());
        of_current.or_else(|| {
            let (_, id) = self.open.first_key_value()?;
            self.by_id.get(id)?.head()
        })
    }

    /// Notes that a message is in this state.
    pub(super) fn enter(&mut self, key: Key, id: &str, state: State) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.into(), Group::default());
        }
        self.change(id, |group| match state {
            State::Ready { .. } => {
                group.waiting.insert(key, Wait::Receive);
            }
            State::Delayed(_) => {
                group.waiting.insert(key, Wait::Delay);
            }
            State::Held(_) => group.held += 1,
        });
    }

    /// Notes that a message is in this state no more.
    pub(super) fn leave(&mut self, key: Key, id: &str, state: State) {
        self.change(id, |group| match state {
            State::Ready { .. } | State::Delayed(_) => {
                group.waiting.remove(&key);
            }
            State::Held(_) => group.held -= 1,
        });
        if self.by_id.get(id).is_some_and(|group| group.held == 0 && group.waiting.is_empty()) {
            self.by_id.remove(id);
        }
    }

    /// Changes a group, and opens or closes it by what came of it.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Group)) {
        let Some(group) = self.by_id.get_mut(id) else { return };
        change(group);
        let may_be_received = group.held == 0 && group.head().is_some();
        match (group.open, may_be_received) {
            (None, true) => {
                self.turns += 1;
                group.open = Some(self.turns);
                self.open.insert(self.turns, id.into());
            }
            (Some(turn), false) => {
                group.open = None;
                self.open.remove(&turn);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const READY: State = State::Ready { turn: 0 };

    #[test]
    fn a_group_in_flight_gives_no_other_receive_a_message() {
        let mut groups = Groups::default();
        groups.enter(1, "a", READY);
        groups.enter(2, "a", READY);
        let held = State::Held(Instant::now());
        groups.leave(1, "a", READY);
        groups.enter(1, "a", held);
        assert_eq!((groups.next(None), groups.next(Some("a"))), (None, Some(2)));
        groups.leave(1, "a", held);
        assert_eq!(groups.next(None), Some(2));
    }

    #[test]
    fn a_delayed_head_closes_its_group() {
        let mut groups = Groups::default();
        groups.enter(1, "a", State::Delayed(Instant::now()));
        groups.enter(2, "a", READY);
        assert_eq!(groups.next(None), None);
    }

    #[test]
    fn an_empty_group_is_forgotten() {
        let mut groups = Groups::default();
        groups.enter(1, "a", READY);
        groups.leave(1, "a", READY);
        assert!(groups.by_id.is_empty() && groups.open.is_empty());
    }
}
