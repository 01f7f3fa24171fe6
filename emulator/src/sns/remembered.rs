//! The last of many things, within the storage of the account.

use std::collections::VecDeque;

use crate::storage::{Storage, StoredBytes};

/// The most that are remembered.
const MOST: usize = 1_000;

/// The last things of a kind, the oldest first.
#[derive(Debug)]
pub(super) struct Remembered<T> {
    items: VecDeque<(T, StoredBytes)>,
    storage: Storage,
}

impl<T: Clone> Remembered<T> {
    pub(super) fn new(storage: Storage) -> Self {
        Self { items: VecDeque::new(), storage }
    }

    /// Remembers one more with this many bytes of text, in a full storage instead of older ones.
    pub(super) fn push(&mut self, item: T, bytes: usize) {
        if self.items.len() == MOST {
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

    pub(super) fn all(&self) -> Vec<T> {
        self.items.iter().map(|(item, _)| item.clone()).collect()
    }

    /// Forgets those that are not to be kept.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.items.retain(|(item, _)| is_kept(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::OVERHEAD;

    #[test]
    fn the_last_are_remembered_and_older_ones_make_room() {
        let mut remembered = Remembered::new(Storage::new(usize::MAX));
        (0..=MOST).for_each(|number| remembered.push(number, 0));
        assert_eq!((remembered.all().len(), remembered.all()[0]), (MOST, 1));
        remembered.retain(|number| *number == 7);
        assert_eq!(remembered.all(), [7]);

        let mut remembered = Remembered::new(Storage::new(2 * OVERHEAD));
        (0..3).for_each(|number| remembered.push(number, 0));
        assert_eq!(remembered.all(), [1, 2]);
        remembered.push(3, 2 * OVERHEAD);
        assert_eq!(remembered.all(), [0; 0], "larger than all the storage");
    }
}
