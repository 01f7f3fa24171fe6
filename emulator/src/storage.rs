//! Counts the bytes that the queues and topics hold in memory, and limits them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::message::StringMap;

/// The bytes that each stored thing takes besides its text: structures and indexes, about as measured.
pub(crate) const OVERHEAD: usize = 512;
/// The most things of a kind that are remembered.
const MOST_REMEMBERED: usize = 1_000;

/// The storage of an account; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Storage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: Mutex<usize>,
}

/// A part of the storage that is in use; its drop frees it.
#[derive(Debug)]
pub(crate) struct StoredBytes {
    storage: Storage,
    bytes: usize,
}

/// The storage has no room for what was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The emulator holds as much as its limit of {limit} bytes allows.")]
pub(crate) struct StorageFull {
    limit: usize,
}

impl Storage {
    /// An empty storage for so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, used: Mutex::new(0) }))
    }

    /// Takes bytes for a text of this length, and for the structures around it.
    pub(crate) fn store(&self, text: usize) -> Result<StoredBytes, StorageFull> {
        let mut stored = StoredBytes { storage: self.clone(), bytes: 0 };
        stored.resize(text)?;
        Ok(stored)
    }

    /// The bytes in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        *self.0.used.lock().unwrap()
    }

    /// Replaces a number of bytes in use by another, unless the total then exceeds the limit and grows.
    fn replace(&self, old: usize, new: usize) -> Result<(), StorageFull> {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        let total = used.saturating_sub(old).saturating_add(new);
        if new > old && total > self.0.limit {
            return Err(StorageFull { limit: self.0.limit });
        }
        *used = total;
        Ok(())
    }
}

impl StoredBytes {
    /// Changes the length of the text; on an error it stays as it was.
    pub(crate) fn resize(&mut self, text: usize) -> Result<(), StorageFull> {
        let bytes = text.saturating_add(OVERHEAD);
        self.storage.replace(self.bytes, bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for StoredBytes {
    fn drop(&mut self) {
        let freed = self.storage.replace(self.bytes, 0);
        debug_assert!(freed.is_ok(), "fewer bytes are never refused");
    }
}

/// The last things of a kind, the oldest first.
#[derive(Debug)]
pub(crate) struct Remembered<T> {
    items: VecDeque<(T, StoredBytes)>,
    storage: Storage,
}

impl<T: Clone> Remembered<T> {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { items: VecDeque::new(), storage }
    }

    /// Remembers one more with this many bytes of text, in a full storage instead of older ones.
    pub(crate) fn push(&mut self, item: T, bytes: usize) {
        if self.items.len() == MOST_REMEMBERED {
            self.items.pop_front();
        }
        loop {
            if let Ok(stored) = self.storage.store(bytes) {
                return self.items.push_back((item, stored));
            }
            if self.items.pop_front().is_none() {
                return;
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.items.iter().map(|(item, _)| item.clone()).collect()
    }

    /// Forgets those that are not to be kept.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.items.retain(|(item, _)| is_kept(item));
    }
}

/// The length of all names and values.
pub(crate) fn text_bytes(map: &StringMap) -> usize {
    map.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_up_to_the_limit_and_freed_by_a_drop() {
        let storage = Storage::new(2 * OVERHEAD + 10);
        let first = storage.store(6).unwrap();
        let full = storage.store(5).map(drop);
        assert_eq!(full, Err(StorageFull { limit: 2 * OVERHEAD + 10 }));
        let second = storage.store(4).unwrap();
        drop(first);
        assert_eq!(storage.used(), OVERHEAD + 4);
        drop(second);
        assert_eq!(storage.used(), 0);
    }

    #[test]
    fn a_text_that_cannot_grow_keeps_its_bytes_and_may_shrink() {
        let storage = Storage::new(OVERHEAD + 10);
        let mut stored = storage.store(10).unwrap();
        assert!(stored.resize(11).is_err());
        assert_eq!(storage.used(), OVERHEAD + 10);
        stored.resize(3).unwrap();
        assert_eq!(storage.used(), OVERHEAD + 3);
        assert!(stored.resize(usize::MAX).is_err(), "no sum wraps");
    }

    #[test]
    fn the_last_are_remembered_and_older_ones_make_room() {
        let mut remembered = Remembered::new(Storage::new(usize::MAX));
        (0..=MOST_REMEMBERED).for_each(|number| remembered.push(number, 0));
        assert_eq!((remembered.all().len(), remembered.all()[0]), (MOST_REMEMBERED, 1));
        remembered.retain(|number| *number == 7);
        assert_eq!(remembered.all(), [7]);

        let mut remembered = Remembered::new(Storage::new(2 * OVERHEAD));
        (0..3).for_each(|number| remembered.push(number, 0));
        assert_eq!(remembered.all(), [1, 2]);
        remembered.push(3, 2 * OVERHEAD);
        assert_eq!(remembered.all(), [0; 0], "larger than all the storage");
    }
}
