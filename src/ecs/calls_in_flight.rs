//! Which calls of handlers run, and since when.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

/// The calls under way that may outlast a stop.
///
/// Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: Mutex<Calls>,
    edge: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    /// In the order of their beginnings, so that the first is the oldest.
    running: BTreeMap<u64, Instant>,
}

impl Busy {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call begins; it runs until what is answered is dropped.
    pub fn begin(&self) -> Working {
        let mut calls = self.calls();
        let call = calls.next;
        calls.next += 1;
        calls.running.insert(call, Instant::now());
        if calls.running.len() == 1 {
            self.0.edge.notify_one();
        }
        Working { busy: self.clone(), call }
    }

    /// When the oldest call under way began.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.calls().running.first_key_value().map(|(_, began)| *began)
    }

    /// Waits for the first call to begin or the oldest to end, since the last wait.
    pub(super) async fn edge(&self) {
        self.0.edge.notified().await;
    }
}

/// A call under way.
#[derive(Debug)]
pub struct Working {
    busy: Busy,
    call: u64,
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut calls = self.busy.calls();
        let was_oldest = calls.running.first_key_value().is_some_and(|(call, _)| *call == self.call);
        calls.running.remove(&self.call);
        if was_oldest {
            self.busy.0.edge.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_call_is_known_whichever_ends() {
        let (busy, start) = (Busy::default(), Instant::now());
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        assert_eq!(busy.oldest(), None);
        let first = busy.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = busy.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        let third = busy.begin();
        assert_eq!(busy.oldest(), at(0));
        drop(second);
        assert_eq!(busy.oldest(), at(0));
        drop(first);
        assert_eq!(busy.oldest(), at(2));
        drop(third);
        assert_eq!(busy.oldest(), None);
    }
}
