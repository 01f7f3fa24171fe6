//! The stop order of a worker.

use std::{fmt, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

#[cfg(feature = "ecs")]
use super::embedded_metrics::ScalingTask;
use super::stop_requests::FaultWatch;
#[cfg(feature = "admin")]
use crate::admin::AdminServer;
#[cfg(feature = "ecs")]
use crate::ecs::TaskProtection;
#[cfg(feature = "otel")]
use crate::telemetry::traces::Traces;
use crate::{consumer::RunningEngine, stop::Stop, telemetry::events};

/// The time limit of cancelled handlers; only one that blocks its thread exceeds its grace period.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);
/// The shortest time limit of the last settlements, even after the drain limit.
const SHORTEST_FLUSH: Duration = Duration::from_secs(5);
/// The longest time limit of the last settlements, even if the drain limit leaves more.
const LONGEST_FLUSH: Duration = Duration::from_secs(10);
/// The shortest time limit for handlers to end processes outside of calls, even after the drain limit.
const SHORTEST_CLOSE: Duration = Duration::from_secs(1);
/// The longest time limit for that, even if the drain limit leaves more.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
/// The time limit of the last export of spans.
#[cfg(feature = "otel")]
const TRACES_LIMIT: Duration = Duration::from_secs(2);

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drained {
    /// Every message that was held is settled or given back.
    All,
    /// Some messages were still held, or done and not deleted; they come back after their visibility timeout.
    Partly {
        /// The number of these messages.
        held: usize,
    },
}

impl Drained {
    /// The messages still held, or done and not deleted.
    pub fn held(self) -> usize {
        match self {
            Self::All => 0,
            Self::Partly { held } => held,
        }
    }
}

impl fmt::Display for Drained {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all messages settled or given back"),
            Self::Partly { held } => write!(formatter, "{held} messages still held or not deleted"),
        }
    }
}

/// The running parts of a worker that a stop ends.
#[derive(Default)]
pub(super) struct RunningParts {
    pub(super) engines: Vec<RunningEngine>,
    #[cfg(feature = "ecs")]
    pub(super) protection: Option<TaskProtection>,
    #[cfg(feature = "ecs")]
    pub(super) scaling: Option<ScalingTask>,
    #[cfg(feature = "otel")]
    pub(super) traces: Option<Traces>,
    #[cfg(feature = "admin")]
    pub(super) admin: Option<AdminServer>,
}

/// Stops the parts of a worker in their order; a halt skips what is left of the steps that wait.
///
/// Leases are extended until no handler runs and every message is settled: consumers that stop their heartbeat first
/// process the same messages twice. Each step has a test: those of the engines in `tests/promises/stopping.rs`, that of
/// the protection in `protecting.rs`.
pub(super) async fn shut_down(
    parts: RunningParts,
    limit: Duration,
    stop: &Stop,
    faults: &mut FaultWatch,
) -> Drained {
    let mut drain = EngineDrain::new(parts.engines, limit);
    // First of all, so that a handler that ends during the drain or a halt does not start a waiting message.
    drain.start_no_more();
    faults.until(unless_halted(stop, drain.stop_polling_and_give_back())).await;
    faults.until(unless_halted(stop, drain.end_handlers())).await;
    faults.until(unless_halted(stop, drain.flush_answers())).await;
    faults.until(unless_halted(stop, drain.close_handlers())).await;
    // From here on, the end of a task is no fault.
    let drained = drain.stop_heartbeats(stop);
    #[cfg(feature = "ecs")]
    if let Some(protection) = parts.protection {
        unless_halted(stop, protection.end()).await;
    }
    #[cfg(feature = "ecs")]
    drop(parts.scaling);
    #[cfg(feature = "otel")]
    if let Some(traces) = parts.traces {
        unless_halted(stop, traces.flush(TRACES_LIMIT)).await;
    }
    #[cfg(feature = "admin")]
    if let Some(admin) = parts.admin {
        admin.end().await;
    }
    drained
}

async fn unless_halted(stop: &Stop, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.halted() => {}
        () = work => {}
    }
}

/// The drain of all engines at once, step by step.
struct EngineDrain {
    engines: Vec<RunningEngine>,
    limit: Duration,
    began: Instant,
    undeleted_before: usize,
}

impl EngineDrain {
    fn new(engines: Vec<RunningEngine>, limit: Duration) -> Self {
        let undeleted_before = engines.iter().map(RunningEngine::undeleted).sum();
        Self { engines, limit, began: Instant::now(), undeleted_before }
    }

    fn remaining(&self, of: Duration) -> Duration {
        of.saturating_sub(self.began.elapsed())
    }

    fn start_no_more(&self) {
        self.engines.iter().for_each(RunningEngine::start_nothing);
    }

    /// Gives back waiting messages, and again those that arrive while the pollers end.
    async fn stop_polling_and_give_back(&mut self) {
        self.engines.iter().for_each(RunningEngine::give_back_waiting);
        join_all(self.engines.iter_mut().map(RunningEngine::polling_stopped)).await;
        self.engines.iter().for_each(RunningEngine::give_back_waiting);
    }

    /// Waits for running handlers, and cancels those that exceed their part of the limit.
    async fn end_handlers(&self) {
        let ended = join_all(self.engines.iter().map(RunningEngine::handlers_ended));
        if timeout(self.remaining(handlers_part(self.limit)), ended).await.is_ok() {
            return;
        }
        events::HandlersCancelled { limit_seconds: self.limit.as_secs_f64() }.emit();
        self.engines.iter().for_each(RunningEngine::cancel_handlers);
        let cancelled = join_all(self.engines.iter().map(RunningEngine::handlers_ended));
        if timeout(CANCEL_LIMIT, cancelled).await.is_err() {
            events::HandlerBlocks {}.emit();
        }
    }

    /// Sends the last settlements to SQS, and the last notifications in a part of the same time.
    async fn flush_answers(&self) {
        let limit = self.remaining(self.limit).clamp(SHORTEST_FLUSH, LONGEST_FLUSH);
        let flushed = join_all(self.engines.iter().map(RunningEngine::flushed));
        let notified = timeout(SHORTEST_FLUSH, join_all(self.engines.iter().map(RunningEngine::notified)));
        let (flushed, _) = tokio::join!(timeout(limit, flushed), notified);
        if flushed.is_err() {
            events::AnswersLeft { limit_seconds: limit.as_secs_f64() }.emit();
        }
    }

    /// Lets handlers end processes and tasks outside of their calls.
    async fn close_handlers(&self) {
        let limit = self.remaining(self.limit).clamp(SHORTEST_CLOSE, LONGEST_CLOSE);
        let closed = join_all(self.engines.iter().map(RunningEngine::close_handler));
        if timeout(limit, closed).await.is_err() {
            events::HandlerNotClosed { limit_seconds: limit.as_secs_f64() }.emit();
        }
    }

    /// Ends settling and heartbeats; after a halt, handlers that still run are cancelled, as their leases end.
    fn stop_heartbeats(self, stop: &Stop) -> Drained {
        if stop.is_halted() {
            self.engines.iter().for_each(RunningEngine::cancel_handlers);
        }
        let undeleted: usize = self.engines.iter().map(RunningEngine::undeleted).sum();
        let held: usize = self.engines.iter().map(RunningEngine::held).sum();
        self.engines.into_iter().for_each(RunningEngine::close);
        match held + undeleted - self.undeleted_before {
            0 => Drained::All,
            held => Drained::Partly { held },
        }
    }
}

/// The handlers' part of the drain limit: all but the time for cancelling and flushing.
///
/// It is at least three quarters of the limit, so a short limit may be exceeded by those times.
fn handlers_part(limit: Duration) -> Duration {
    limit.saturating_sub((CANCEL_LIMIT + SHORTEST_FLUSH).min(limit / 4))
}

/// True when a stop may cut off a handler with this time limit.
#[cfg(feature = "ecs")]
pub(super) fn may_outlast(timeout: Option<Duration>, limit: Duration) -> bool {
    timeout.is_none_or(|timeout| timeout > handlers_part(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_steps_after_the_handlers_fit_into_the_limit() {
        assert_eq!(handlers_part(secs(110)), secs(103));
        assert_eq!(handlers_part(secs(28)), secs(21));
    }

    #[test]
    fn work_that_ends_within_the_handlers_part_is_never_cut_off() {
        assert!(!may_outlast(Some(secs(103)), secs(110)));
        assert!(may_outlast(Some(secs(104)), secs(110)) && may_outlast(None, secs(110)));
    }

    #[test]
    fn a_short_limit_is_mostly_the_handlers() {
        assert_eq!(handlers_part(secs(4)), secs(3));
        assert_eq!(handlers_part(Duration::ZERO), Duration::ZERO);
        assert!(handlers_part(Duration::MAX) > secs(u64::MAX / 2));
    }
}
