//! A pool of slots that several queues share by weight.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Slots for calls that several queues share; clones are the same pool.
///
/// A queue whose messages wait gets the next free slot if it uses the fewest slots for its weight, so that none starves. A
/// slot that no other queue wants may be anybody's.
///
/// ```
/// use longshore::{Consumer, Pool, handler};
///
/// let pool = Pool::new(32);
/// let orders = Consumer::new("orders", handler::from_fn(async |_| ())).pool(&pool, 3);
/// let reports = Consumer::new("reports", handler::from_fn(async |_| ())).pool(&pool, 1);
/// # let _ = (orders, reports);
/// ```
#[derive(Clone, Debug)]
pub struct Pool(Arc<Mutex<PoolState>>);

#[derive(Debug)]
struct PoolState {
    concurrency: usize,
    running: usize,
    members: Vec<PoolShare>,
}

/// The share of one queue.
#[derive(Debug)]
struct PoolShare {
    weight: usize,
    running: usize,
    /// True while messages of it wait for a slot of the pool.
    is_waiting: bool,
    /// Notified when a slot may be free for it.
    freed: Arc<Notify>,
}

/// The place of one queue in a pool.
#[derive(Debug)]
pub(crate) struct PoolMember {
    pool: Pool,
    index: usize,
}

impl Pool {
    /// A pool of this many slots, at least one.
    pub fn new(concurrency: usize) -> Self {
        let state = PoolState { concurrency: concurrency.max(1), running: 0, members: Vec::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Adds a queue, which is notified when it may start a call.
    pub(in crate::consumer) fn join(&self, weight: usize, freed: Arc<Notify>) -> PoolMember {
        let mut state = self.state();
        state.members.push(PoolShare { weight: weight.max(1), running: 0, is_waiting: false, freed });
        PoolMember { pool: self.clone(), index: state.members.len() - 1 }
    }

    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PoolState {
    /// True if this queue may have the next slot: one is free, and no other queue that waits uses fewer for its weight.
    fn may_start(&self, index: usize) -> bool {
        let own = &self.members[index];
        let goes_first = |other: &PoolShare| {
            other.is_waiting && (other.running + 1) * own.weight < (own.running + 1) * other.weight
        };
        let others = self.members.iter().enumerate().filter(|(other, _)| *other != index);
        self.running < self.concurrency && !others.map(|(_, other)| other).any(goes_first)
    }

    /// Notifies the queues that wait, except this one, if a slot is free.
    fn notify_all_but(&self, index: usize) {
        if self.running < self.concurrency {
            let others = self.members.iter().enumerate().filter(|(other, _)| *other != index);
            others.filter(|(_, other)| other.is_waiting).for_each(|(_, other)| other.freed.notify_one());
        }
    }
}

impl PoolMember {
    /// Takes a slot for a waiting message; if there is none, the queue is notified when that may have changed.
    pub(in crate::consumer) fn take(&self) -> bool {
        let mut state = self.pool.state();
        let is_taken = state.may_start(self.index);
        let own = &mut state.members[self.index];
        own.is_waiting = !is_taken;
        if is_taken {
            own.running += 1;
            state.running += 1;
        }
        // Another one may have waited only because this one went first, or goes first now.
        state.notify_all_but(self.index);
        is_taken
    }

    /// Notes that further messages wait, for which a slot was not tried yet.
    pub(in crate::consumer) fn wants_more(&self) {
        self.pool.state().members[self.index].is_waiting = true;
    }

    /// True while messages of this queue wait for a slot.
    pub(in crate::consumer) fn is_waiting(&self) -> bool {
        self.pool.state().members[self.index].is_waiting
    }

    /// Gives a slot back.
    pub(in crate::consumer) fn give_back(&self) {
        let mut state = self.pool.state();
        state.running = state.running.saturating_sub(1);
        let own = &mut state.members[self.index];
        own.running = own.running.saturating_sub(1);
        if own.is_waiting {
            own.freed.notify_one();
        }
        state.notify_all_but(self.index);
    }

    /// Notes that no message of this queue wants a slot.
    pub(in crate::consumer) fn wants_none(&self) {
        let mut state = self.pool.state();
        if std::mem::take(&mut state.members[self.index].is_waiting) {
            state.notify_all_but(self.index);
        }
    }
}

impl Drop for PoolMember {
    fn drop(&mut self) {
        self.wants_none();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes slots for two queues that have messages all the time, while now the one and now the other ends a call.
    fn filled(weights: [usize; 2], rounds: usize) -> [usize; 2] {
        let pool = Pool::new(8);
        let members = weights.map(|weight| pool.join(weight, Arc::default()));
        let mut running = [0, 0];
        for round in 0..rounds {
            for (member, running) in members.iter().zip(&mut running) {
                *running += usize::from(member.take());
            }
            let ends = round % 2;
            if round % 3 == 0 && running[ends] > 0 {
                members[ends].give_back();
                running[ends] -= 1;
            }
        }
        running
    }

    #[test]
    fn queues_that_wait_share_the_slots_by_their_weights() {
        let [light, heavy] = filled([1, 3], 1_000);
        assert!((1..=3).contains(&light) && (5..=7).contains(&heavy), "{light} and {heavy}");
        let [one, other] = filled([1, 1], 1_000);
        assert!(one.abs_diff(other) <= 2, "{one} and {other}");
    }

    #[tokio::test]
    async fn a_queue_alone_may_use_all_and_leaves_the_next_free_slot_to_one_that_waits() {
        let pool = Pool::new(3);
        let notified = Arc::new(Notify::new());
        let (busy, quiet) = (pool.join(1, Arc::default()), pool.join(1, notified.clone()));
        assert!((0..3).all(|_| busy.take()));
        assert!(!busy.take() && !quiet.take());
        busy.give_back();
        notified.notified().await;
        assert!(!busy.take(), "the other one goes first");
        assert!(quiet.take());
        assert!(!quiet.take() && !busy.take(), "none is free");
        quiet.wants_none();
        quiet.give_back();
        assert!(busy.take(), "the other one wants none any more");
    }
}
