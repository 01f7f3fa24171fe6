//! Metrics of handlers: the kind, failed calls, processes.

use std::{
    cell::Cell,
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, OnceLock},
};

use super::Outcome;
use crate::telemetry::{
    ByLabel, Ending, FailureCause, HandlerKind, IntCounter, IntGauge, Label as _, Lazily, MetricGroup,
    MetricScope, ProcessExit, ProcessState, metric_group,
};

metric_group! {
    /// Metrics of one queue's handler.
    pub struct HandlerMetrics {
        /// Always 1; the label is the handler's kind.
        pub info: ByLabel<HandlerKind, IntGauge> = "longshore_handler_info" ["queue", "kind"];
        /// Calls of the handler that failed, by cause; a retry or a reject that the handler asks for counts where the kind reports it as a failure.
        pub failures: ByLabel<FailureCause, IntCounter> = "longshore_handler_failures_total" ["queue", "cause"];
    }
}

metric_group! {
    /// Metrics of the processes of one queue's handler.
    pub struct ProcessMetrics {
        /// Processes of the handler now, by state.
        pub processes: ByLabel<ProcessState, IntGauge> = "longshore_handler_processes" ["queue", "state"];
        /// Processes of the handler started.
        pub process_starts: Lazily<IntCounter> = "longshore_handler_process_starts_total" ["queue"];
        /// Processes of the handler that ended, by cause.
        pub process_exits: ByLabel<ProcessExit, IntCounter> = "longshore_handler_process_exits_total"
            ["queue", "cause"];
    }
}

metric_group! {
    /// Metrics of one queue's handler of the `http` kind.
    pub(crate) struct HttpMetrics {
        /// Message attributes that were posted without a header: too large, of a name that no header can have, or of names that many servers take for one.
        pub(crate) attributes_left_out: Lazily<IntCounter> = "longshore_handler_attributes_left_out_total" ["queue"];
    }
}

impl ProcessMetrics {
    /// Creates the series at zero: processes in these states, starts and exits.
    pub(super) fn begin(&self, states: &[ProcessState]) {
        self.processes.begin(states);
        self.process_starts.inc_by(0);
        self.process_exits.begin(ProcessExit::ALL);
    }
}

/// Counts the failed calls of one queue's handler, except those that the handler counts itself.
#[derive(Clone)]
pub struct FailureCounter {
    metrics: Arc<HandlerMetrics>,
    counted: CountedOutcomes,
}

/// The outcomes that count as failures of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CountedOutcomes {
    /// Every outcome but done: the handler is code and counts nothing itself.
    Failures,
    /// None: the handler counts its failures itself.
    None,
}

impl FailureCounter {
    /// A counter for a handler in Rust code.
    pub fn of_code(scope: &MetricScope) -> Self {
        Self::new(scope, HandlerKind::Rust, CountedOutcomes::Failures)
    }

    fn new(scope: &MetricScope, kind: HandlerKind, counted: CountedOutcomes) -> Self {
        let metrics = scope.group::<HandlerMetrics>();
        metrics.info.of(kind).set(1);
        Self { metrics, counted }
    }

    /// Counts a call by the ends of its messages: once if any of them failed; returns the cause that it counted.
    pub fn call_ended(&self, mut endings: impl Iterator<Item = Ending>) -> Option<FailureCause> {
        let cause = endings.find_map(|ending| self.cause(ending))?;
        self.metrics.failures.of(cause).inc();
        Some(cause)
    }

    fn cause(&self, ending: Ending) -> Option<FailureCause> {
        match ending {
            Ending::TimedOut => Some(FailureCause::TimedOut),
            Ending::Panicked => Some(FailureCause::Panicked),
            _ if self.counted == CountedOutcomes::None => None,
            Ending::Retry | Ending::Reject => Some(FailureCause::Error),
            Ending::Down => Some(FailureCause::Connection),
            Ending::Done | Ending::LeaseLost | Ending::Drained => None,
        }
    }
}

impl fmt::Debug for FailureCounter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FailureCounter").finish_non_exhaustive()
    }
}

tokio::task_local! {
    /// The cause of failure of the call in this task, as its handler has counted it.
    static CALL_CAUSE: Cell<Option<FailureCause>>;
}

/// Runs a call; returns with its result the cause of failure that its handler counted meanwhile.
///
/// The call is borrowed, and this is no async function: it would have room for its argument twice for as long as the call runs.
pub(crate) fn with_cause<F: Future>(
    mut call: Pin<&mut F>,
) -> impl Future<Output = (F::Output, Option<FailureCause>)> {
    let mut cause = None;
    poll_fn(move |context| {
        let poll = || (call.as_mut().poll(context), CALL_CAUSE.with(Cell::get));
        let (polled, noted) = CALL_CAUSE.sync_scope(Cell::new(cause), poll);
        cause = noted;
        polled.map(|result| (result, cause))
    })
}

/// The metrics of a handler that counts its failures itself, with a group `G` of its own.
///
/// Nothing is counted before the handler is opened on a queue; only the first queue counts.
pub(super) struct KindMetrics<G = ()>(Arc<OnceLock<(Arc<HandlerMetrics>, Arc<G>)>>);

impl<G> Clone for KindMetrics<G> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<G> Default for KindMetrics<G> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<G> fmt::Debug for KindMetrics<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KindMetrics").finish_non_exhaustive()
    }
}

impl<G: MetricGroup> KindMetrics<G> {
    /// Registers the metrics in this scope, and counts in them from now on.
    pub(super) fn begin(&self, scope: &MetricScope, kind: HandlerKind) -> FailureCounter {
        self.0.get_or_init(|| (scope.group(), scope.group()));
        FailureCounter::new(scope, kind, CountedOutcomes::None)
    }

    /// The handler's own group, once it is opened on a queue.
    pub(super) fn group(&self) -> Option<&Arc<G>> {
        self.0.get().map(|(_, group)| group)
    }

    /// Counts a call that failed, and notes the cause for the call's own lines and span.
    pub(super) fn failed(&self, cause: FailureCause) {
        // Outside of a call, as in a probe, there is nothing to note it for.
        let _noted = CALL_CAUSE.try_with(|noted| noted.set(Some(cause)));
        if let Some((metrics, _)) = self.0.get() {
            metrics.failures.of(cause).inc();
        }
    }

    /// Counts a call that failed with this outcome, unless the worker itself was short of resources.
    pub(super) fn failed_with(&self, cause: FailureCause, outcome: &Outcome) {
        if !matches!(outcome, Outcome::ShortOfResources(_)) {
            self.failed(cause);
        }
    }
}

impl KindMetrics<ProcessMetrics> {
    /// Counts a process until the returned guard is dropped.
    pub(super) fn process(&self, state: ProcessState) -> CountedProcess {
        let counted = CountedProcess { metrics: self.group().cloned(), state };
        counted.add(1);
        counted
    }
}

/// Counts one process under its state until dropped.
pub(super) struct CountedProcess {
    metrics: Option<Arc<ProcessMetrics>>,
    state: ProcessState,
}

impl CountedProcess {
    /// Counts the process under another state.
    pub(super) fn set_state(&mut self, state: ProcessState) {
        if state != self.state {
            self.add(-1);
            self.state = state;
            self.add(1);
        }
    }

    fn add(&self, delta: i64) {
        if let Some(metrics) = &self.metrics {
            metrics.processes.of(self.state).add(delta);
        }
    }
}

impl fmt::Debug for CountedProcess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CountedProcess").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drop for CountedProcess {
    fn drop(&mut self) {
        self.add(-1);
    }
}
