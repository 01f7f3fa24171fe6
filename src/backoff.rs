//! Delays that grow from attempt to attempt, with jitter: pure arithmetic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    duration::{Span, text},
    settings::{Problem, at_most},
};

/// The longest delay of a message: SQS hides no message for longer.
const LONGEST: Span = Span::secs(12 * 60 * 60);

/// A delay that grows from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// The delay after the first attempt.
    #[serde(with = "text")]
    #[cfg_attr(feature = "cli", schemars(with = "Span"))]
    pub initial: Duration,
    /// The factor by which each further attempt multiplies the delay, at least 1.
    pub factor: f64,
    /// The longest delay, at most 12h.
    #[serde(with = "text")]
    #[cfg_attr(feature = "cli", schemars(with = "Span"))]
    pub max: Duration,
    /// The spread of the delay: `full` (0 to the delay), `half` (half of it to all of it) or `none`.
    pub jitter: Jitter,
}

impl Default for Backoff {
    /// For messages that failed: 5 s, doubling up to 15 min.
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            factor: 2.0,
            max: Duration::from_mins(15),
            jitter: Jitter::Full,
        }
    }
}

/// The spread of a delay, so that many failures do not come back at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Jitter {
    /// Anywhere between nothing and the delay.
    #[default]
    Full,
    /// Anywhere between half the delay and the delay.
    Half,
    /// Exactly the delay.
    None,
}

impl Backoff {
    /// For calls to a service that fails: 200 ms, doubling up to 20 s.
    pub const CALLS: Self = Self {
        initial: Duration::from_millis(200),
        factor: 2.0,
        max: Duration::from_secs(20),
        jitter: Jitter::Half,
    };

    /// For calls that a service refuses until someone acts: 5 s, doubling up to a minute.
    pub const REFUSALS: Self = Self {
        initial: Duration::from_secs(5),
        factor: 2.0,
        max: Duration::from_mins(1),
        jitter: Jitter::Half,
    };

    /// Finds every invalid value; SQS hides no message for longer than 12 h.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(at_most("max", Span(self.max), LONGEST));
        if self.initial > self.max {
            let allowed = format!("at most max, which is {}", Span(self.max));
            let problem = Problem::new("initial", "too long").with_value(Span(self.initial));
            problems.push(problem.with_allowed(allowed));
        }
        if !(self.factor.is_finite() && self.factor >= 1.0) {
            let problem = Problem::new("factor", "out of range").with_value(self.factor);
            problems.push(problem.with_allowed("a number, at least 1"));
        }
        problems
    }

    /// The delay after attempt number `attempt` (the first is 1), with `chance` in 0..1 deciding the jitter.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        // Finite, so that an initial delay of zero stays zero: zero times infinity is not a number.
        let growth = self.factor.max(1.0).powi(power).min(f64::MAX);
        let capped = (self.initial.as_secs_f64() * growth).min(self.max.as_secs_f64());
        let spread = match self.jitter {
            Jitter::Full => capped * chance,
            Jitter::Half => capped * (0.5 + chance / 2.0),
            Jitter::None => capped,
        };
        Duration::try_from_secs_f64(spread).unwrap_or(self.max)
    }

    /// The delay of an attempt, with random jitter.
    pub fn random_delay(&self, attempt: u32) -> Duration {
        self.delay(attempt, fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        let jitter = prop_oneof![Just(Jitter::Full), Just(Jitter::Half), Just(Jitter::None)];
        (0u64..100_000, 0.0f64..10.0, 0u64..1_000_000, jitter).prop_map(|(initial, factor, max, jitter)| {
            Backoff {
                initial: Duration::from_millis(initial),
                factor,
                max: Duration::from_millis(max),
                jitter,
            }
        })
    }

    proptest! {
        #[test]
        fn a_delay_never_exceeds_the_maximum(backoff in any_backoff(), attempt: u32, chance in 0.0f64..1.0) {
            prop_assert!(backoff.delay(attempt, chance) <= backoff.max);
        }

        #[test]
        fn a_delay_never_shrinks_from_attempt_to_attempt(backoff in any_backoff(), attempt in 1u32..1000, chance in 0.0f64..1.0) {
            prop_assert!(backoff.delay(attempt, chance) <= backoff.delay(attempt + 1, chance));
        }
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let backoff = Backoff { jitter: Jitter::None, ..Backoff::CALLS };
        let millis: Vec<_> = (1..=9).map(|attempt| backoff.delay(attempt, 0.0).as_millis()).collect();
        assert_eq!(millis, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000, 20_000]);
    }

    #[test]
    fn the_jitter_leaves_half_of_a_delay_or_none() {
        let delay = |jitter, chance| Backoff { jitter, ..Backoff::CALLS }.delay(1, chance).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(|chance| delay(Jitter::Full, chance)), [0, 100, 200]);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| delay(Jitter::Half, chance)), [100, 150, 200]);
        assert!((100..=200).contains(&Backoff::CALLS.random_delay(1).as_millis()));
    }

    #[test]
    fn each_value_that_cannot_work_is_a_problem() {
        let problems = |backoff: Backoff| {
            let problems = backoff.validate();
            problems.iter().map(|problem| problem.key().unwrap().to_string()).collect::<Vec<_>>()
        };
        let (sound, second) = (Backoff::CALLS, Duration::from_secs(1));
        assert!(problems(Backoff { initial: second, max: second, factor: 1.0, ..sound }).is_empty());
        assert_eq!(problems(Backoff { initial: 2 * second, max: second, ..sound }), ["initial"]);
        assert_eq!(problems(Backoff { max: Duration::from_secs(43_201), ..sound }), ["max"]);
        for factor in [0.9, f64::NAN, f64::INFINITY] {
            assert_eq!(problems(Backoff { factor, ..sound }), ["factor"], "{factor}");
        }
    }
}
