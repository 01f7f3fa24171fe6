//! The metrics of one queue, each already looked up.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prometheus::{Counter, Histogram, IntCounter, IntGauge, IntGaugeVec};
use tokio::time::Instant;

use super::{ByLabel, Depth, GroupTally, Lazily};
use crate::telemetry::{
    Action, CallResult, Ending, FailureCause, HandlerKind, Label as _, Notified, Occasion, ProcessExit,
    ProcessState, sampler::Sampler,
};

/// What is known of a queue once it is open, for the labels of its metrics.
#[derive(Clone, Debug)]
pub struct Described {
    /// The queue's name in SQS.
    pub destination: Arc<str>,
    /// What its messages go to, where the handler does not say so itself.
    pub kind: HandlerKind,
}

/// The metrics of one queue, each already looked up.
///
/// Counters and gauges that every queue has are there from the start; those that only some queues have, and
/// histograms, begin with their first value.
pub struct QueueMetrics {
    /// Messages received.
    pub consumed: Lazily<IntCounter>,
    /// Messages whose handler was started.
    pub started: IntCounter,
    /// Messages whose handler ended.
    pub ended: ByLabel<Ending, IntCounter>,
    /// Messages given back before their handler started.
    pub given_back: IntCounter,
    /// Messages received again and not run again.
    pub duplicates: IntCounter,
    /// How long messages were in their call, in seconds.
    pub process_time: ByLabel<Ending, Histogram>,
    /// Seconds that calls took, each counted once.
    pub work_seconds: Counter,
    /// From send to start, in seconds.
    pub queue_wait: Lazily<Histogram>,
    /// Messages in a call of the handler now.
    pub running: IntGauge,
    /// Calls of the handler running now.
    pub calls_running: IntGauge,
    /// The most handlers at once.
    pub concurrency: IntGauge,
    /// Messages held now.
    pub held: IntGauge,
    /// The most messages held at once.
    pub room: IntGauge,
    /// The message groups of those held.
    pub groups: GroupTally,
    /// Leases extended.
    pub extensions: IntCounter,
    /// Leases lost.
    pub lost: IntCounter,
    /// Messages copied, deleted or given back.
    pub settled: ByLabel<Action, IntCounter>,
    /// Entries tried again.
    pub settle_retries: ByLabel<Action, IntCounter>,
    /// Entries given up.
    pub settle_failures: ByLabel<Action, IntCounter>,
    /// Notifications.
    pub notifications: ByLabel<Occasion, ByLabel<Notified, IntCounter>>,
    /// Calls to SQS.
    pub calls: ByLabel<Action, ByLabel<CallResult, IntCounter>>,
    /// How long calls to SQS took, in seconds.
    pub operation_time: ByLabel<Action, ByLabel<CallResult, Histogram>>,
    /// Publish calls to SNS.
    pub sns_calls: ByLabel<CallResult, IntCounter>,
    /// How long publish calls to SNS took, in seconds.
    pub publish_time: ByLabel<CallResult, Histogram>,
    /// Receives under way now.
    pub pollers: IntGauge,
    /// Whether polling is paused.
    pub paused: IntGauge,
    /// How many messages the queue has, as far as that is known.
    pub depth: Depth,
    /// Calls of the handler that failed.
    pub failures: ByLabel<FailureCause, IntCounter>,
    /// Processes of the handler.
    pub processes: ByLabel<ProcessState, IntGauge>,
    /// Processes started.
    pub process_starts: Lazily<IntCounter>,
    /// Processes that ended.
    pub process_exits: ByLabel<ProcessExit, IntCounter>,
    /// Which warnings about single messages are logged as such.
    pub(in crate::telemetry) warnings: Sampler,
    pub(super) kind: OnceLock<HandlerKind>,
    pub(super) handler_info: IntGaugeVec,
    pub(super) poll_age: IntGauge,
    pub(super) last_poll: Mutex<Instant>,
    pub(super) name: Arc<str>,
    pub(super) described: Arc<OnceLock<Described>>,
}

impl QueueMetrics {
    /// Notes the kind of the handler that counts its failures here itself; the first word counts.
    ///
    /// The handlers of the kinds do so wherever they are used, so that none is taken for code that counts nothing.
    pub fn handled_by(&self, kind: HandlerKind) {
        self.kind.get_or_init(|| kind);
    }

    /// Notes what is known of the queue now that it is open; the first time counts.
    pub fn describe(&self, described: Described) {
        let kind = *self.kind.get_or_init(|| described.kind);
        self.described.get_or_init(|| described);
        self.handler_info.with_label_values(&[&*self.name, kind.as_str()]).set(1);
        self.consumed.inc_by(0);
        match kind {
            HandlerKind::Lambda => self.processes.begin(ProcessState::ALL),
            HandlerKind::Exec => self.processes.begin(&[ProcessState::Busy]),
            HandlerKind::Rust | HandlerKind::Http | HandlerKind::Sns => return,
        }
        self.process_starts.inc_by(0);
        self.process_exits.begin(ProcessExit::ALL);
    }

    /// Notes a call to SQS that was begun at `began` and ends now.
    pub fn called(&self, action: Action, result: CallResult, began: Instant) {
        self.calls.of(action).of(result).inc();
        self.operation_time.of(action).of(result).observe(began.elapsed().as_secs_f64());
        if action == Action::Receive && result == CallResult::Ok {
            *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// Notes how a call of the handler ended for its messages, where that tells a failure; the kinds tell theirs themselves.
    pub fn call_ended(&self, mut endings: impl Iterator<Item = Ending>) {
        let kind = self.kind.get().copied().unwrap_or(HandlerKind::Rust);
        if let Some(cause) = endings.find_map(|ending| FailureCause::of(ending, kind)) {
            self.failures.of(cause).inc();
        }
    }

    /// Notes a publish call to SNS that was begun at `began` and ends now.
    pub fn published(&self, result: CallResult, began: Instant) {
        self.sns_calls.of(result).inc();
        self.publish_time.of(result).observe(began.elapsed().as_secs_f64());
    }

    /// Whole seconds since a receive was last answered; since the start when none was.
    pub fn poll_age_seconds(&self) -> u64 {
        self.last_poll.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs()
    }

    /// How long this worker alone would need for what is visible and in flight, in seconds, where that is known.
    pub fn backlog_seconds(&self) -> Option<f64> {
        self.depth.backlog_seconds(self.slots())
    }

    #[expect(clippy::cast_precision_loss, reason = "no worker has 2^53 slots")]
    fn slots(&self) -> f64 {
        self.concurrency.get() as f64
    }

    /// Brings up to now what nothing else sets.
    pub(super) fn refresh(&self, now: Instant) {
        self.poll_age.set(i64::try_from(self.poll_age_seconds()).unwrap_or(i64::MAX));
        self.depth.refresh(self.slots(), now);
        self.groups.refresh();
    }
}
