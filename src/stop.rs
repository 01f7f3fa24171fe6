//! The two ways to stop: drain, and halt.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    duration::Span,
    settings::{Problem, at_most},
};

/// The longest time that SQS hides a message, and so the longest time that a handler runs.
const LONGEST: Span = Span::secs(12 * 60 * 60);

/// Settings of the orderly stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The time limit of a stop after SIGTERM; absent, 10 s less than the time after which the platform kills, as far as that is known (`kubernetes.termination_grace_period` in a pod, else `ecs.stop_timeout`), or 110s. Running handlers may go on for all but 7 s of it (three quarters of it below 28 s); the rest is for giving their messages back. Keep it 10 s below the time after which the platform kills: Fargate gives at most 120 s, Kubernetes 30 s unless the pod says otherwise.
    pub limit: Option<Span>,
    /// The longest time that a stop waits for receives under way, which may still bring messages to give back; absent, the rest of their `receive.wait` and 2 s. A receive that is cut off may leave messages hidden for their visibility timeout.
    pub receives: Option<Span>,
    /// The meaning of SIGHUP: `drain` stops as SIGTERM does; `reload` reads the configuration again, applies `concurrency` and `paused` of each queue where they have changed, and names every other changed setting, which needs a restart; `auto` drains if the process has a controlling terminal, which sends SIGHUP when it is closed, and else reloads.
    pub hangup: HangupMeaning,
}

/// The meaning of SIGHUP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum HangupMeaning {
    /// A stop if the process has a controlling terminal, and else a reload.
    #[default]
    Auto,
    /// A stop.
    Drain,
    /// A reload of the configuration.
    Reload,
}

impl HangupMeaning {
    /// True if a hangup of a process with or without a controlling terminal asks for a reload.
    pub(crate) fn is_reload(self, has_terminal: bool) -> bool {
        match self {
            Self::Auto => !has_terminal,
            Self::Drain => false,
            Self::Reload => true,
        }
    }
}

/// The time limits of a drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainLimits {
    /// The limit of all its steps.
    pub(crate) all: Duration,
    /// The longest wait for receives in flight, within the part of the running handlers.
    pub(crate) receives: Duration,
}

impl Default for DrainLimits {
    fn default() -> Self {
        Self { all: Settings::USUAL, receives: Duration::MAX }
    }
}

impl Settings {
    /// The limit if it is unknown when the platform kills: it fits Fargate's longest stop timeout.
    pub(crate) const USUAL: Duration = Duration::from_secs(110);
    /// The time between the limit and the platform's kill, for the start and the end of the process's stop.
    const RESERVE: Duration = Duration::from_secs(10);

    /// Finds a limit that is longer than SQS hides any message.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        self.limit.and_then(|limit| at_most("limit", limit, LONGEST)).into_iter().collect()
    }

    /// The longest limit where the platform kills after this time: it leaves the reserve, or half of a time that is below
    /// twice the reserve.
    pub(crate) fn longest_within(kill_after: Duration) -> Duration {
        kill_after.saturating_sub(Self::RESERVE).max(kill_after / 2)
    }

    /// The time limit of a stop where the platform kills after this time.
    pub(crate) fn limit(&self, kill_after: Option<Duration>) -> Duration {
        let derived = || kill_after.map_or(Self::USUAL, Self::longest_within);
        self.limit.map_or_else(derived, |Span(limit)| limit)
    }

    /// The time limits of a stop where the platform kills after this time.
    pub(crate) fn limits(&self, kill_after: Option<Duration>) -> DrainLimits {
        DrainLimits {
            all: self.limit(kill_after),
            receives: self.receives.map_or(Duration::MAX, |Span(limit)| limit),
        }
    }
}

/// Requests the stop of a worker, and lets its parts wait for the request.
///
/// Clones share one state. A halt is also a drain: both wake a task that waits for the drain.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    drain: CancellationToken,
    halt: CancellationToken,
}

impl Stop {
    /// A stop that is not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests the orderly stop: running calls finish, other messages are given back.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Requests the stop at once: messages become visible again when their visibility timeout ends.
    pub fn halt(&self) {
        self.drain.cancel();
        self.halt.cancel();
    }

    /// True once a drain or a halt is requested.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// True once a halt is requested.
    pub fn is_halted(&self) -> bool {
        self.halt.is_cancelled()
    }

    /// Waits until a drain or a halt is requested.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until a halt is requested.
    pub async fn halted(&self) {
        self.halt.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_from_the_time_to_the_kill_unless_it_is_set() {
        let limit = |limit: Option<u64>, kill_after: Option<u64>| {
            Settings { limit: limit.map(Span::secs), ..Settings::default() }
                .limit(kill_after.map(Duration::from_secs))
                .as_secs()
        };
        assert_eq!((limit(None, None), limit(None, Some(120)), limit(None, Some(30))), (110, 110, 20));
        assert_eq!((limit(None, Some(4)), limit(Some(50), Some(30))), (2, 50));
    }

    #[test]
    fn a_hangup_reloads_only_where_no_terminal_may_have_closed() {
        assert!(!HangupMeaning::Auto.is_reload(true) && HangupMeaning::Auto.is_reload(false));
        assert!(HangupMeaning::Reload.is_reload(true) && !HangupMeaning::Drain.is_reload(false));
    }

    #[tokio::test]
    async fn a_halt_is_also_a_drain() {
        let stop = Stop::new();
        stop.clone().halt();
        stop.draining().await;
        stop.halted().await;
        assert!(stop.is_draining());
    }
}
