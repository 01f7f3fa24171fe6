//! The things that are in progress: each is entered when it begins, and leaves when its entry is dropped.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use slab::Slab;
use tokio::{sync::Notify, time::Instant};

/// The things of one kind that are in progress; clones share them.
pub struct InProgress<T>(Arc<Inner<T>>);

struct Inner<T> {
    things: Mutex<Slab<T>>,
    /// Notified when the last thing has ended.
    emptied: Notify,
}

impl<T> InProgress<T> {
    fn all(&self) -> MutexGuard<'_, Slab<T>> {
        self.0.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a thing, which is in progress until the entry is dropped, also during a panic.
    pub(crate) fn enter(&self, thing: T) -> InProgressEntry<T> {
        let key = self.all().insert(thing);
        InProgressEntry { things: self.clone(), key }
    }

    /// The number of things.
    pub(crate) fn len(&self) -> usize {
        self.all().len()
    }

    /// The age of the oldest of the things, which began at these times.
    pub(crate) fn oldest(&self, began: impl FnMut(&T) -> Instant, now: Instant) -> Option<Duration> {
        let oldest = self.all().iter().map(|(_, thing)| thing).map(began).min();
        oldest.map(|began| now.saturating_duration_since(began))
    }

    /// Waits until nothing is in progress.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            tokio::pin!(emptied);
            // Subscribes before it looks, so that no end in between is missed.
            emptied.as_mut().enable();
            if self.all().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Calls the function with each thing, while nothing can be entered or leave.
    pub(crate) fn each(&self, mut visit: impl FnMut(&mut T)) {
        for (_, thing) in &mut *self.all() {
            visit(thing);
        }
    }
}

impl<T> Clone for InProgress<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for InProgress<T> {
    fn default() -> Self {
        Self(Arc::new(Inner { things: Mutex::default(), emptied: Notify::new() }))
    }
}

impl<T> fmt::Debug for InProgress<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("InProgress").field(&self.len()).finish()
    }
}

/// One thing in progress; its drop ends it.
#[derive(Debug)]
pub(crate) struct InProgressEntry<T> {
    things: InProgress<T>,
    key: usize,
}

impl<T> Drop for InProgressEntry<T> {
    fn drop(&mut self) {
        let (ended, is_last) = {
            let mut things = self.things.all();
            (things.try_remove(self.key), things.is_empty())
        };
        // What a thing's own drop does must not find the others locked.
        drop(ended);
        if is_last {
            self.things.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_in_progress_until_its_entry_is_dropped() {
        let (things, start) = (InProgress::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let oldest = || things.oldest(|began| *began, after(20)).map(|age| age.as_secs());
        let (first, second) = (things.enter(after(1)), things.enter(after(2)));
        assert_eq!((things.len(), oldest()), (2, Some(19)));
        drop(first);
        assert_eq!(oldest(), Some(18));
        let third = things.enter(after(3));
        things.each(|began| *began += Duration::from_secs(10));
        assert_eq!(oldest(), Some(8));
        drop((second, third));
        assert_eq!((things.len(), oldest()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_last_thing_is_noticed() {
        let things = InProgress::default();
        things.emptied().await;
        let entries = (things.enter(1), things.enter(2));
        let ends = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(entries.0);
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(entries.1);
        };
        let began = Instant::now();
        tokio::join!(things.emptied(), ends);
        assert_eq!((things.len(), began.elapsed()), (0, Duration::from_secs(2)));
    }
}
