//! The hourly limit of publications: pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::HOUR;

/// Counts the publications of the last hour, and those that were postponed.
///
/// A postponed publication gets the time at which the limit allows it after all those postponed before, so that each
/// message of a long queue is not received again and again.
#[derive(Debug)]
pub(super) struct Quota {
    limit: usize,
    /// When each unit of the last hour was taken, the oldest first.
    taken: VecDeque<Instant>,
    /// When each postponed unit comes again, the soonest first.
    postponed: VecDeque<Instant>,
}

impl Quota {
    /// A quota of so many units an hour, at least one.
    pub(super) fn new(limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        Self { limit, taken: VecDeque::new(), postponed: VecDeque::new() }
    }

    /// Takes units, or returns the time to wait for them; more than the limit count as the limit.
    pub(super) fn take(&mut self, units: usize, now: Instant) -> Result<(), Duration> {
        let units = units.clamp(1, self.limit);
        self.expire(now);
        if self.taken.len() + units <= self.limit {
            self.taken.extend(std::iter::repeat_n(now, units));
            return Ok(());
        }
        let at = self.free_at(units);
        self.postponed.extend(std::iter::repeat_n(at, units));
        Err(at.saturating_duration_since(now))
    }

    /// Gives back units that were taken at `at` and not used.
    pub(super) fn give_back(&mut self, units: usize, at: Instant) {
        let mut left = units.clamp(1, self.limit);
        self.taken.retain(|taken| {
            let is_given_back = *taken == at && left > 0;
            left -= usize::from(is_given_back);
            !is_given_back
        });
    }

    fn expire(&mut self, now: Instant) {
        while self.taken.front().is_some_and(|taken| *taken + HOUR <= now) {
            self.taken.pop_front();
        }
        while self.postponed.front().is_some_and(|at| *at <= now) {
            self.postponed.pop_front();
        }
    }

    /// When units are free after all postponed ones: the units before them must be an hour old by then.
    fn free_at(&self, units: usize) -> Instant {
        let all = self.taken.len() + self.postponed.len() + units;
        let last = all.saturating_sub(self.limit + 1);
        let next = self.taken.iter().chain(&self.postponed).nth(last);
        // There are that many, because `units` is no more than the limit.
        next.or(self.postponed.back()).map_or_else(Instant::now, |at| *at + HOUR)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn over_the_limit_a_unit_is_free_when_the_oldest_is_an_hour_old() {
        let (mut quota, start) = (Quota::new(2), Instant::now());
        assert_eq!(quota.take(1, start), Ok(()));
        assert_eq!(quota.take(1, start + 10 * MINUTE), Ok(()));
        assert_eq!(quota.take(1, start + 20 * MINUTE), Err(40 * MINUTE));
        assert_eq!(quota.take(1, start + 60 * MINUTE), Ok(()));
        assert_eq!(quota.take(1, start + 61 * MINUTE), Err(9 * MINUTE));
    }

    #[test]
    fn each_postponed_unit_gets_its_own_time() {
        let (mut quota, start) = (Quota::new(2), Instant::now());
        let waits: Vec<_> = (0..7).map(|_| quota.take(1, start)).collect();
        let hours = |hours| Err(HOUR * hours);
        assert_eq!(waits, [Ok(()), Ok(()), hours(1), hours(1), hours(2), hours(2), hours(3)]);
    }

    #[test]
    fn unused_units_are_given_back() {
        let (mut quota, start) = (Quota::new(2), Instant::now());
        assert_eq!(quota.take(2, start), Ok(()));
        quota.give_back(2, start);
        assert_eq!(quota.take(2, start + MINUTE), Ok(()));
        assert!(quota.take(1, start + MINUTE).is_err());
    }

    #[test]
    fn a_message_of_more_parts_than_the_limit_is_sent_alone() {
        let (mut quota, start) = (Quota::new(2), Instant::now());
        assert_eq!(quota.take(11, start), Ok(()));
        assert_eq!(quota.take(1, start), Err(HOUR));
    }

    proptest! {
        #[test]
        fn no_hour_ever_has_more_than_the_limit(
            limit in 1u32..6,
            steps in proptest::collection::vec((0u64..40, 1usize..4, any::<bool>()), 1..80),
        ) {
            let (mut quota, mut now, mut sent) = (Quota::new(limit), Instant::now(), Vec::new());
            for (minutes, units, is_used) in steps {
                now += MINUTE * u32::try_from(minutes).unwrap();
                let units = units.min(limit as usize);
                match quota.take(units, now) {
                    Ok(()) if is_used => sent.extend(std::iter::repeat_n(now, units)),
                    Ok(()) => quota.give_back(units, now),
                    Err(wait) => prop_assert!(wait > Duration::ZERO),
                }
                let in_the_hour = sent.iter().filter(|at| now < **at + HOUR).count();
                prop_assert!(in_the_hour <= limit as usize);
            }
        }
    }
}
