//! Settings of the limits of calls.

use serde::{Deserialize, Serialize};

use crate::{
    duration::Span,
    settings::{Problem, in_range},
};

const CALLS: std::ops::RangeInclusive<usize> = 1..=100_000;
/// The range of slots and of weights.
const SHARES: std::ops::RangeInclusive<usize> = 1..=100_000;
const LONGEST: Span = Span::secs(60 * 60);

/// A limit of the calls that this worker starts within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RateSettings {
    /// The most calls of the handler that start within any time of the length `per`.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 100_000)))]
    pub calls: usize,
    /// That time, at most 1h.
    pub per: Span,
    /// The calls that are counted together: those of the `queue`, or those of each message `group` of a standard queue (`MessageGroupId`).
    pub by: RateScope,
}

/// The calls that a rate counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RateScope {
    /// All calls of the queue.
    #[default]
    Queue,
    /// Those of each message group.
    Group,
}

impl RateSettings {
    /// Finds every setting that is out of range.
    pub fn validate(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(in_range("calls", self.calls, &CALLS));
        if self.per.0.is_zero() || self.per > LONGEST {
            let problem = Problem::new("per", "out of range").with_value(self.per);
            problems.push(problem.with_allowed(format!("more than 0s, at most {LONGEST}")));
        }
        problems
    }
}

impl Default for RateSettings {
    fn default() -> Self {
        Self { calls: 100, per: Span::secs(1), by: RateScope::Queue }
    }
}

/// A pool of slots that several queues share by their weights: the next free slot is that of the queue with waiting messages that uses the fewest for its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PoolSettings {
    /// The most calls of all its queues that run at once.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 100_000)))]
    pub concurrency: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { concurrency: 32 }
    }
}

impl PoolSettings {
    /// Finds a number that is out of range.
    pub(crate) fn validate(self) -> Option<Problem> {
        in_range("concurrency", self.concurrency, &SHARES)
    }
}

/// The share of one queue in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct PoolWeight(
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 100_000)))] pub(crate) usize,
);

impl Default for PoolWeight {
    fn default() -> Self {
        Self(1)
    }
}

impl PoolWeight {
    /// Finds a weight that is out of range.
    pub(crate) fn validate(self) -> Option<Problem> {
        in_range("weight", self.0, &SHARES)
    }
}
