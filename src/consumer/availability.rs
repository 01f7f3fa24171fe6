//! Availability: the reasons for which polling is paused, and the probes of the handler.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    backoff::{Backoff, Jitter},
    consumer::metrics::ConsumerMetrics,
    duration::Span,
    handler::AnyHandler,
    health::Condition,
    telemetry::events,
};

/// The pauses between probes of a handler that is down.
const PROBES: Backoff = Backoff {
    initial: Duration::from_millis(250),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};
/// The time limit of one probe.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// A reason for which polling is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PauseReason {
    /// The handler was not probed yet.
    NotProbed,
    /// The handler cannot be reached.
    HandlerDown,
    /// An operator has paused the queue.
    #[cfg_attr(not(test), expect(dead_code, reason = "operators will pause by hand"))]
    Operator,
}

/// The reasons for which polling is paused, each with its details; none while the queue is polled.
pub(super) type PauseReasons = BTreeMap<PauseReason, Arc<str>>;

/// Decides whether a queue is polled; clones share one state.
///
/// The queue is polled while there is no reason to pause. The end of one reason leaves the others.
#[derive(Clone)]
pub(super) struct Availability(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    handler: AnyHandler,
    reasons: watch::Sender<PauseReasons>,
    /// The number of failures of the handler in a row, which decides the pauses between probes.
    failures: AtomicU32,
    ready: Condition,
    metrics: Arc<ConsumerMetrics>,
}

/// The changes of a queue's availability, none of them missed.
pub(super) struct AvailabilityChanges(watch::Receiver<PauseReasons>);

impl AvailabilityChanges {
    /// Waits for a change since the last wait.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Without a sender there are no further changes.
            std::future::pending::<()>().await;
        }
    }
}

impl Availability {
    /// Pauses the queue until the first probe of its handler succeeds; `ready` is ready while the handler is up.
    pub(super) fn new(
        queue: Arc<str>,
        handler: AnyHandler,
        ready: Condition,
        metrics: Arc<ConsumerMetrics>,
    ) -> Self {
        let not_probed = (PauseReason::NotProbed, "the handler was not probed yet".into());
        let reasons = watch::Sender::new(PauseReasons::from([not_probed]));
        Self(Arc::new(Inner { queue, handler, reasons, failures: AtomicU32::new(0), ready, metrics }))
    }

    /// Returns true while there is no reason to pause.
    pub(super) fn is_open(&self) -> bool {
        self.0.reasons.borrow().is_empty()
    }

    /// Returns true while the handler cannot be reached, and no message should wait for it.
    pub(super) fn is_handler_down(&self) -> bool {
        self.has(PauseReason::HandlerDown)
    }

    fn has(&self, reason: PauseReason) -> bool {
        self.0.reasons.borrow().contains_key(&reason)
    }

    /// The reasons for which polling is paused now.
    pub(super) fn reasons(&self) -> PauseReasons {
        self.0.reasons.borrow().clone()
    }

    /// Subscribes to the changes from now on.
    pub(super) fn changes(&self) -> AvailabilityChanges {
        AvailabilityChanges(self.0.reasons.subscribe())
    }

    /// Pauses polling for a reason; returns false if it was already paused for that reason.
    ///
    /// Held messages still run, unless the handler is down.
    pub(super) fn pause(&self, reason: PauseReason, details: &str) -> bool {
        let mut is_new = false;
        self.0.reasons.send_modify(|reasons| {
            is_new = reasons.insert(reason, details.into()).is_none();
        });
        is_new
    }

    /// Removes one reason to pause, the last of which resumes polling; returns false if there was no such reason.
    pub(super) fn resume(&self, reason: PauseReason) -> bool {
        self.0.reasons.send_if_modified(|reasons| reasons.remove(&reason).is_some())
    }

    /// Notes that the handler was reached.
    pub(super) fn handler_answered(&self) {
        if self.0.failures.load(Ordering::Relaxed) > 0 && !self.is_handler_down() {
            self.0.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Pauses polling because the handler could not be reached.
    pub(super) fn handler_is_down(&self, reason: &str) {
        self.0.ready.unready(format!("handler is down: {reason}"));
        if self.pause(PauseReason::HandlerDown, reason) {
            // Calls that were running together often fail together, and count as one failure.
            self.found_down();
            events::HandlerDown { queue: &self.0.queue, reason }.emit(&self.0.metrics.paused);
        }
    }

    fn found_down(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn handler_is_up(&self) {
        self.0.ready.ready();
        self.resume(PauseReason::NotProbed);
        if self.resume(PauseReason::HandlerDown) {
            events::HandlerUp { queue: &self.0.queue }.emit(&self.0.metrics.paused);
        }
    }

    /// Probes the handler before the first receive and for as long as it is down.
    pub(super) async fn run(self) {
        let mut changes = self.changes();
        loop {
            if self.is_handler_down() {
                tokio::time::sleep(PROBES.random_delay(self.0.failures.load(Ordering::Relaxed))).await;
                self.probe().await;
            } else if self.has(PauseReason::NotProbed) {
                self.probe().await;
            } else {
                changes.next().await;
            }
        }
    }

    async fn probe(&self) {
        let was_down = self.is_handler_down();
        match self.probe_handler().await {
            Ok(()) => self.handler_is_up(),
            Err(reason) => {
                if was_down {
                    self.found_down();
                }
                self.handler_is_down(&reason);
                self.resume(PauseReason::NotProbed);
            }
        }
    }

    /// Probes the handler once; a probe that hangs or panics means that it is down, too.
    async fn probe_handler(&self) -> Result<(), String> {
        let probe = AssertUnwindSafe(async { self.0.handler.probe().await }).catch_unwind();
        match tokio::time::timeout(PROBE_LIMIT, probe).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => Err("the probe panicked".to_owned()),
            Err(_) => Err(format!("the probe did not end within {}", Span(PROBE_LIMIT))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{handler, health::Health, telemetry::Metrics};

    fn availability() -> Availability {
        let handler = handler::from_fn(async |_| ()).into();
        let ready = Health::new().condition("orders handler", "not probed");
        Availability::new("orders".into(), handler, ready, Metrics::new().queue("orders", "orders").group())
    }

    #[test]
    fn a_queue_is_polled_once_its_handler_was_reached() {
        let availability = availability();
        assert!(!availability.is_open());
        availability.handler_is_up();
        assert!(availability.is_open());
    }

    #[test]
    fn the_end_of_one_reason_leaves_the_others() {
        let availability = availability();
        availability.handler_is_up();
        assert!(availability.pause(PauseReason::Operator, "maintenance"));
        assert!(!availability.pause(PauseReason::Operator, "maintenance"), "paused already");
        availability.handler_is_down("connection refused");
        availability.handler_is_up();
        assert!(!availability.is_open(), "the operator's pause is still on");
        availability.handler_is_down("connection refused");
        assert!(availability.resume(PauseReason::Operator));
        assert!(!availability.resume(PauseReason::Operator), "resumed already");
        assert!(!availability.is_open(), "the handler is still down");
        availability.handler_is_up();
        assert!(availability.is_open());
    }

    #[test]
    fn all_reasons_are_named_with_their_details() {
        let availability = availability();
        availability.handler_is_down("connection refused");
        availability.pause(PauseReason::Operator, "maintenance");
        let reasons = availability.reasons();
        assert_eq!(reasons.len(), 3);
        assert_eq!(&*reasons[&PauseReason::HandlerDown], "connection refused");
        assert_eq!(&*reasons[&PauseReason::Operator], "maintenance");
    }

    #[tokio::test]
    async fn every_change_is_noticed() {
        let availability = availability();
        let mut changes = availability.changes();
        availability.pause(PauseReason::Operator, "maintenance");
        changes.next().await;
        availability.resume(PauseReason::Operator);
        changes.next().await;
    }
}
