//! Limits the calls that start after a shortage of the worker's own resources, or a failure of the handler: none, one, then
//! ever more; pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, Jitter};

/// The time after which a call that has not reported a shortage has its resources, where nothing else is known.
const TRIAL: Duration = Duration::from_secs(1);
/// The time between two steps of growth, by the number of shortages since the last full opening.
const GROWTH: Backoff = Backoff {
    initial: Duration::from_secs(1),
    factor: 2.0,
    max: Duration::from_secs(30),
    jitter: Jitter::None,
};

/// The number of calls that may run at once.
///
/// A shortage closes it. After a successful probe one call is tried; if that has its resources, as many run as did at the
/// shortage, and then by half more at each step, until it is open again or the next shortage closes it.
#[derive(Debug)]
pub(super) struct StartLimit {
    concurrency: usize,
    phase: Phase,
    /// The number of shortages since it was last open.
    shortages: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// As many calls run as there are slots.
    Open,
    /// No call starts.
    Closed(Short),
    /// One call is tried, since `tried`.
    Trial { short: Short, tried: Option<Instant> },
    /// So many calls run.
    Growing { calls: usize, grows_at: Instant },
}

/// A shortage that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    since: Instant,
    /// The number of calls that the resources carry.
    carried: usize,
    /// The time after which a tried call that still runs has its resources.
    trial: Duration,
}

impl StartLimit {
    /// An open limit for this concurrency.
    pub(super) fn open(concurrency: usize) -> Self {
        Self { concurrency, phase: Phase::Open, shortages: 0 }
    }

    /// Changes the number of calls that there are slots for.
    pub(super) fn set_concurrency(&mut self, concurrency: usize) {
        self.concurrency = concurrency;
        if let Phase::Growing { calls, .. } = self.phase
            && calls >= concurrency
        {
            (self.phase, self.shortages) = (Phase::Open, 0);
        }
    }

    /// True if any call may have to wait for it.
    pub(super) fn is_limiting(&self) -> bool {
        self.phase != Phase::Open
    }

    /// True while no call starts before a probe succeeds.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    /// The beginning of the shortage, while it lasts: until a tried call has its resources.
    pub(super) fn short_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Closed(short) | Phase::Trial { short, .. } => Some(short.since),
            Phase::Open | Phase::Growing { .. } => None,
        }
    }

    /// Notes that a call did not get its resources while `running` others ran; returns true if this closes the limit.
    pub(super) fn fell_short(&mut self, running: usize, now: Instant) -> bool {
        self.fell_short_after(running, TRIAL, now)
    }

    /// Notes the same; a tried call that still runs after `trial` has its resources.
    pub(super) fn fell_short_after(&mut self, running: usize, trial: Duration, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let short = match self.phase {
            // One of those that were running when the first one failed.
            Phase::Closed(short) => Short { carried: short.carried.saturating_sub(1), trial, ..short },
            Phase::Trial { short, .. } => Short { trial, ..short },
            Phase::Open | Phase::Growing { .. } => {
                self.shortages += 1;
                Short { since: now, carried: running, trial }
            }
        };
        self.phase = Phase::Closed(short);
        !was_closed
    }

    /// Notes that a probe had the resources that a call needs.
    pub(super) fn probed(&mut self) {
        if let Phase::Closed(short) = self.phase {
            self.phase = Phase::Trial { short, tried: None };
        }
    }

    /// Notes that no message waits that could be tried.
    pub(super) fn nothing_to_try(&mut self, now: Instant) {
        if let Phase::Trial { short, tried: None } = self.phase {
            self.resume(short, now);
        }
    }

    /// Decides whether one more call may start beside the `running` ones.
    pub(super) fn may_start(&mut self, running: usize, now: Instant) -> bool {
        if let Phase::Trial { short, tried: Some(tried) } = self.phase
            && tried + short.trial <= now
        {
            self.resume(short, now);
        }
        if let Phase::Growing { calls, grows_at } = self.phase
            && calls <= running
            && grows_at <= now
        {
            self.grow_from(calls + (calls / 2).max(1), now);
        }
        match self.phase {
            Phase::Open | Phase::Trial { tried: None, .. } => true,
            Phase::Closed(_) | Phase::Trial { .. } => false,
            Phase::Growing { calls, .. } => running < calls,
        }
    }

    /// The time at which the answer of [`StartLimit::may_start`] changes by itself.
    pub(super) fn next_change(&self) -> Option<Instant> {
        match self.phase {
            Phase::Trial { short, tried: Some(tried) } => Some(tried + short.trial),
            Phase::Growing { grows_at, .. } => Some(grows_at),
            Phase::Open | Phase::Closed(_) | Phase::Trial { .. } => None,
        }
    }

    /// Notes that a call starts.
    pub(super) fn started(&mut self, now: Instant) {
        if let Phase::Trial { tried: tried @ None, .. } = &mut self.phase {
            *tried = Some(now);
        }
    }

    /// Notes that a call that began at this time had its resources.
    pub(super) fn had_resources(&mut self, began: Instant, now: Instant) {
        if let Phase::Trial { short, tried: Some(tried) } = self.phase
            && tried <= began
        {
            self.resume(short, now);
        }
    }

    /// Lets as many calls run as the resources carried; some are left for the deletes and extensions of what runs.
    fn resume(&mut self, Short { carried, .. }: Short, now: Instant) {
        self.grow_from(carried - carried.div_ceil(8), now);
    }

    /// Lets so many calls run, one at least; all that there are slots for open the limit.
    fn grow_from(&mut self, calls: usize, now: Instant) {
        if calls >= self.concurrency {
            (self.phase, self.shortages) = (Phase::Open, 0);
        } else {
            let grows_at = now + GROWTH.random_delay(self.shortages);
            self.phase = Phase::Growing { calls: calls.max(1), grows_at };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A limit for 64 calls that was closed while so many of them ran.
    fn closed(running: usize, now: Instant) -> StartLimit {
        let mut limit = StartLimit::open(64);
        assert!(limit.fell_short(running, now));
        limit
    }

    #[test]
    fn no_call_starts_before_a_probe_and_then_only_one() {
        let now = Instant::now();
        let mut limit = closed(16, now);
        assert!(!limit.may_start(0, now + SECOND * 60));
        limit.probed();
        assert!(limit.may_start(16, now), "although the others still run");
        limit.started(now);
        assert!(!limit.may_start(1, now));
        assert_eq!(limit.next_change(), Some(now + TRIAL));
        limit.had_resources(now, now);
        assert_eq!(limit.short_since(), None);
        assert!(limit.may_start(13, now) && !limit.may_start(14, now), "so many ran before, less an eighth");
    }

    #[test]
    fn a_call_that_began_before_the_trial_proves_nothing() {
        let now = Instant::now();
        let mut limit = closed(16, now);
        limit.probed();
        limit.started(now + SECOND);
        limit.had_resources(now, now + SECOND);
        assert_eq!(limit.short_since(), Some(now));
        assert!(limit.may_start(1, now + SECOND + TRIAL), "a long call has its resources after a while");
    }

    #[test]
    fn a_failed_trial_closes_again_and_remembers_the_beginning() {
        let now = Instant::now();
        let mut limit = closed(16, now);
        assert!(!limit.fell_short(3, now), "calls that fail together are one shortage");
        limit.probed();
        limit.started(now);
        assert!(limit.fell_short(0, now + SECOND));
        assert_eq!(limit.short_since(), Some(now));
        limit.probed();
        limit.nothing_to_try(now + SECOND);
        let carried_but_an_eighth = 13;
        assert!(limit.may_start(carried_but_an_eighth - 1, now + SECOND));
        assert!(!limit.may_start(carried_but_an_eighth, now + SECOND));
    }

    #[test]
    fn repeated_shortages_slow_the_growth() {
        let (mut now, mut limit) = (Instant::now(), StartLimit::open(64));
        let mut pauses = Vec::new();
        for _ in 0..8 {
            limit.fell_short(16, now);
            limit.probed();
            limit.nothing_to_try(now);
            let grows_at = limit.next_change().unwrap();
            pauses.push((grows_at - now).as_secs());
            now = grows_at;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    proptest! {
        /// Calls that last for ever, as many as the resources carry: none of the rest is lost, and all run in the end.
        #[test]
        fn it_settles_at_what_the_resources_carry_and_opens_once_there_is_enough(carried in 0usize..64) {
            let (mut now, mut limit, mut running) = (Instant::now(), StartLimit::open(64), 0);
            let mut shortages = 0;
            for tick in 0..5_000 {
                let resources = if tick < 2_000 { carried } else { 64 };
                while limit.may_start(running, now) && running < 64 {
                    limit.started(now);
                    if running < resources {
                        running += 1;
                    } else if limit.fell_short(running, now) && tick < 2_000 {
                        shortages += 1;
                    }
                }
                limit.probed();
                now += SECOND / 4;
            }
            prop_assert!(shortages > 0);
            prop_assert_eq!(running, 64);
        }
    }
}
