//! Where a handler counts what only it knows: why calls fail, and what its processes do.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::telemetry::{FailureCause, HandlerKind, ProcessState, QueueMetrics};

/// Where a handler counts, once it is told; until then nothing is counted.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<OnceLock<Arc<QueueMetrics>>>);

impl fmt::Debug for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Counts").finish_non_exhaustive()
    }
}

impl Counts {
    /// Counts here from now on; the first word is the last.
    pub(super) fn begin(&self, metrics: &Arc<QueueMetrics>, kind: HandlerKind) {
        metrics.handled_by(kind);
        self.0.get_or_init(|| metrics.clone());
    }

    /// Where it counts, if that is known yet.
    pub(super) fn metrics(&self) -> Option<&QueueMetrics> {
        self.0.get().map(|metrics| &**metrics)
    }

    /// Counts a call that failed.
    pub(super) fn failed(&self, cause: FailureCause) {
        if let Some(metrics) = self.metrics() {
            metrics.failures.of(cause).inc();
        }
    }

    /// Counts a process for as long as the answer lives.
    pub(super) fn process(&self, state: ProcessState) -> CountedProcess {
        let counted = CountedProcess { metrics: self.0.get().cloned(), state };
        counted.add(1);
        counted
    }
}

/// One process among those of its state; dropped, it is one of none.
pub(super) struct CountedProcess {
    metrics: Option<Arc<QueueMetrics>>,
    state: ProcessState,
}

impl CountedProcess {
    /// Counts it among those of another state.
    pub(super) fn turn(&mut self, state: ProcessState) {
        if state != self.state {
            self.add(-1);
            self.state = state;
            self.add(1);
        }
    }

    fn add(&self, more: i64) {
        if let Some(metrics) = &self.metrics {
            metrics.processes.of(self.state).add(more);
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
