//! When the agent is asked for protection, when again, and when for its end: pure.

use std::time::Duration;

use tokio::time::Instant;

use super::{AgentError, Wish};
use crate::backoff::{Backoff, Jitter};

/// How long nothing long must have run before the protection ends, so that a chain of long calls asks for it once.
const LINGER: Duration = Duration::from_secs(15);

/// The pauses after an agent that does not answer.
const BROKEN: Backoff = Backoff::CALLS;
/// The pauses after a refusal: a deployment that goes on, or a permission that somebody must grant.
const REFUSED: Backoff = Backoff {
    initial: Duration::from_secs(10),
    factor: 2.0,
    max: Duration::from_mins(5),
    jitter: Jitter::Half,
};

/// When the agent is asked for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a call runs before it counts as long work.
    pub after: Duration,
    /// How long a protection lasts unless it is renewed; whole minutes.
    pub expiry: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the agent.
    Ask(Wish),
    /// Wait until then, or for another beginning or end of work.
    Until(Instant),
    /// Wait for another beginning or end of work.
    Rest,
}

/// The protection as far as it is known here.
#[derive(Debug)]
pub(super) struct Shield {
    terms: Terms,
    /// When the protection that ECS has granted ends by itself.
    held_until: Option<Instant>,
    /// The same of one that was asked for, granted or not: an answer may be lost.
    asked_until: Option<Instant>,
    /// Since when no long work runs.
    idle_since: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
    /// Whether ECS said that nothing scales this task in.
    is_standalone: bool,
}

impl Shield {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            held_until: None,
            asked_until: None,
            idle_since: None,
            failures: 0,
            not_before: None,
            is_standalone: false,
        }
    }

    /// Whether ECS protects the task.
    pub(super) fn is_up(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// When the protection that ECS has granted ends by itself.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held_until
    }

    /// Whether ECS may protect the task, for all that is known.
    pub(super) fn may_be_up(&self, now: Instant) -> bool {
        self.asked_until.is_some_and(|until| now < until)
    }

    /// What to do now, the oldest call under way having begun at `oldest`.
    pub(super) fn next(&mut self, oldest: Option<Instant>, now: Instant) -> Step {
        if self.is_standalone {
            return Step::Rest;
        }
        let long_at = oldest.and_then(|began| began.checked_add(self.terms.after));
        match long_at {
            Some(long_at) if long_at <= now => {
                self.idle_since = None;
                self.protect(now)
            }
            _ if self.may_be_up(now) => self.release(long_at, now),
            Some(long_at) => self.at(long_at, Wish::protect_for(self.terms.expiry), now),
            None => Step::Rest,
        }
    }

    /// Long work runs: what is held is renewed half-way.
    fn protect(&self, now: Instant) -> Step {
        let at = self.held_until.map_or(now, |until| until - self.terms.expiry / 2);
        self.at(at, Wish::protect_for(self.terms.expiry), now)
    }

    /// None runs: what may be held is let go a while later, unless a call that runs becomes long before.
    fn release(&mut self, long_at: Option<Instant>, now: Instant) -> Step {
        let idle_since = *self.idle_since.get_or_insert(now);
        match (self.at(idle_since + LINGER, Wish::Release, now), long_at) {
            (Step::Until(until), Some(long_at)) => Step::Until(until.min(long_at)),
            (step, _) => step,
        }
    }

    fn at(&self, moment: Instant, wish: Wish, now: Instant) -> Step {
        let moment = self.not_before.map_or(moment, |not_before| moment.max(not_before));
        if moment <= now { Step::Ask(wish) } else { Step::Until(moment) }
    }

    /// Notes that the agent is being asked; its answer may never be heard.
    pub(super) fn asks(&mut self, wish: Wish, now: Instant) {
        if let Wish::Protect { .. } = wish {
            self.asked_until = Some(now + self.terms.expiry);
        }
    }

    /// Notes that the agent has done as it was asked at `asked`.
    pub(super) fn done(&mut self, wish: Wish, asked: Instant) {
        (self.failures, self.not_before) = (0, None);
        self.held_until = match wish {
            Wish::Protect { .. } => Some(asked + self.terms.expiry),
            Wish::Release => None,
        };
        self.asked_until = self.held_until;
    }

    /// Notes that the agent has not; what was held before is held until it ends by itself.
    pub(super) fn failed(&mut self, error: &AgentError, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        let pauses = match error {
            AgentError::Broken(_) => BROKEN,
            AgentError::DeploymentBlocked(_) | AgentError::Refused { .. } | AgentError::Standalone(_) => {
                self.asked_until = self.held_until;
                REFUSED
            }
        };
        self.is_standalone = matches!(error, AgentError::Standalone(_));
        self.not_before = Some(now + pauses.delay(self.failures, chance));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms { after: Duration::from_secs(10), expiry: Duration::from_mins(10) };
    const PROTECT: Step = Step::Ask(Wish::Protect { minutes: 10 });

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn work_is_protected_once_it_is_long_and_renewed_at_half_the_expiry() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        assert_eq!(shield.next(None, start), Step::Rest);
        assert_eq!(shield.next(Some(start), start), Step::Until(start + secs(10)));
        assert_eq!(shield.next(Some(start), start + secs(10)), PROTECT);
        shield.done(Wish::Protect { minutes: 10 }, start + secs(10));
        assert_eq!(shield.next(Some(start), start + secs(11)), Step::Until(start + secs(310)));
        assert_eq!(shield.next(Some(start), start + secs(310)), PROTECT);
    }

    #[test]
    fn the_protection_ends_a_while_after_the_last_long_work() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        shield.done(Wish::Protect { minutes: 10 }, start);
        let idle = start + secs(100);
        assert_eq!(shield.next(None, idle), Step::Until(idle + LINGER));
        assert_eq!(shield.next(None, idle + LINGER), Step::Ask(Wish::Release));
        shield.done(Wish::Release, idle + LINGER);
        assert_eq!(shield.next(None, idle + LINGER), Step::Rest);
    }

    #[test]
    fn quick_work_does_not_hold_the_protection() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        shield.done(Wish::Protect { minutes: 10 }, start);
        for second in 1..=15 {
            let now = start + secs(second);
            assert!(matches!(shield.next(Some(now), now), Step::Until(_)), "after {second} s");
        }
        let now = start + secs(16);
        assert_eq!(shield.next(Some(now), now), Step::Ask(Wish::Release));
    }

    #[test]
    fn a_protection_whose_answer_was_lost_is_let_go_too() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        shield.asks(Wish::Protect { minutes: 10 }, start);
        shield.failed(&AgentError::Broken("silent".to_owned()), start, 0.0);
        assert!(shield.may_be_up(start) && !shield.is_up(start));
        assert_eq!(shield.next(None, start), Step::Until(start + LINGER));
        shield.failed(&AgentError::DeploymentBlocked(String::new()), start, 0.0);
        assert_eq!(shield.next(None, start), Step::Rest, "a refusal is an answer");
    }

    #[test]
    fn a_refusal_is_followed_by_growing_pauses_and_leaves_what_was_held() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        shield.done(Wish::Protect { minutes: 10 }, start);
        let renewal = start + secs(300);
        let blocked = AgentError::DeploymentBlocked(String::new());
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            shield.failed(&blocked, renewal, 1.0);
            let Step::Until(next) = shield.next(Some(start), renewal) else { panic!("asked at once") };
            assert!(next - renewal > last);
            last = next - renewal;
        }
        assert!(shield.is_up(renewal) && !shield.is_up(start + secs(600)));
    }

    #[test]
    fn a_task_of_no_service_is_never_asked_for_again() {
        let (mut shield, start) = (Shield::new(TERMS), Instant::now());
        shield.failed(&AgentError::Standalone(String::new()), start, 0.5);
        assert_eq!(shield.next(Some(start), start + secs(3_600)), Step::Rest);
    }

    proptest! {
        #[test]
        fn whatever_happens_long_work_is_protected_while_the_agent_answers(
            steps in proptest::collection::vec((0u64..400, any::<bool>()), 1..60),
        ) {
            let (mut shield, mut now) = (Shield::new(TERMS), Instant::now());
            let mut oldest = None;
            for (seconds, works) in steps {
                // Time passes as a loop would let it: never past what it was told to wait for.
                let end = now + secs(seconds);
                while now < end {
                    match shield.next(oldest, now) {
                        Step::Ask(wish) => shield.done(wish, now),
                        Step::Until(next) => {
                            prop_assert!(next > now, "a hot loop");
                            now = next.min(end);
                        }
                        Step::Rest => now = end,
                    }
                    let is_long = oldest.is_some_and(|began| now > began + TERMS.after);
                    prop_assert!(!is_long || shield.is_up(now));
                }
                oldest = works.then(|| oldest.unwrap_or(now));
            }
            let rest = now + LINGER + secs(1);
            while let step @ (Step::Ask(_) | Step::Until(_)) = shield.next(None, now) {
                match step {
                    Step::Ask(wish) => shield.done(wish, now),
                    Step::Until(next) => now = next,
                    Step::Rest => {}
                }
            }
            prop_assert!(!shield.is_up(now) && now <= rest);
        }
    }
}
