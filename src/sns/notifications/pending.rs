//! How much is still to be told, which is bounded.

use std::sync::Arc;

use tokio::sync::watch;

use super::Counts;
use crate::telemetry::Occasion;

/// The most notifications that wait.
pub(super) const MOST: u64 = 1_000;
/// The most bytes of them.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How much is still to be told; clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Pending(Arc<watch::Sender<Load>>);

#[derive(Clone, Copy, Debug)]
struct Load {
    counts: Counts,
    bytes: usize,
    /// Whether nothing counts any more.
    closed: bool,
}

impl Load {
    fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Changes the count of one occasion.
    fn change(&mut self, occasion: Occasion, change: impl Fn(u64) -> u64) {
        for (_, count) in self.counts.iter_mut().filter(|(other, _)| *other == occasion) {
            *count = change(*count);
        }
    }
}

impl Default for Pending {
    fn default() -> Self {
        let counts = [Occasion::Done, Occasion::Failure, Occasion::Reject].map(|occasion| (occasion, 0));
        Self(Arc::new(watch::Sender::new(Load { counts, bytes: 0, closed: false })))
    }
}

/// There is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Pending {
    /// Takes room for one, until it is told.
    pub(super) fn add(&self, occasion: Occasion, bytes: usize) -> Result<(), Full> {
        let mut taken = Err(Full);
        self.0.send_modify(|load| {
            if !load.closed && load.count() < MOST && load.bytes + bytes <= MOST_BYTES {
                load.bytes += bytes;
                load.change(occasion, |count| count + 1);
                taken = Ok(());
            }
        });
        taken
    }

    /// Gives the room of one back; answers whether it still counted.
    pub(super) fn remove(&self, occasion: Occasion, bytes: usize) -> bool {
        let mut counted = false;
        self.0.send_modify(|load| {
            counted = !load.closed;
            if counted {
                load.bytes = load.bytes.saturating_sub(bytes);
                load.change(occasion, |count| count.saturating_sub(1));
            }
        });
        counted
    }

    /// Waits until there is none.
    pub(super) async fn none(&self) {
        // It cannot be closed while we hold it.
        drop(self.0.subscribe().wait_for(|load| load.count() == 0).await);
    }

    /// Ends the count; answers how many there were.
    pub(super) fn take_all(&self) -> Counts {
        let mut left = self.0.borrow().counts;
        self.0.send_modify(|load| {
            left = load.counts;
            load.counts = load.counts.map(|(occasion, _)| (occasion, 0));
            load.closed = true;
        });
        left
    }
}
