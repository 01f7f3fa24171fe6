//! Which messages run and which wait for their turn: pure.

use std::collections::VecDeque;

/// The concurrency of one queue: at most so many run, the others wait in the order they came.
#[derive(Debug)]
pub(super) struct Slots<T> {
    concurrency: usize,
    running: usize,
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Slots<T> {
    pub(super) fn new(concurrency: usize) -> Self {
        Self { concurrency, running: 0, waiting: VecDeque::new(), closed: false }
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing runs and nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, item: T) {
        self.waiting.push_back(item);
    }

    /// Takes as many waiting messages as may start now; each counts as running until [`Slots::ended`].
    pub(super) fn start(&mut self) -> Vec<T> {
        if self.closed {
            return Vec::new();
        }
        let starting = self.waiting.len().min(self.concurrency.saturating_sub(self.running));
        self.running += starting;
        self.waiting.drain(..starting).collect()
    }

    pub(super) fn ended(&mut self) {
        debug_assert!(self.running > 0, "only what was started can end");
        self.running = self.running.saturating_sub(1);
    }

    /// Takes everything that waits.
    pub(super) fn take_waiting(&mut self) -> Vec<T> {
        std::mem::take(&mut self.waiting).into()
    }

    /// Takes what waits and is so.
    pub(super) fn take_waiting_if(&mut self, is_so: impl Fn(&T) -> bool) -> Vec<T> {
        let (taken, left) = self.take_waiting().into_iter().partition(is_so);
        self.waiting = VecDeque::from_iter::<Vec<T>>(left);
        taken
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

    proptest! {
        #[test]
        fn never_more_run_than_the_concurrency_and_all_run_in_order(
            concurrency in 1usize..20,
            steps in proptest::collection::vec(any::<bool>(), 1..300),
        ) {
            let mut slots = Slots::new(concurrency);
            let (mut next, mut started) = (0, Vec::new());
            for arrives in steps {
                if arrives {
                    slots.wait(next);
                    next += 1;
                } else if slots.running() > 0 {
                    slots.ended();
                }
                started.extend(slots.start());
                prop_assert!(slots.running() <= concurrency);
                prop_assert!(slots.waiting() == 0 || slots.running() == concurrency, "no slot idles while one waits");
            }
            prop_assert_eq!(started.clone(), (0..started.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_starts_after_the_close() {
        let mut slots = Slots::new(1);
        slots.wait("late");
        slots.close();
        assert!(slots.start().is_empty());
        assert_eq!(slots.take_waiting(), ["late"]);
    }
}
