//! Decides when to request, extend and release task protection: pure.

use std::time::Duration;

use tokio::time::Instant;

use super::{AgentError, ProtectionRequest, calls_in_flight::CallNeeds};
use crate::backoff::{Backoff, Jitter};

/// The idle time before the protection is released, so that a chain of long calls requests it once.
const LINGER: Duration = Duration::from_secs(15);
/// The time for which a protection outlasts the time limits of all calls, for their settling and the next calls.
///
/// One request lasts for the calls of this time, and a task with work without end notices within it that it is refused.
pub(super) const MARGIN: Duration = Duration::from_mins(15);
/// The rest of a protection at which it is extended for calls that outlast their time limits.
const LAST_PART: Duration = Duration::from_mins(5);

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
}

impl Default for ProtectionTiming {
    fn default() -> Self {
        Self { after: Duration::from_secs(10) }
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
    /// The latest expiry of the protections that were requested, granted or not: the answer may be lost.
    requested_until: Option<Instant>,
    /// The same before the last request, which may be refused.
    requested_before: Option<Instant>,
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
            requested_before: None,
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

    /// Decides the next step, by what the calls in flight need.
    pub(super) fn next(&mut self, calls: Option<CallNeeds>, now: Instant) -> ProtectionStep {
        if self.is_standalone {
            return ProtectionStep::Wait;
        }
        let long_at = calls.and_then(|calls| calls.oldest.checked_add(self.timing.after));
        match (calls, long_at) {
            (Some(calls), Some(long_at)) if long_at <= now => {
                self.idle_since = None;
                self.protect(calls, now)
            }
            _ if self.may_be_protected(now) => self.release(long_at, now),
            (_, Some(long_at)) => ProtectionStep::WaitUntil(long_at),
            (_, None) => ProtectionStep::Wait,
        }
    }

    /// While long work runs, requests a protection for as long as it may take, and again once other long work may outlast it.
    fn protect(&self, calls: CallNeeds, now: Instant) -> ProtectionStep {
        let uncovered_at = calls.uncovered.and_then(|began| began.checked_add(self.timing.after));
        let due = self.granted_until.map_or(now, |until| {
            let last_part = until.checked_sub(LAST_PART).unwrap_or(now);
            uncovered_at.map_or(last_part, |at| at.min(last_part))
        });
        let lasts = calls.latest_end.saturating_duration_since(now) + MARGIN;
        self.at(due, ProtectionRequest::protect_for(lasts), now)
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
        self.requested_before = self.requested_until;
        if let ProtectionRequest::Protect { minutes } = request {
            // A request that is granted moves the expiry, also to an earlier time.
            self.requested_until = self.requested_until.max(Some(now + lifetime(minutes)));
        }
    }

    /// Records that ECS granted the request that was sent at `sent`.
    pub(super) fn granted(&mut self, request: ProtectionRequest, sent: Instant) {
        (self.failures, self.not_before) = (0, None);
        self.granted_until = match request {
            ProtectionRequest::Protect { minutes } => Some(sent + lifetime(minutes)),
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
                // An earlier one whose answer was lost may have been granted.
                self.requested_until = self.requested_before;
                REFUSED
            }
        };
        self.is_standalone = matches!(error, AgentError::Standalone(_));
        self.not_before = Some(now + pauses.delay(self.failures, chance));
    }
}

/// The duration of a protection for so many minutes.
fn lifetime(minutes: u32) -> Duration {
    Duration::from_secs(60 * u64::from(minutes))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const TIMING: ProtectionTiming = ProtectionTiming { after: Duration::from_secs(10) };
    const HOUR: Duration = Duration::from_hours(1);

    /// The request at the tenth second of a call of at most an hour: the rest of it, and the margin.
    const PROTECT: ProtectionRequest = ProtectionRequest::Protect { minutes: 75 };

    /// The calls of one start and of at most an hour, which the protection covers or not.
    fn calls(began: Instant, covered: bool) -> CallNeeds {
        CallNeeds { oldest: began, latest_end: began + HOUR, uncovered: (!covered).then_some(began) }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn long_work_is_protected_once_for_as_long_as_it_may_take() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        assert_eq!(state.next(None, start), ProtectionStep::Wait);
        assert_eq!(state.next(Some(calls(start, false)), start), ProtectionStep::WaitUntil(start + secs(10)));
        let long = start + secs(10);
        assert_eq!(state.next(Some(calls(start, false)), long), ProtectionStep::Request(PROTECT));
        state.granted(PROTECT, long);
        for minute in 1..=60 {
            let step = state.next(Some(calls(start, true)), long + secs(60 * minute));
            let ProtectionStep::WaitUntil(next) = step else { panic!("asked again in minute {minute}") };
            assert!(next >= start + HOUR, "not before the call must have ended");
        }
    }

    #[test]
    fn a_call_that_may_outlast_the_protection_is_protected_once_it_is_long() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(PROTECT, start + secs(10));
        let later = start + secs(3_000);
        let needs = Some(CallNeeds { oldest: start, latest_end: later + HOUR, uncovered: Some(later) });
        assert_eq!(state.next(needs, later), ProtectionStep::WaitUntil(later + secs(10)));
        let step = state.next(needs, later + secs(10));
        assert_eq!(step, ProtectionStep::Request(PROTECT));
    }

    #[test]
    fn a_call_that_outlasts_its_time_limit_stays_protected() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        let mut now = start + secs(10);
        for _ in 0..5 {
            state.granted(ProtectionRequest::protect_for(MARGIN), now);
            let step = state.next(Some(calls(start, true)), now);
            now += MARGIN.saturating_sub(LAST_PART);
            assert_eq!(step, ProtectionStep::WaitUntil(now));
            assert!(matches!(state.next(Some(calls(start, true)), now), ProtectionStep::Request(_)));
        }
    }

    #[test]
    fn the_protection_is_released_a_while_after_the_last_long_work() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(PROTECT, start);
        let idle = start + secs(100);
        assert_eq!(state.next(None, idle), ProtectionStep::WaitUntil(idle + LINGER));
        assert_eq!(state.next(None, idle + LINGER), ProtectionStep::Request(ProtectionRequest::Release));
        state.granted(ProtectionRequest::Release, idle + LINGER);
        assert_eq!(state.next(None, idle + LINGER), ProtectionStep::Wait);
    }

    #[test]
    fn a_protection_whose_answer_was_lost_is_released_although_the_next_request_was_refused() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        let refused = AgentError::DeploymentBlocked("planned".to_owned());
        state.requested(PROTECT, start);
        state.failed(&refused, start, 0.0);
        assert!(!state.may_be_protected(start), "nothing was granted");
        for error in [AgentError::NoAnswer("planned".to_owned()), refused] {
            state.requested(PROTECT, start);
            state.failed(&error, start, 0.0);
        }
        let idle = start + HOUR;
        assert_eq!(state.next(None, idle), ProtectionStep::WaitUntil(idle + LINGER));
        assert_eq!(state.next(None, idle + LINGER), ProtectionStep::Request(ProtectionRequest::Release));
    }

    #[test]
    fn quick_work_does_not_hold_the_protection() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(PROTECT, start);
        for second in 1..=15 {
            let now = start + secs(second);
            let step = state.next(Some(calls(now, true)), now);
            assert!(matches!(step, ProtectionStep::WaitUntil(_)), "after {second} s");
        }
        let now = start + secs(16);
        assert_eq!(
            state.next(Some(calls(now, true)), now),
            ProtectionStep::Request(ProtectionRequest::Release)
        );
    }

    #[test]
    fn a_protection_whose_answer_was_lost_is_released_too() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.requested(PROTECT, start);
        state.failed(&AgentError::NoAnswer("silent".to_owned()), start, 0.0);
        assert!(state.may_be_protected(start) && !state.is_protected(start));
        assert_eq!(state.next(None, start), ProtectionStep::WaitUntil(start + LINGER));
        state.failed(&AgentError::DeploymentBlocked(String::new()), start, 0.0);
        assert_eq!(state.next(None, start), ProtectionStep::Wait, "a refusal is an answer");
    }

    #[test]
    fn a_refusal_is_followed_by_growing_pauses_and_leaves_an_earlier_protection() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.granted(PROTECT, start);
        let later = start + secs(4_000);
        let blocked = AgentError::DeploymentBlocked(String::new());
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            state.requested(PROTECT, later);
            state.failed(&blocked, later, 1.0);
            let ProtectionStep::WaitUntil(next) = state.next(Some(calls(start, false)), later) else {
                panic!("requested at once")
            };
            assert!(next - later > last);
            last = next - later;
        }
        assert!(state.is_protected(later) && !state.may_be_protected(start + secs(75 * 60)));
    }

    #[test]
    fn a_task_of_no_service_is_never_requested_again() {
        let (mut state, start) = (ProtectionState::new(TIMING), Instant::now());
        state.failed(&AgentError::Standalone(String::new()), start, 0.5);
        assert_eq!(state.next(Some(calls(start, false)), start + secs(3_600)), ProtectionStep::Wait);
    }

    proptest! {
        #[test]
        fn long_work_is_always_protected_while_the_agent_answers(
            steps in proptest::collection::vec((0u64..4_000, 30u64..43_200, any::<bool>()), 1..60),
        ) {
            let (mut state, mut now) = (ProtectionState::new(TIMING), Instant::now());
            let mut running: Option<(Instant, Instant)> = None;
            let needs = |running: Option<(Instant, Instant)>, state: &ProtectionState| {
                running.map(|(oldest, latest_end)| CallNeeds {
                    oldest,
                    latest_end,
                    uncovered: state.granted_until().is_none_or(|until| until < latest_end).then_some(oldest),
                })
            };
            for (seconds, limit, works) in steps {
                // Time passes as in the loop: never beyond the end of a wait.
                let end = now + secs(seconds);
                while now < end {
                    match state.next(needs(running, &state), now) {
                        ProtectionStep::Request(request) => state.granted(request, now),
                        ProtectionStep::WaitUntil(next) => {
                            prop_assert!(next > now, "a hot loop");
                            now = next.min(end);
                        }
                        ProtectionStep::Wait => now = end,
                    }
                    let is_long = running.is_some_and(|(began, _)| now > began + TIMING.after);
                    prop_assert!(!is_long || state.is_protected(now));
                }
                running = works.then(|| running.unwrap_or((now, now + secs(limit))));
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
}
