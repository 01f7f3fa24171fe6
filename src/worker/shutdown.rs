//! The stop order of a worker.

use std::{fmt, time::Duration};

#[cfg(feature = "otel")]
use futures_util::future::OptionFuture;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout, timeout_at};

#[cfg(feature = "ecs")]
use super::embedded_metrics::ScalingTask;
use super::fault_watch::FaultWatch;
#[cfg(feature = "admin")]
use crate::admin::AdminServer;
#[cfg(feature = "ecs")]
use crate::ecs::{ScaleOut, TaskProtection};
#[cfg(feature = "otel")]
use crate::telemetry::{metrics_export::RunningMetricsExport, traces::Traces};
use crate::{
    consumer::RunningEngine,
    stop::{DrainLimits, Stop},
    telemetry::events,
};

/// The longest time between the end of the handlers' part of the drain limit and its end.
const LONGEST_REST: Duration = Duration::from_secs(7);
/// The longest drain: no message is held longer.
const LONGEST_DRAIN: Duration = Duration::from_hours(12);
/// The longest time limit of the last settlements, even if the drain limit leaves more.
const LONGEST_FLUSH: Duration = Duration::from_secs(10);
/// The longest time limit for handlers to end processes outside of calls, even if the drain limit leaves more.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
/// The longest time limit for the release of the task protection.
#[cfg(feature = "ecs")]
const LONGEST_RELEASE: Duration = Duration::from_secs(2);
/// The longest time limit of the last export of spans and metrics.
#[cfg(feature = "otel")]
const LONGEST_EXPORT: Duration = Duration::from_secs(2);

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
    pub(super) scale_out: Option<ScaleOut>,
    #[cfg(feature = "ecs")]
    pub(super) scaling: Option<ScalingTask>,
    #[cfg(feature = "otel")]
    pub(super) traces: Option<Traces>,
    #[cfg(feature = "otel")]
    pub(super) metrics_export: Option<RunningMetricsExport>,
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
    limits: DrainLimits,
    stop: &Stop,
    faults: &mut FaultWatch,
) -> Drained {
    let clock = DrainClock::start(limits.all);
    let mut drain = EngineDrain::new(parts.engines, clock);
    // First of all, so that a handler that ends during the drain or a halt does not start a waiting message.
    drain.start_no_more();
    faults.until(unless_halted(stop, drain.stop_polling_and_give_back(limits.receives))).await;
    faults.until(unless_halted(stop, drain.end_handlers())).await;
    faults.until(unless_halted(stop, drain.flush_answers())).await;
    faults.until(unless_halted(stop, drain.close_handlers())).await;
    // From here on, the end of a task is no fault.
    let drained = drain.stop_heartbeats(stop);
    #[cfg(feature = "ecs")]
    if let Some(protection) = parts.protection {
        unless_halted(stop, protection.end(remaining(clock.end(), LONGEST_RELEASE))).await;
    }
    #[cfg(feature = "ecs")]
    drop((parts.scale_out, parts.scaling));
    #[cfg(feature = "otel")]
    {
        let limit = remaining(clock.end(), LONGEST_EXPORT);
        let spans = OptionFuture::from(parts.traces.map(|traces| async move { traces.flush(limit).await }));
        let totals =
            OptionFuture::from(parts.metrics_export.map(|export| async move { export.flush(limit).await }));
        unless_halted(stop, async { (_, _) = tokio::join!(spans, totals) }).await;
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

/// The deadlines of the steps of a drain.
#[derive(Clone, Copy, Debug)]
struct DrainClock {
    began: Instant,
    limit: Duration,
}

impl DrainClock {
    fn start(limit: Duration) -> Self {
        Self { began: Instant::now(), limit }
    }

    /// The time at which this part of the limit is over; a limit without an end has one in years.
    fn at(&self, part: Duration) -> Instant {
        self.began.checked_add(part).unwrap_or_else(|| self.began + LONGEST_DRAIN)
    }

    /// The end of the part in which handlers may run.
    fn handlers(&self) -> Instant {
        self.at(handlers_part(self.limit))
    }

    /// The time at which cancelled handlers are dropped: after two sevenths of the rest.
    fn grace(&self) -> Instant {
        self.before_end(5)
    }

    /// The end of the last settlements.
    fn flush(&self) -> Instant {
        self.before_end(2)
    }

    /// The end of the handlers' processes.
    fn close(&self) -> Instant {
        self.before_end(1)
    }

    fn end(&self) -> Instant {
        self.at(self.limit)
    }

    fn before_end(&self, sevenths: u32) -> Instant {
        self.at(self.limit.saturating_sub(rest(self.limit) * sevenths / 7))
    }
}

/// The time that remains until a deadline, at most `longest`.
fn remaining(deadline: Instant, longest: Duration) -> Duration {
    deadline.saturating_duration_since(Instant::now()).min(longest)
}

/// The drain of all engines at once, step by step.
struct EngineDrain {
    engines: Vec<RunningEngine>,
    clock: DrainClock,
    undeleted_before: usize,
}

impl EngineDrain {
    fn new(engines: Vec<RunningEngine>, clock: DrainClock) -> Self {
        let undeleted_before = engines.iter().map(RunningEngine::undeleted).sum();
        Self { engines, clock, undeleted_before }
    }

    fn start_no_more(&self) {
        self.engines.iter().for_each(RunningEngine::start_nothing);
    }

    /// Gives back waiting messages, and those that receives in flight still bring.
    async fn stop_polling_and_give_back(&mut self, longest: Duration) {
        self.engines.iter().for_each(RunningEngine::give_back_waiting);
        let limit = remaining(self.clock.handlers(), longest);
        join_all(self.engines.iter_mut().map(|engine| engine.polling_stopped(limit))).await;
        self.engines.iter().for_each(RunningEngine::give_back_waiting);
    }

    /// Waits for running handlers, and cancels those that exceed their part of the limit.
    async fn end_handlers(&self) {
        if timeout_at(self.clock.handlers(), self.handlers_ended()).await.is_ok() {
            return;
        }
        events::HandlersCancelled { limit_seconds: self.clock.limit.as_secs_f64() }.emit();
        self.engines.iter().for_each(RunningEngine::cancel_handlers);
        if timeout_at(self.clock.grace(), self.handlers_ended()).await.is_ok() {
            return;
        }
        self.engines.iter().for_each(RunningEngine::drop_handlers);
        let limit = remaining(self.clock.flush(), LONGEST_FLUSH) / 2;
        if timeout(limit, self.handlers_ended()).await.is_err() {
            events::HandlerBlocks {}.emit();
        }
    }

    async fn handlers_ended(&self) {
        join_all(self.engines.iter().map(RunningEngine::handlers_ended)).await;
    }

    /// Sends the last settlements to SQS, and the last notifications in a part of the same time.
    async fn flush_answers(&self) {
        let limit = remaining(self.clock.flush(), LONGEST_FLUSH);
        let flushed = join_all(self.engines.iter().map(RunningEngine::flushed));
        let notified = join_all(self.engines.iter().map(RunningEngine::notified));
        let (flushed, _) = tokio::join!(timeout(limit, flushed), timeout(limit / 2, notified));
        if flushed.is_err() {
            events::AnswersLeft { limit_seconds: limit.as_secs_f64() }.emit();
        }
    }

    /// Lets handlers end processes and tasks outside of their calls.
    async fn close_handlers(&self) {
        let limit = remaining(self.clock.close(), LONGEST_CLOSE);
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

/// The handlers' part of the drain limit: all but 7 s, or three quarters of a limit below 28 s.
fn handlers_part(limit: Duration) -> Duration {
    limit.saturating_sub(rest(limit))
}

/// The part of the drain limit after that of the handlers: for cancelling, flushing, closing and exporting.
fn rest(limit: Duration) -> Duration {
    LONGEST_REST.min(limit / 4)
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
