//! The calls in flight that may outlast a stop, and what they need of the task's protection.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// The longest that a call is expected to take, with or without a time limit: SQS hides no message for longer.
const LONGEST_CALL: Duration = Duration::from_hours(12);

/// The calls in flight that may outlast a stop; clones share one state.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallsInFlight(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    calls: Mutex<Calls>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    /// Ordered by start, so that the first is the oldest.
    running: BTreeMap<u64, CallTimes>,
    /// The end of the protection while it covers every call: a call that may outlast it is noticed.
    covered_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct CallTimes {
    began: Instant,
    /// The time at which it ends at the latest, by its time limit.
    latest_end: Instant,
}

/// The protection that the calls in flight need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallNeeds {
    /// The start of the oldest call.
    pub(super) oldest: Instant,
    /// The time at which the last of them ends at the latest.
    pub(super) latest_end: Instant,
    /// The start of the oldest call that may outlast the protection.
    pub(super) uncovered: Option<Instant>,
}

impl CallsInFlight {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call with this time limit until the returned guard is dropped.
    pub(crate) fn begin(&self, timeout: Option<Duration>) -> CallInFlight {
        let began = Instant::now();
        let latest_end = began + timeout.map_or(LONGEST_CALL, |timeout| timeout.min(LONGEST_CALL));
        let mut calls = self.calls();
        let call = calls.next;
        calls.next += 1;
        calls.running.insert(call, CallTimes { began, latest_end });
        let is_uncovered = calls.covered_until.is_some_and(|until| until < latest_end);
        if calls.running.len() == 1 || is_uncovered {
            self.0.changed.notify_one();
        }
        CallInFlight { calls: self.clone(), call }
    }

    /// Returns what the calls need of a task that is protected until this time; `None` while there is no call.
    pub(super) fn needs(&self, protected_until: Option<Instant>) -> Option<CallNeeds> {
        let mut calls = self.calls();
        let outlasts = |call: &&CallTimes| protected_until.is_none_or(|until| until < call.latest_end);
        let uncovered = calls.running.values().find(outlasts).map(|call| call.began);
        // Later calls are looked at when the uncovered one is.
        calls.covered_until = protected_until.filter(|_| uncovered.is_none());
        let oldest = calls.running.first_key_value()?.1.began;
        let latest_end = calls.running.values().map(|call| call.latest_end).max()?;
        Some(CallNeeds { oldest, latest_end, uncovered })
    }

    /// Waits until the first call begins, the oldest ends, or one begins that may outlast the protection; a change since the
    /// last wait counts.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

/// A call in flight, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct CallInFlight {
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
    use futures_util::FutureExt as _;

    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_call_is_known_whichever_ends() {
        let (calls, start) = (CallsInFlight::default(), Instant::now());
        let oldest = || calls.needs(None).map(|needs| (needs.oldest - start).as_secs());
        assert_eq!(oldest(), None);
        let first = calls.begin(None);
        tokio::time::advance(secs(1)).await;
        let second = calls.begin(None);
        tokio::time::advance(secs(1)).await;
        let third = calls.begin(None);
        assert_eq!(oldest(), Some(0));
        drop(second);
        assert_eq!(oldest(), Some(0));
        drop(first);
        assert_eq!(oldest(), Some(2));
        drop(third);
        assert_eq!(oldest(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_time_limit_decides_and_none_is_longer_than_sqs_hides_a_message() {
        let (calls, start) = (CallsInFlight::default(), Instant::now());
        let latest_end = || calls.needs(None).map(|needs| (needs.latest_end - start).as_secs());
        let _hour = calls.begin(Some(secs(3_600)));
        let _minute = calls.begin(Some(secs(60)));
        assert_eq!(latest_end(), Some(3_600));
        let unlimited = calls.begin(None);
        assert_eq!(latest_end(), Some(43_200));
        drop(unlimited);
        let _endless = calls.begin(Some(Duration::MAX));
        assert_eq!(latest_end(), Some(43_200));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_noticed_while_all_are_covered_if_it_may_outlast_the_protection() {
        let (calls, until) = (CallsInFlight::default(), Instant::now() + secs(100));
        let has_changed = || calls.changed().now_or_never().is_some();
        let _first = calls.begin(Some(secs(90)));
        assert!(has_changed(), "the first of all");
        assert_eq!(calls.needs(Some(until)).unwrap().uncovered, None);
        let _short = calls.begin(Some(secs(100)));
        assert!(!has_changed(), "the protection covers it");
        let _long = calls.begin(Some(secs(101)));
        assert!(has_changed());
        assert_eq!(calls.needs(Some(until)).unwrap().uncovered, Some(Instant::now()));
        let _longer = calls.begin(Some(secs(200)));
        assert!(!has_changed(), "it is looked at with the one before");
    }
}
