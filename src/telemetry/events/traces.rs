//! Events of the traces on their way to their collector.

use std::{error::Error, time::Duration};

use super::events;

events! {
    TRACES = "Traces";

    /// Spans did not reach the collector, or more ended than can wait; told once a minute at most.
    warn SpansLost<'a>: "traces are lost on their way to the collector, hint: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector" {
        /// How many since it was last told.
        spans: u64,
        /// Why.
        reason: &'a str,
    }

    /// Spans reach the collector that did not for a while.
    info CollectorBack: "traces reach the collector again" {}

    /// The stop did not wait for the last spans.
    warn SpansLeft: "the collector took too long at the stop, and traces are lost" {
        /// How many.
        spans: usize,
        /// How long it had.
        limit: Duration as ?,
    }

    /// Nobody waits any more for what was sent at once for the sake of a stop.
    debug FlushUnawaited: "traces were flushed with nobody waiting any more" {}

    /// ECS does not say which task this is.
    warn TraceOriginUnknown<'a>: "the task is not known, the traces do not name it" {
        /// Why.
        error: &'a (dyn Error + 'static) as %,
    }
}
