//! How many calls of the handler run, and which messages the next one takes: pure.

use tokio::time::Instant;

use super::{
    buffer::{Group, Lanes, Lost},
    settings::BatchSettings,
};

/// The concurrency of one queue: at most so many calls run, and the messages of the others wait.
#[derive(Debug)]
pub(super) struct Slots<T> {
    concurrency: usize,
    batch: BatchSettings,
    running: usize,
    lanes: Lanes<T>,
    closed: bool,
}

impl<T> Slots<T> {
    pub(super) fn new(concurrency: usize, batch: BatchSettings) -> Self {
        Self { concurrency, batch, running: 0, lanes: Lanes::new(), closed: false }
    }

    /// Calls that run.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.waiting()
    }

    /// Messages that wait behind one of their group.
    pub(super) fn blocked(&self) -> usize {
        self.lanes.blocked()
    }

    /// Messages that could start in full batches if there were slots.
    pub(super) fn ready_to_start(&self) -> usize {
        let startable = self.lanes.startable();
        startable - startable % self.batch.size
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting() == 0
    }

    /// Adds a message of so many bytes; those of one group start one after another.
    pub(super) fn wait(&mut self, item: T, group: Option<Group>, bytes: usize, now: Instant) {
        self.lanes.push(item, group, bytes, now);
    }

    /// Takes the next batch that may start now; it counts as a running call until [`Slots::ended`].
    pub(super) fn start(&mut self, now: Instant) -> Option<Vec<T>> {
        if self.closed || self.running >= self.concurrency {
            return None;
        }
        let batch = self.lanes.take(&self.batch, now)?;
        self.running += 1;
        Some(batch)
    }

    /// When a batch will start that is not full; `None` while there is no slot for it.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let may_start = !self.closed && self.running < self.concurrency;
        may_start.then(|| self.lanes.ripe_at(&self.batch)).flatten()
    }

    /// Notes that a call ended.
    pub(super) fn ended(&mut self) {
        debug_assert!(self.running > 0, "only what was started can end");
        self.running = self.running.saturating_sub(1);
    }

    /// Lets the group's messages wait for one that is settled without having waited here.
    pub(super) fn occupy(&mut self, group: &Group) {
        self.lanes.occupy(group);
    }

    /// Lets the group's next messages start once all of it that has started is released.
    pub(super) fn release(&mut self, group: &Group, now: Instant) {
        self.lanes.release(group, now);
    }

    /// Takes what waits behind a failed message of this group.
    pub(super) fn fail(&mut self, group: &Group) -> Vec<T> {
        self.lanes.fail(group)
    }

    /// Takes everything that waits.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        self.lanes.take_all()
    }

    /// Takes what is lost, and what waited behind it in its group.
    pub(super) fn take_lost(&mut self, is_lost: impl Fn(&T) -> bool) -> Lost<T> {
        self.lanes.take_lost(is_lost)
    }

    /// Starts nothing any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots(concurrency: usize) -> Slots<usize> {
        Slots::new(concurrency, BatchSettings::default())
    }

    proptest! {
        #[test]
        fn never_more_run_than_the_concurrency_and_all_run_in_order(
            concurrency in 1usize..20,
            steps in proptest::collection::vec(any::<bool>(), 1..300),
        ) {
            let (mut slots, now) = (slots(concurrency), Instant::now());
            let (mut next, mut started) = (0, Vec::new());
            for arrives in steps {
                if arrives {
                    slots.wait(next, None, 1, now);
                    next += 1;
                } else if slots.running() > 0 {
                    slots.ended();
                }
                started.extend(std::iter::from_fn(|| slots.start(now)).flatten());
                prop_assert!(slots.running() <= concurrency);
                prop_assert!(slots.waiting() == 0 || slots.running() == concurrency, "no slot idles while one waits");
            }
            prop_assert_eq!(started.clone(), (0..started.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_starts_after_the_close() {
        let (mut slots, now) = (slots(1), Instant::now());
        slots.wait(7, None, 1, now);
        slots.close();
        assert_eq!(slots.start(now), None);
        assert_eq!(slots.take_waiting(), [7]);
    }
}
