//! Availability: the reasons for which polling is paused, and the probes of the handler.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{
    breaker::{Breaker, BreakerInput, HandlerResponse, KeptFailures, KeptMessage, PAUSES},
    pause_reasons::{AvailabilityChanges, PauseReason, PauseReasons, PresentReasons},
    settings::ConsumerSettings,
    start_limit::StartLimit,
};
use crate::{
    backoff::{Backoff, Jitter},
    consumer::metrics::ConsumerMetrics,
    duration::Span,
    handler::{AnyHandler, Unavailable},
    health::{Condition, Notice},
    message::MessageId,
    telemetry::events,
};

/// The delay after which messages that waited when polling was paused are visible again; without it, this worker's own
/// receives in flight could return them at once.
pub(super) const PAUSE_DELAY: Backoff = Backoff {
    initial: Duration::from_secs(5),
    factor: 1.0,
    max: Duration::from_secs(5),
    jitter: Jitter::Half,
};
/// The time limit of one probe.
const PROBE_LIMIT: Duration = Duration::from_secs(30);
/// The longest time for which messages are kept, for want of resources or an available handler; others may have them.
const LONGEST_KEPT: Duration = Duration::from_mins(5);

/// Decides whether a queue is polled; clones share one state.
///
/// The queue is polled while there is no reason to pause. The end of one reason leaves the others.
#[derive(Clone)]
pub(super) struct Availability(Arc<Inner>);

struct Inner {
    queue: Arc<str>,
    handler: AnyHandler,
    reasons: PresentReasons,
    limits: Mutex<Limits>,
    /// False while calls start and end without a look at the limits, which is nearly always.
    is_limiting: AtomicBool,
    /// True while an operator has paused the queue, when no call starts.
    is_paused_by_operator: AtomicBool,
    /// The number of failures of the handler in a row, which decides the pauses between probes.
    failures: AtomicU32,
    ready: Condition,
    /// Shows the operator's pause, which leaves the worker ready.
    notice: Notice,
    metrics: Arc<ConsumerMetrics>,
}

/// The kept messages that are given back, unless SQS would move them to the dead-letter queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeptForLong {
    /// All that wait.
    All,
    /// Those that were first kept at this time or before.
    Since(Instant),
}

/// The limits of the calls that start.
struct Limits {
    /// After a shortage of the worker's resources.
    resources: StartLimit,
    /// After failures of the handler.
    breaker: Breaker,
}

impl Availability {
    /// Pauses the queue until the first probe of its handler succeeds; `ready` is ready while the handler is up, and the
    /// `notice` shows an operator's pause.
    pub(super) fn new(
        queue: Arc<str>,
        handler: AnyHandler,
        settings: &ConsumerSettings,
        (ready, notice): (Condition, Notice),
        metrics: Arc<ConsumerMetrics>,
    ) -> Self {
        let not_probed = (PauseReason::NotProbed, "the handler was not probed yet".into());
        let reasons = PresentReasons::new(PauseReasons::from([not_probed]));
        let concurrency = settings.concurrency;
        let breaker = Breaker::closed(concurrency, settings.breaker);
        let is_limiting = AtomicBool::new(breaker.is_watching());
        let limits = Mutex::new(Limits { resources: StartLimit::open(concurrency), breaker });
        Self(Arc::new(Inner {
            queue,
            handler,
            reasons,
            limits,
            is_limiting,
            is_paused_by_operator: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            ready,
            notice,
            metrics,
        }))
    }

    /// Returns true while there is no reason to pause.
    pub(super) fn is_open(&self) -> bool {
        self.0.reasons.look(PauseReasons::is_empty)
    }

    /// Returns true while the handler cannot be reached, and no message should wait for it.
    pub(super) fn is_handler_down(&self) -> bool {
        self.has(PauseReason::HandlerDown)
    }

    fn has(&self, reason: PauseReason) -> bool {
        self.0.reasons.look(|reasons| reasons.contains_key(&reason))
    }

    /// The reasons for which polling is paused now.
    pub(super) fn reasons(&self) -> PauseReasons {
        self.0.reasons.look(PauseReasons::clone)
    }

    /// Subscribes to the changes from now on.
    pub(super) fn changes(&self) -> AvailabilityChanges {
        self.0.reasons.changes()
    }

    /// Pauses polling for a reason; returns false if it was already paused for that reason.
    ///
    /// Held messages still run, unless the handler is down, the breaker open or the worker short of resources.
    pub(super) fn pause(&self, reason: PauseReason, details: &str) -> bool {
        let mut is_new = false;
        self.0.reasons.change(|reasons| {
            is_new = reasons.insert(reason, details.into()).is_none();
            true
        });
        is_new
    }

    /// Removes one reason to pause, the last of which resumes polling; returns false if there was no such reason.
    pub(super) fn resume(&self, reason: PauseReason) -> bool {
        self.0.reasons.change(|reasons| reasons.remove(&reason).is_some())
    }

    /// Pauses polling for an operator, with the operator's reason; no call starts any more.
    pub(super) fn pause_by_operator(&self, reason: &str) {
        let before = self.0.reasons.look(|reasons| reasons.get(&PauseReason::Operator).cloned());
        if before.as_deref() == Some(reason) {
            return;
        }
        self.pause(PauseReason::Operator, reason);
        self.0.is_paused_by_operator.store(true, Ordering::Relaxed);
        self.0.notice.show(format!("paused by the operator: {reason}"));
        events::PausedByOperator { queue: &self.0.queue, reason }.emit(&self.0.metrics.paused);
    }

    /// Ends an operator's pause, if there is one.
    pub(super) fn resume_by_operator(&self) {
        // The poller starts what waits once it notices that there is one reason fewer.
        self.0.is_paused_by_operator.store(false, Ordering::Relaxed);
        if self.resume(PauseReason::Operator) {
            self.0.notice.clear();
            events::ResumedByOperator { queue: &self.0.queue }.emit(&self.0.metrics.paused);
        }
    }

    /// Pauses polling for good, as the worker is to leave; messages that cannot be given back still run.
    pub(super) fn cordon(&self, reason: &str) {
        if self.pause(PauseReason::Cordoned, reason) {
            events::Cordoned { queue: &self.0.queue, reason }.emit(&self.0.metrics.paused);
        }
    }

    /// True once the worker is to leave.
    pub(super) fn is_cordoned(&self) -> bool {
        self.has(PauseReason::Cordoned)
    }

    /// True while an operator has paused the queue.
    pub(super) fn is_paused_by_operator(&self) -> bool {
        self.0.is_paused_by_operator.load(Ordering::Relaxed)
    }

    /// Changes the number of calls that there are slots for.
    pub(super) fn set_concurrency(&self, concurrency: usize) {
        self.limit(|Limits { resources, breaker }| {
            resources.set_concurrency(concurrency);
            breaker.set_concurrency(concurrency);
        });
    }

    /// Notes that the handler was reached.
    pub(super) fn handler_answered(&self) {
        if self.may_be_down() && !self.is_handler_down() && !self.has(PauseReason::ShortOfResources) {
            self.0.failures.store(0, Ordering::Relaxed);
        }
    }

    /// False while the handler was reached since it last failed, which is nearly always.
    fn may_be_down(&self) -> bool {
        self.0.failures.load(Ordering::Relaxed) > 0
    }

    /// Returns true if one more call may start beside the `running` ones.
    pub(super) fn may_start(&self, running: usize, now: Instant) -> bool {
        // Messages that would be in the dead-letter queue if they were given back wait for the handler.
        if self.is_paused_by_operator() || self.may_be_down() && self.is_handler_down() {
            return false;
        }
        !self.is_limiting()
            || self.limit(|Limits { resources, breaker }| {
                resources.may_start(running, now) && breaker.may_start(running, now)
            })
    }

    fn is_limiting(&self) -> bool {
        self.0.is_limiting.load(Ordering::Relaxed)
    }

    /// Returns the time at which more calls may start, while they are limited.
    pub(super) fn next_start(&self) -> Option<Instant> {
        self.limit(|Limits { resources, breaker }| {
            resources.next_change().into_iter().chain(breaker.next_change()).min()
        })
    }

    /// Notes whether a call started where one might.
    pub(super) fn tried_to_start(&self, has_started: bool, now: Instant) {
        if self.is_limiting() {
            self.limit(|Limits { resources, breaker }| {
                if has_started {
                    resources.started(now);
                    breaker.started(now);
                } else {
                    resources.nothing_to_try(now);
                }
            });
        }
    }

    /// Notes that a receive brought nothing.
    pub(super) fn nothing_received(&self, now: Instant) {
        if self.is_limiting() {
            self.limit(|limits| limits.breaker.nothing_received(now));
        }
    }

    /// Returns true while a message may be received that the breaker could try, although polling is paused.
    pub(super) fn may_receive_one_to_try(&self) -> bool {
        self.0.reasons.look(|reasons| reasons.keys().all(|reason| *reason == PauseReason::BreakerOpen))
    }

    /// Returns true if the breaker needs to know of the end of a call with this response.
    pub(super) fn watches(&self, response: HandlerResponse) -> bool {
        self.is_limiting() || response.is_unavailable() || self.may_be_down()
    }

    /// Notes the end of a call of the handler.
    pub(super) fn call_ended(&self, call: &BreakerInput<'_>) {
        self.limit(|limits| limits.breaker.call_ended(call));
    }

    /// Returns the failures after which a message is kept, by how it has been kept so far.
    pub(super) fn kept_failures(
        &self,
        message: &MessageId,
        kept: Option<KeptMessage>,
        now: Instant,
    ) -> KeptFailures {
        match kept {
            None if !self.is_limiting() => KeptFailures::UnavailableAtLastAttempt,
            kept => self.limit(|limits| limits.breaker.kept_failures(message, kept, now)),
        }
    }

    /// Returns true while calls are tried with a single message, as the breaker is open.
    pub(super) fn tries_single_messages(&self) -> bool {
        self.is_limiting() && self.limit(|limits| limits.breaker.open_reason().is_some())
    }

    /// Notes that a call that began at this time had the worker's resources.
    pub(super) fn had_resources(&self, began: Instant, now: Instant) {
        if self.is_limiting() {
            self.limit(|limits| limits.resources.had_resources(began, now));
        }
    }

    /// Pauses polling because a call did not get the worker's resources, while `running` others ran.
    pub(super) fn short_of_resources(&self, reason: &str, running: usize, now: Instant) {
        self.limit(|limits| {
            if !limits.resources.fell_short(running, now) {
                return;
            }
            self.failed();
            if self.pause(PauseReason::ShortOfResources, reason) {
                events::ShortOfResources { queue: &self.0.queue, reason, running }
                    .emit(&self.0.metrics.paused);
            }
        });
    }

    /// Returns the messages that have been kept for so long that other workers may have them.
    pub(super) fn kept_for_long(&self, now: Instant) -> Option<KeptForLong> {
        if !self.is_limiting() {
            return None;
        }
        let is_over = |since: Instant| since + LONGEST_KEPT <= now;
        let is_short = self.limit(|limits| limits.resources.short_since().is_some_and(is_over));
        Some(if is_short { KeptForLong::All } else { KeptForLong::Since(now.checked_sub(LONGEST_KEPT)?) })
    }

    /// Changes the limits of starts, and pauses or resumes polling if that follows.
    fn limit<T>(&self, change: impl FnOnce(&mut Limits) -> T) -> T {
        // The reasons change under the same lock, so that they always agree with the limits.
        let mut limits = self.0.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let was_pausing = limits.breaker.is_pausing();
        let changed = change(&mut limits);
        let Limits { resources, breaker } = &*limits;
        let is_limiting = resources.is_limiting() || breaker.is_watching();
        self.0.is_limiting.store(is_limiting, Ordering::Relaxed);
        let (queue, paused) = (&*self.0.queue, &self.0.metrics.paused);
        if resources.short_since().is_none() && self.resume(PauseReason::ShortOfResources) {
            events::ResourcesBack { queue }.emit(paused);
        }
        match breaker.open_reason() {
            // Each pause is noticed by the probes, which end it.
            Some(reason)
                if breaker.is_pausing() && !was_pausing && self.pause(PauseReason::BreakerOpen, reason) =>
            {
                events::BreakerOpened { queue, reason }.emit(paused);
            }
            None if self.resume(PauseReason::BreakerOpen) => events::BreakerClosed { queue }.emit(paused),
            _ => {}
        }
        self.show_readiness();
        changed
    }

    /// Makes the worker ready if its handler can be called.
    fn show_readiness(&self) {
        let ready = &self.0.ready;
        self.0.reasons.look(|reasons| {
            if let Some(reason) = reasons.get(&PauseReason::HandlerDown) {
                ready.unready(format!("handler is down: {reason}"));
            } else if let Some(reason) = reasons.get(&PauseReason::BreakerOpen) {
                ready.unready(format!("handler is down, the breaker is open: {reason}"));
            } else if let Some(reason) = reasons.get(&PauseReason::ShortOfResources) {
                ready.unready(format!("short of resources: {reason}"));
            } else if !reasons.contains_key(&PauseReason::NotProbed) {
                ready.ready();
            }
        });
    }

    /// Pauses polling because the handler could not be reached.
    pub(super) fn handler_is_down(&self, reason: &str) {
        let is_new = self.pause(PauseReason::HandlerDown, reason);
        self.show_readiness();
        if is_new {
            // Calls that were running together often fail together, and count as one failure.
            self.failed();
            events::HandlerDown { queue: &self.0.queue, reason }.emit(&self.0.metrics.paused);
        }
    }

    fn failed(&self) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn handler_is_up(&self) {
        self.resume(PauseReason::NotProbed);
        if self.resume(PauseReason::HandlerDown) {
            events::HandlerUp { queue: &self.0.queue }.emit(&self.0.metrics.paused);
        }
        self.show_readiness();
    }

    /// Probes the handler before the first receive, and for as long as calls may not start.
    pub(super) async fn run(self) {
        let mut changes = self.changes();
        loop {
            if self.is_failing() {
                tokio::time::sleep(self.delay_of_probe()).await;
                self.probe().await;
            } else if self.has(PauseReason::NotProbed) {
                self.probe().await;
            } else {
                changes.next().await;
            }
        }
    }

    /// Returns true while no call starts before a probe succeeds.
    fn is_failing(&self) -> bool {
        self.is_handler_down()
            || self.limit(|limits| limits.resources.is_closed() || limits.breaker.is_pausing())
    }

    /// The time until the next probe: after the pause of the breaker, if it makes one.
    fn delay_of_probe(&self) -> Duration {
        let by_breaker = self.limit(|limits| limits.breaker.is_pausing().then(|| limits.breaker.pause()));
        let by_failures = || PAUSES.random_delay(self.0.failures.load(Ordering::Relaxed));
        by_breaker.unwrap_or_else(by_failures)
    }

    async fn probe(&self) {
        let was_failing = self.is_failing();
        match self.probe_handler().await {
            Ok(()) => {
                self.handler_is_up();
                self.let_one_be_tried();
                return;
            }
            Err(Unavailable::Down(reason)) => self.handler_is_down(&reason),
            Err(Unavailable::ShortOfResources(_)) if self.has(PauseReason::ShortOfResources) => {}
            Err(Unavailable::ShortOfResources(reason)) => self.short_of_resources(&reason, 0, Instant::now()),
        }
        if was_failing {
            self.failed();
        }
        self.resume(PauseReason::NotProbed);
    }

    /// Lets one call be tried after a successful probe.
    fn let_one_be_tried(&self) {
        self.limit(|Limits { resources, breaker }| {
            resources.probed();
            breaker.pause_ended();
        });
        // The poller, which starts what waits, notices the change.
        self.0.reasons.change(|reasons| {
            reasons.contains_key(&PauseReason::ShortOfResources)
                || reasons.contains_key(&PauseReason::BreakerOpen)
        });
    }

    /// Probes the handler once; a probe that hangs or panics means that it is down, too.
    async fn probe_handler(&self) -> Result<(), Unavailable> {
        let probe = AssertUnwindSafe(async { self.0.handler.availability().await }).catch_unwind();
        match tokio::time::timeout(PROBE_LIMIT, probe).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => Err(Unavailable::Down("the probe panicked".to_owned())),
            Err(_) => Err(Unavailable::Down(format!("the probe did not end within {}", Span(PROBE_LIMIT)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{handler, health::Health, telemetry::Metrics};

    fn availability() -> Availability {
        let handler = handler::from_fn(async |_| ()).into();
        let health = Health::new();
        let (ready, notice) =
            (health.condition("orders handler", "not probed"), health.notice("orders polling"));
        Availability::new(
            "orders".into(),
            handler,
            &ConsumerSettings::default(),
            (ready, notice),
            Metrics::new().queue("orders", "orders").group(),
        )
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
        availability.pause_by_operator("maintenance");
        availability.handler_is_down("connection refused");
        availability.handler_is_up();
        assert!(!availability.is_open(), "the operator's pause is still on");
        availability.handler_is_down("connection refused");
        availability.resume_by_operator();
        assert!(!availability.is_open(), "the handler is still down");
        availability.handler_is_up();
        assert!(availability.is_open());
    }

    #[test]
    fn all_reasons_are_named_with_their_details() {
        let availability = availability();
        availability.handler_is_down("connection refused");
        availability.pause_by_operator("maintenance");
        let reasons = availability.reasons();
        assert_eq!(reasons.len(), 3);
        assert_eq!(&*reasons[&PauseReason::HandlerDown], "connection refused");
        assert_eq!(&*reasons[&PauseReason::Operator], "maintenance");
    }

    #[tokio::test]
    async fn every_change_is_noticed() {
        let availability = availability();
        let mut changes = availability.changes();
        availability.pause_by_operator("maintenance");
        changes.next().await;
        availability.resume_by_operator();
        changes.next().await;
    }

    #[test]
    fn no_call_starts_during_an_operators_pause() {
        let (availability, now) = (availability(), Instant::now());
        availability.handler_is_up();
        assert!(availability.may_start(0, now));
        availability.pause_by_operator("maintenance");
        assert!(!availability.may_start(0, now));
        availability.resume_by_operator();
        assert!(availability.may_start(0, now));
    }
}
