//! Decides when to request, renew and release task protection: pure.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{AgentError, ProtectionRequest};
use crate::backoff::{Backoff, Jitter};

/// The idle time before the protection is released, so that a chain of long calls requests it once.
const LINGER: Duration = Duration::from_secs(15);

/// The delays after a request without a usable answer.
const BROKEN: Backoff = Backoff::CALLS;
/// The delays after a refusal: a deployment in progress, or a missing permission.
const REFUSED: Backoff = Backoff {
    initial: Duration::from_secs(10),
    factor: 2.0,
    max: Duration::from_mins(5),
    jitter: Jitter::Half,
};

/// The times that decide when a task is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProtectionTiming {
    /// The duration from which a call counts as long work.
    pub after: Duration,
    /// The lifetime of a protection that is not renewed; whole minutes.
    pub expiry: Duration,
}

impl Default for ProtectionTiming {
    fn default() -> Self {
        Self { after: Duration::from_secs(10), expiry: Duration::from_mins(10) }
    }
}

/// The next step of the protection loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtectionStep {
    /// Send a request to the agent.
    Request(ProtectionRequest),
    /// Wait until this time, or until the calls in flight change.
    WaitUntil(Instant),
    /// Wait until the calls in flight change.
    Wait,
}

/// The task's protection as far as the worker knows it.
#[derive(Debug)]
pub(super) struct ProtectionState {
    timing: ProtectionTiming,
    /// The expiry of the protection that ECS has granted.
    granted_until: Option<Instant>,
    /// The expiry of the protection last requested, granted or not: the answer may be lost.
    requested_until: Option<Instant>,
    /// The time since when no long work runs.
    idle_since: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
    /// True once ECS has answered that the task belongs to no service.
    is_standalone: bool,
}

impl ProtectionState {
    pub(super) fn new(timing: ProtectionTiming) -> Self {
        Self {
            timing,
            granted_until: None,
            requested_until: None,
            idle_since: None,
            failures: 0,
            not_before: None,
            is_standalone: false,
        }
    }

    /// True while a granted protection lasts.
    pub(super) fn is_protected(&self, now: Instant) -> bool {
        self.granted_until.is_some_and(|until| now < until)
    }

    /// The expiry of the granted protection.
    pub(super) fn granted_until(&self) -> Option<Instant> {
        self.granted_until
    }

    /// True while a requested protection may last, granted or not.
    pub(super) fn may_be_protected(&self, now: Instant) -> bool {
        self.requested_until.is_some_and(|until| now < until)
    }

    /// Decides the next step; `oldest` is the start of the oldest call in flight.
    pub(super) fn next(&mut self, oldest: Option<Instant>, now: Instant) -> ProtectionStep {
        if self.is_standalone {
            return ProtectionStep::Wait;
        }
        let long_at = oldest.and_then(|began| began.checked_add(self.timing.after));
        match long_at {
            Some(long_at) if long_at <= now => {
                self.idle_since = None;
                self.protect(now)
            }
            _ if self.may_be_protected(now) => self.release(long_at, now),
            Some(long_at) => self.at(long_at, ProtectionRequest::protect_for(self.timing.expiry), now),
            None => ProtectionStep::Wait,
        }
    }

    /// While long work runs, requests a protection and renews it at half its expiry.
    fn protect(&self, now: Instant) -> ProtectionStep {
        let at = self.granted_until.map_or(now, |until| until - self.timing.expiry / 2);
        self.at(at, ProtectionRequest::protect_for(self.timing.expiry), now)
    }

    /// While no long work runs, releases after `LINGER`, unless a call becomes long before.
    fn release(&mut self, long_at: Option<Instant>, now: Instant) -> ProtectionStep {
        let idle_since = *self.idle_since.get_or_insert(now);
        match (self.at(idle_since + LINGER, ProtectionRequest::Release, now), long_at) {
            (ProtectionStep::WaitUntil(until), Some(long_at)) => {
                ProtectionStep::WaitUntil(until.min(long_at))
            }
            (step, _) => step,
        }
    }

    fn at(&self, due: Instant, request: ProtectionRequest, now: Instant) -> ProtectionStep {
        let due = self.not_before.map_or(due, |not_before| due.max(not_before));
        if due <= now { ProtectionStep::Request(request) } else { ProtectionStep::WaitUntil(due) }
    }

    /// Records that a request was sent; its answer may be lost.
    pub(super) fn requested(&mut self, request: ProtectionRequest, now: Instant) {
        if let ProtectionRequest::Protect { .. } = request {
            self.requested_until = Some(now + self.timing.expiry);
        }
    }

    /// Records that ECS granted the request that was sent at `sent`.
    pub(super) fn granted(&mut self, request: ProtectionRequest, sent: Instant) {
        (self.failures, self.not_before) = (0, None);
        self.granted_until = match request {
            ProtectionRequest::Protect { .. } => Some(sent + self.timing.expiry),
            ProtectionRequest::Release => None,
        };
        self.requested_until = self.granted_until;
    }

    /// Records a failed request; an earlier protection lasts until its expiry.
    pub(super) fn failed(&mut self, error: &AgentError, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        let pauses = match error {
            AgentError::NoAnswer(_) => BROKEN,
            AgentError::DeploymentBlocked(_)
            | AgentError::Refused { .. }
            | AgentError::Address(_)
            | AgentError::Standalone(_) => {
                self.requested_until = self.granted_until;
                REFUSED
            }
        };
        self.is_standalone = matches!(error, AgentError::Standalone(_));
        self.not_before = Some(now + pauses.delay(self.failures, chance));
    }
}

/// The calls in flight that may outlast a stop; clones share one state.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallsInFlight(Arc<Inner>);

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
    pub(crate) fn begin(&self) -> CallInFlight {
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
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TIMING: ProtectionTiming =
        ProtectionTiming { after: Duration::from_secs(10), expiry: Duration::from_mins(10) };
    const PROTECT: ProtectionStep = ProtectionStep::Request(ProtectionRequest::Protect { minutes: 10 });

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn long_work_is_protected_and_the_protection_renewed_at_half_its_expiry() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        assert_eq!(state.next(None, start), ProtectionStep::Wait);
        assert_eq!(state.next(Some(start), start), ProtectionStep::WaitUntil(start + secs(10)));
        assert_eq!(state.next(Some(start), start + secs(10)), PROTECT);
        state.granted(ProtectionRequest::Protect { minutes: 10 }, start + secs(10));
        assert_eq!(state.next(Some(start), start + secs(11)), ProtectionStep::WaitUntil(start + secs(310)));
        assert_eq!(state.next(Some(start), start + secs(310)), PROTECT);
    }

    #[test]
    fn the_protection_is_released_a_while_after_the_last_long_work() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(ProtectionRequest::Protect { minutes: 10 }, start);
        let idle = start + secs(100);
        assert_eq!(state.next(None, idle), ProtectionStep::WaitUntil(idle + LINGER));
        assert_eq!(state.next(None, idle + LINGER), ProtectionStep::Request(ProtectionRequest::Release));
        state.granted(ProtectionRequest::Release, idle + LINGER);
        assert_eq!(state.next(None, idle + LINGER), ProtectionStep::Wait);
    }

    #[test]
    fn quick_work_does_not_hold_the_protection() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(ProtectionRequest::Protect { minutes: 10 }, start);
        for second in 1..=15 {
            let now = start + secs(second);
            assert!(matches!(state.next(Some(now), now), ProtectionStep::WaitUntil(_)), "after {second} s");
        }
        let now = start + secs(16);
        assert_eq!(state.next(Some(now), now), ProtectionStep::Request(ProtectionRequest::Release));
    }

    #[test]
    fn a_protection_whose_answer_was_lost_is_released_too() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.requested(ProtectionRequest::Protect { minutes: 10 }, start);
        state.failed(&AgentError::NoAnswer("silent".to_owned()), start, 0.0);
        assert!(state.may_be_protected(start) && !state.is_protected(start));
        assert_eq!(state.next(None, start), ProtectionStep::WaitUntil(start + LINGER));
        state.failed(&AgentError::DeploymentBlocked(String::new()), start, 0.0);
        assert_eq!(state.next(None, start), ProtectionStep::Wait, "a refusal is an answer");
    }

    #[test]
    fn a_refusal_is_followed_by_growing_pauses_and_leaves_an_earlier_protection() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(ProtectionRequest::Protect { minutes: 10 }, start);
        let renewal = start + secs(300);
        let blocked = AgentError::DeploymentBlocked(String::new());
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            state.failed(&blocked, renewal, 1.0);
            let ProtectionStep::WaitUntil(next) = state.next(Some(start), renewal) else {
                panic!("requested at once")
            };
            assert!(next - renewal > last);
            last = next - renewal;
        }
        assert!(state.is_protected(renewal) && !state.is_protected(start + secs(600)));
    }

    #[test]
    fn a_task_of_no_service_is_never_requested_again() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.failed(&AgentError::Standalone(String::new()), start, 0.5);
        assert_eq!(state.next(Some(start), start + secs(3_600)), ProtectionStep::Wait);
    }

    proptest! {
        #[test]
        fn long_work_is_always_protected_while_the_agent_answers(
            steps in proptest::collection::vec((0u64..400, any::<bool>()), 1..60),
        ) {
            let (mut state, mut now) = (ProtectionState::new(TIMING), Instant::now());
            let mut oldest = None;
            for (seconds, works) in steps {
                // Time passes as in the loop: never beyond the end of a wait.
                let end = now + secs(seconds);
                while now < end {
                    match state.next(oldest, now) {
                        ProtectionStep::Request(request) => state.granted(request, now),
                        ProtectionStep::WaitUntil(next) => {
                            prop_assert!(next > now, "a hot loop");
                            now = next.min(end);
                        }
                        ProtectionStep::Wait => now = end,
                    }
                    let is_long = oldest.is_some_and(|began| now > began + TIMING.after);
                    prop_assert!(!is_long || state.is_protected(now));
                }
                oldest = works.then(|| oldest.unwrap_or(now));
            }
            let rest = now + LINGER + secs(1);
            while let step @ (ProtectionStep::Request(_) | ProtectionStep::WaitUntil(_)) = state.next(None, now) {
                match step {
                    ProtectionStep::Request(request) => state.granted(request, now),
                    ProtectionStep::WaitUntil(next) => now = next,
                    ProtectionStep::Wait => {}
                }
            }
            prop_assert!(!state.is_protected(now) && now <= rest);
        }
    }

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
