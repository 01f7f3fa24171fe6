//! The reasons for which polling is paused, and their changes, which all who wait notice in the order in which they wait.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::Notify;

/// A reason for which polling is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PauseReason {
    /// The handler was not probed yet.
    NotProbed,
    /// The handler cannot be reached.
    HandlerDown,
    /// Calls of the handler fail in a row, or too often.
    BreakerOpen,
    /// The worker is short of descriptors, processes or memory.
    ShortOfResources,
    /// The worker is cordoned: it finishes what it holds, and leaves.
    Cordoned,
    /// An operator has paused the queue.
    Operator,
}

/// The reasons for which polling is paused, each with its details; none while the queue is polled.
pub(super) type PauseReasons = BTreeMap<PauseReason, Arc<str>>;

/// The present reasons; clones share them.
///
/// A `watch` channel of tokio would wake those that wait in a random order, so that one seed of the simulation would be
/// several stories.
#[derive(Clone, Debug)]
pub(super) struct PresentReasons(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<VersionedReasons>,
    changed: Notify,
}

#[derive(Debug)]
struct VersionedReasons {
    reasons: PauseReasons,
    /// The number of changes.
    version: u64,
}

impl PresentReasons {
    pub(super) fn new(reasons: PauseReasons) -> Self {
        let state = Mutex::new(VersionedReasons { reasons, version: 0 });
        Self(Arc::new(Inner { state, changed: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, VersionedReasons> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the reasons, while none can change.
    pub(super) fn look<T>(&self, look: impl FnOnce(&PauseReasons) -> T) -> T {
        look(&self.state().reasons)
    }

    /// Changes the reasons; `change` returns true if the change is to be noticed.
    pub(super) fn change(&self, change: impl FnOnce(&mut PauseReasons) -> bool) -> bool {
        let is_change = {
            let mut state = self.state();
            let is_change = change(&mut state.reasons);
            state.version += u64::from(is_change);
            is_change
        };
        if is_change {
            self.0.changed.notify_waiters();
        }
        is_change
    }

    /// Subscribes to the changes from now on.
    pub(super) fn changes(&self) -> AvailabilityChanges {
        AvailabilityChanges { reasons: self.clone(), seen: self.state().version }
    }
}

/// The changes of a queue's availability, none of them missed.
pub(super) struct AvailabilityChanges {
    reasons: PresentReasons,
    /// The version of the reasons at the end of the last wait.
    seen: u64,
}

impl AvailabilityChanges {
    /// Waits for a change since the last wait.
    pub(super) async fn next(&mut self) {
        let mut changed = pin!(self.reasons.0.changed.notified());
        // Before the look, so that a change after it ends the wait.
        changed.as_mut().enable();
        let version = self.reasons.state().version;
        if version == self.seen {
            changed.await;
        }
        self.seen = self.reasons.state().version;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;
    use crate::tasks;

    fn pause(reasons: &PresentReasons, reason: PauseReason) -> bool {
        reasons.change(|reasons| reasons.insert(reason, "planned".into()).is_none())
    }

    #[tokio::test]
    async fn every_change_is_noticed_also_one_before_the_wait() {
        let reasons = PresentReasons::new(PauseReasons::new());
        let mut changes = reasons.changes();
        assert!(pause(&reasons, PauseReason::Operator));
        changes.next().await;
        assert!(!pause(&reasons, PauseReason::Operator));
        let mut next = Box::pin(changes.next());
        assert_eq!(next.as_mut().now_or_never(), None);
        assert!(reasons.change(|reasons| reasons.remove(&PauseReason::Operator).is_some()));
        assert_eq!(next.now_or_never(), Some(()));
    }

    #[tokio::test]
    async fn those_that_wait_notice_a_change_in_the_order_in_which_they_wait() {
        for _ in 0..20 {
            let reasons = PresentReasons::new(PauseReasons::new());
            let noticed = Arc::new(Mutex::new(Vec::new()));
            let waiting = (0..9).map(|number| {
                let (mut changes, noticed) = (reasons.changes(), noticed.clone());
                tasks::detach("waiting", async move {
                    changes.next().await;
                    noticed.lock().unwrap().push(number);
                })
            });
            let waiting: Vec<_> = waiting.collect();
            tokio::task::yield_now().await;
            pause(&reasons, PauseReason::Operator);
            join_all(waiting).await;
            assert_eq!(*noticed.lock().unwrap(), (0..9).collect::<Vec<_>>());
        }
    }
}
