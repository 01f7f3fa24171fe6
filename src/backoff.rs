//! Growing, jittered delays: pure arithmetic.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Span;

/// When a failed message becomes visible again, by its receive count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The delay after the first receive.
    pub initial: Span,
    /// What each further receive multiplies the delay by, at least 1.
    pub factor: f64,
    /// The delay that is never exceeded, at most 12h.
    pub max: Span,
    /// How the delay is spread: `full` (0 to the delay), `half` (half of it to all of it) or `none`.
    pub jitter: Jitter,
}

impl Default for Settings {
    fn default() -> Self {
        Self { initial: Span::secs(5), factor: 2.0, max: Span::secs(15 * 60), jitter: Jitter::Full }
    }
}

impl From<Settings> for Backoff {
    fn from(settings: Settings) -> Self {
        let Settings { initial, factor, max, jitter } = settings;
        Self { initial: initial.0, factor, max: max.0, jitter }
    }
}

/// How a delay grows from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The delay after the first attempt.
    pub initial: Duration,
    /// What each further attempt multiplies it by, at least 1.
    pub factor: f64,
    /// The delay it never exceeds.
    pub max: Duration,
    /// How the delay is spread.
    pub jitter: Jitter,
}

/// How a delay is spread, so that many failures do not come back as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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

    /// For calls that a service refuses, where someone must act first and may: 5 s, doubling up to a minute.
    pub const REFUSALS: Self = Self {
        initial: Duration::from_secs(5),
        factor: 2.0,
        max: Duration::from_mins(1),
        jitter: Jitter::Half,
    };

    /// The delay after attempt number `attempt` (the first is 1), with `chance` in 0..1 deciding the jitter.
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        // Finite, so that no delay at all stays none however often it is multiplied.
        let growth = self.factor.max(1.0).powi(power).min(f64::MAX);
        let capped = (self.initial.as_secs_f64() * growth).min(self.max.as_secs_f64());
        let spread = match self.jitter {
            Jitter::Full => capped * chance,
            Jitter::Half => capped * (0.5 + chance / 2.0),
            Jitter::None => capped,
        };
        Duration::try_from_secs_f64(spread).unwrap_or(self.max)
    }

    /// The same with the jitter drawn at random.
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
}
