//! The stop order, step by step.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::{
    consumer::RunningEngine,
    ecs::TaskProtection,
    stop::Stop,
    telemetry::{events, traces::Traces},
};

/// How long handlers that are told to stop may take; only one that blocks its thread takes longer than its grace.
const CANCEL_LIMIT: Duration = Duration::from_secs(2);
/// How long the last answers may take to reach SQS once no handler runs, however late that is.
const SHORTEST_FLUSH: Duration = Duration::from_secs(5);
/// How long they may take where the drain limit leaves more than that.
const LONGEST_FLUSH: Duration = Duration::from_secs(10);
/// How long handlers may take to end what they have running beside their calls, such as processes, however late that is.
const SHORTEST_CLOSE: Duration = Duration::from_secs(1);
/// How long they may take where the drain limit leaves more than that.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);

/// How long the last traces may take to reach their collector, which no work waits for.
const TRACES_LIMIT: Duration = Duration::from_secs(2);

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every message that was held is settled or given back.
    All,
    /// So many messages were still held, or done and not deleted; they come back after their visibility.
    Partly {
        /// Messages still held, or done and not deleted.
        held: usize,
    },
}

/// Drains every engine at once: polling, waiting messages, handlers, answers, and only then the handlers' own processes
/// and the keepers.
///
/// Several well-known consumers stop the heartbeat first, and then run the same messages twice.
pub(super) async fn drain(mut engines: Vec<RunningEngine>, limit: Duration, stop: &Stop) -> Drained {
    let undeleted = |engines: &[RunningEngine]| engines.iter().map(RunningEngine::undeleted).sum::<usize>();
    let undeleted_before = undeleted(&engines);
    // Before anything else: handlers that end, even after a halt, must not start what waits.
    engines.iter().for_each(RunningEngine::start_nothing);
    tokio::select! {
        () = in_order(&mut engines, limit) => {}
        // Nobody keeps their leases from here on, so they must not go on as if somebody did.
        () = stop.halted() => engines.iter().for_each(RunningEngine::cancel_handlers),
    }
    let held =
        engines.iter().map(RunningEngine::held).sum::<usize>() + undeleted(&engines) - undeleted_before;
    engines.into_iter().for_each(RunningEngine::close);
    match held {
        0 => Drained::All,
        held => Drained::Partly { held },
    }
}

/// Ends the task's protection from scale-in, once no lease is kept; after a halt it is left to its expiry.
pub(super) async fn unprotect(protection: TaskProtection, stop: &Stop) {
    unless_halted(stop, protection.end()).await;
}

/// Sends the traces that wait to be sent, when there will be no more; after a halt they are lost.
pub(super) async fn flush(traces: &Traces, stop: &Stop) {
    unless_halted(stop, traces.flush(TRACES_LIMIT)).await;
}

async fn unless_halted(stop: &Stop, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop.halted() => {}
        () = work => {}
    }
}

async fn in_order(engines: &mut [RunningEngine], limit: Duration) {
    let began = Instant::now();
    let left = |of: Duration| of.saturating_sub(began.elapsed());
    engines.iter().for_each(RunningEngine::give_back_waiting);
    join_all(engines.iter_mut().map(RunningEngine::polling_stopped)).await;
    engines.iter().for_each(RunningEngine::give_back_waiting);
    let handlers_ended = join_all(engines.iter().map(RunningEngine::handlers_ended));
    if timeout(left(handlers_part(limit)), handlers_ended).await.is_err() {
        cancel_handlers(engines, limit).await;
    }
    let flush_limit = left(limit).clamp(SHORTEST_FLUSH, LONGEST_FLUSH);
    let flushed = join_all(engines.iter().map(RunningEngine::flushed));
    // Notifications have a part of the same time; what is left of them is counted at the close.
    let notified = timeout(SHORTEST_FLUSH, join_all(engines.iter().map(RunningEngine::notified)));
    let (flushed, _) = tokio::join!(timeout(flush_limit, flushed), notified);
    if flushed.is_err() {
        events::AnswersLeft { limit: flush_limit }.emit();
    }
    let closed = join_all(engines.iter().map(RunningEngine::close_handler));
    let close_limit = left(limit).clamp(SHORTEST_CLOSE, LONGEST_CLOSE);
    if timeout(close_limit, closed).await.is_err() {
        events::HandlerNotClosed { limit: close_limit }.emit();
    }
}

async fn cancel_handlers(engines: &[RunningEngine], limit: Duration) {
    events::HandlersTold { limit }.emit();
    engines.iter().for_each(RunningEngine::cancel_handlers);
    let cancelled = join_all(engines.iter().map(RunningEngine::handlers_ended));
    if timeout(CANCEL_LIMIT, cancelled).await.is_err() {
        events::HandlerBlocks {}.emit();
    }
}

/// The handlers' part of the drain limit: all but what cancelling and flushing take after them.
///
/// They keep three quarters of a limit so short that it would leave them little; it is then exceeded a little.
fn handlers_part(limit: Duration) -> Duration {
    limit.saturating_sub((CANCEL_LIMIT + SHORTEST_FLUSH).min(limit / 4))
}

/// Whether a stop may have to cut a handler that has this time limit.
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
    fn what_follows_the_handlers_fits_into_the_limit() {
        assert_eq!(handlers_part(secs(110)), secs(103));
        assert_eq!(handlers_part(secs(28)), secs(21));
    }

    #[test]
    fn work_that_ends_within_the_handlers_part_is_never_cut() {
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
