//! A limit of the calls that start within a time; pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::settings::RateSettings;

/// At most so many calls start within any time of this length.
#[derive(Clone, Debug)]
pub(in crate::consumer) struct CallRate {
    calls: usize,
    per: Duration,
    /// The starts within the last `per`, the oldest first.
    starts: VecDeque<Instant>,
}

impl CallRate {
    pub(in crate::consumer) fn new(settings: RateSettings) -> Self {
        Self { calls: settings.calls, per: settings.per.0, starts: VecDeque::new() }
    }

    /// The number of calls that may start now.
    pub(in crate::consumer) fn available(&mut self, now: Instant) -> usize {
        while self.starts.front().is_some_and(|start| *start + self.per <= now) {
            self.starts.pop_front();
        }
        self.calls.saturating_sub(self.starts.len())
    }

    /// Notes that a call starts.
    pub(in crate::consumer) fn started(&mut self, now: Instant) {
        self.starts.push_back(now);
    }

    /// The time at which the next call may start, if none may now.
    pub(in crate::consumer) fn next_start(&self) -> Option<Instant> {
        let is_spent = self.starts.len() >= self.calls;
        self.starts.front().filter(|_| is_spent).map(|start| *start + self.per)
    }

    /// True if no call has started lately.
    pub(super) fn is_unused(&mut self, now: Instant) -> bool {
        self.available(now) == self.calls
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::duration::Span;

    proptest! {
        #[test]
        fn no_time_of_the_length_has_more_starts_and_a_start_is_never_late(
            calls in 1_usize..6,
            asks in prop::collection::vec(0_u64..700, 1..80),
        ) {
            let settings = RateSettings { calls, per: Span::secs(1), ..RateSettings::default() };
            let (mut rate, mut now, mut starts) = (CallRate::new(settings), Instant::now(), Vec::new());
            for pause in asks {
                now += Duration::from_millis(pause);
                let lately = starts.iter().filter(|start| now - **start < Duration::from_secs(1)).count();
                prop_assert_eq!(rate.available(now), calls - lately);
                if rate.available(now) > 0 {
                    rate.started(now);
                    starts.push(now);
                } else {
                    prop_assert!(rate.next_start().is_some_and(|next| next > now));
                }
            }
        }
    }
}
