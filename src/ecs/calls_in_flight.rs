//! The handler calls in flight that may outlast a stop, and the start of the oldest.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};

/// The calls in flight that may outlast a stop; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct CallsInFlight(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: Mutex<StartTimes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct StartTimes {
    next: u64,
    /// Ordered by start, so that the first is the oldest.
    running: BTreeMap<u64, Instant>,
}

impl CallsInFlight {
    fn calls(&self) -> MutexGuard<'_, StartTimes> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call until the returned guard is dropped.
    pub fn begin(&self) -> CallInFlight {
        let mut calls = self.calls();
        let call = calls.next;
        calls.next += 1;
        calls.running.insert(call, Instant::now());
        if calls.running.len() == 1 {
            self.0.changed.notify_one();
        }
        CallInFlight { calls: self.clone(), call }
    }

    /// The start of the oldest call in flight.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.calls().running.first_key_value().map(|(_, began)| *began)
    }

    /// Waits until the first call begins or the oldest ends; a change since the last wait counts.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

/// A call in flight, which ends when this is dropped.
#[derive(Debug)]
pub struct CallInFlight {
    calls: CallsInFlight,
    call: u64,
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        let mut calls = self.calls.calls();
        let was_oldest = calls.running.first_key_value().is_some_and(|(call, _)| *call == self.call);
        calls.running.remove(&self.call);
        if was_oldest {
            self.calls.0.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_call_is_known_whichever_ends() {
        let (calls, start) = (CallsInFlight::default(), Instant::now());
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        assert_eq!(calls.oldest(), None);
        let first = calls.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = calls.begin();
        tokio::time::advance(Duration::from_secs(1)).await;
        let third = calls.begin();
        assert_eq!(calls.oldest(), at(0));
        drop(second);
        assert_eq!(calls.oldest(), at(0));
        drop(first);
        assert_eq!(calls.oldest(), at(2));
        drop(third);
        assert_eq!(calls.oldest(), None);
    }
}
