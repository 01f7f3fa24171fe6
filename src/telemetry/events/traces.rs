//! Events of the traces on their way to their collector.

use std::error::Error;

use super::events;

events! {
    TRACES = "Traces";

    /// Spans did not reach the collector, or more ended than can wait; logged once a minute at most.
    warn SpansLost<'a>: "traces are lost on their way to the collector, hint: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector" {
        /// The number since the last such line.
        spans: u64,
        /// Why.
        reason: &'a str,
    }

    /// Spans reach the collector that did not for a while.
    info CollectorBack: "traces reach the collector again" {}

    /// The stop did not wait for the last spans.
    warn SpansLeft: "the collector took too long at the stop, and traces are lost" {
        /// The number of spans.
        spans: usize,
        /// The time limit.
        limit_seconds: f64,
    }

    /// Nobody waits any more for what was sent at once for the sake of a stop.
    debug FlushUnawaited: "traces were flushed with nobody waiting any more" {}

    /// ECS does not say which task this is.
    warn TraceOriginUnknown<'a>: "the task is not known, the traces do not name it" {
        /// Why.
        error: &'a (dyn Error + 'static) as %,
    }
}
