//! The two ways to stop: drain, and halt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::duration::Span;

/// How the worker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long the worker may take to stop after SIGTERM. Running handlers may go on for all but 7 s of it (three quarters of it below 28 s); the rest is for giving their messages back. Keep it below the time after which the platform kills: ECS gives at most 120 s.
    pub limit: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { limit: Span::secs(110) }
    }
}

/// Tells the parts of a worker to stop, and lets them wait for it.
///
/// Clones share one state. A halt is also a drain: whoever waits for the drain wakes at either.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    drain: CancellationToken,
    halt: CancellationToken,
}

impl Stop {
    /// A stop that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the orderly stop: finish what runs, give the rest back.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Asks for the stop at once: what is held comes back after its visibility.
    pub fn halt(&self) {
        self.drain.cancel();
        self.halt.cancel();
    }

    /// Whether either stop was asked for.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits until either stop is asked for.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits until the stop at once is asked for.
    pub async fn halted(&self) {
        self.halt.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_halt_is_also_a_drain() {
        let stop = Stop::new();
        stop.clone().halt();
        stop.draining().await;
        stop.halted().await;
        assert!(stop.is_draining());
    }
}
