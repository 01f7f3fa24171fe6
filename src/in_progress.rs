//! The things that are in progress: each is entered when it begins, and leaves when its entry is dropped.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use slab::Slab;

/// The things of one kind that are in progress; clones share them.
pub struct InProgress<T>(Arc<Mutex<Slab<T>>>);

impl<T> InProgress<T> {
    fn all(&self) -> MutexGuard<'_, Slab<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The smallest of these values of the things.
    pub(crate) fn least<V: Ord>(&self, value: impl FnMut(&T) -> V) -> Option<V> {
        self.all().iter().map(|(_, thing)| thing).map(value).min()
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
        Self(Arc::default())
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
        // What a thing's own drop does must not find the others locked.
        let ended = self.things.all().try_remove(self.key);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_in_progress_until_its_entry_is_dropped() {
        let things = InProgress::default();
        let (first, second) = (things.enter(1), things.enter(2));
        assert_eq!((things.len(), things.least(|thing| *thing)), (2, Some(1)));
        drop(first);
        assert_eq!(things.least(|thing| *thing), Some(2));
        let third = things.enter(3);
        things.each(|thing| *thing += 10);
        assert_eq!(things.least(|thing| *thing), Some(12));
        drop((second, third));
        assert_eq!((things.len(), things.least(|thing| *thing)), (0, None));
    }
}
