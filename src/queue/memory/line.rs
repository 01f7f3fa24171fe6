//! The receives that wait at a queue, in order.

use std::{collections::BTreeMap, task::Waker};

use tokio::time::Instant;

/// The receives that wait at a queue.
///
/// The first in line is woken for whatever happens; when it leaves it wakes the next. So each message wakes
/// one receive, and the receives are served in the order of their coming. Wakers are called under the lock of
/// the account, since the runtime's only schedule.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Waker>,
    /// When the first in line wakes up by itself.
    armed: Option<Instant>,
}

/// What a waiting receive should set its alarm to, beside the end of its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing: another is first in line.
    None,
    /// Something may become visible then.
    At(Instant),
}

impl Line {
    /// Takes a place, or keeps it; `next_due` is when something may become visible.
    pub(super) fn stand(&mut self, place: u64, waker: &Waker, next_due: Option<Instant>) -> Alarm {
        match self.waiting.get_mut(&place) {
            Some(known) => known.clone_from(waker),
            None => drop(self.waiting.insert(place, waker.clone())),
        }
        if self.waiting.first_key_value().is_none_or(|(first, _)| *first != place) {
            return Alarm::None;
        }
        self.armed = next_due;
        next_due.map_or(Alarm::None, Alarm::At)
    }

    /// Gives a place up; the one that is first now looks for itself.
    pub(super) fn leave(&mut self, place: u64) {
        if self.waiting.remove(&place).is_some() {
            self.wake_first();
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Wakes the first in line if its alarm would ring too late.
    pub(super) fn expect(&self, next_due: Option<Instant>) {
        let sooner = next_due.is_some_and(|due| self.armed.is_none_or(|armed| due < armed));
        if sooner {
            self.wake_first();
        }
    }

    /// Wakes the first in line.
    pub(super) fn wake_first(&self) {
        if let Some((_, waker)) = self.waiting.first_key_value() {
            waker.wake_by_ref();
        }
    }

    /// Wakes all, who will find the queue gone.
    pub(super) fn wake_all(&self) {
        self.waiting.values().for_each(Waker::wake_by_ref);
    }
}
