//! Where in a trace something happens, in every form that producers and handlers write it: pure.
//!
//! What a message carries was written by a stranger: a value that is not exactly what its format says is as good as none.

mod b3;
mod carried;
mod hex;
mod w3c;
mod xray;

use opentelemetry::{
    TraceFlags,
    trace::{SpanContext, SpanId, TraceId, TraceState},
};

/// The place of one span in its trace: the trace's id, the span's own, and whether the trace is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext(SpanContext);

impl TraceContext {
    /// The place that this is; `None` for that of no span.
    pub fn of(context: SpanContext) -> Option<Self> {
        context.is_valid().then_some(Self(context))
    }

    /// The header `traceparent` of the W3C, with its `tracestate` if that is one.
    pub fn from_traceparent(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        w3c::read(traceparent, tracestate)
    }

    /// The header `X-Amzn-Trace-Id`, which SQS carries as `AWSTraceHeader`.
    ///
    /// One that names a trace and no span in it, as API Gateway and load balancers send it, is none.
    pub fn from_xray(header: &str) -> Option<Self> {
        xray::read(header)
    }

    /// The place of a span that exists nowhere else, in a new trace that is recorded.
    pub fn fresh() -> Self {
        let random = || fastrand::u64(1..);
        let trace = u128::from(random()) << 64 | u128::from(random());
        let (trace, span) = (TraceId::from(xray::dated(trace)), SpanId::from(random()));
        Self(SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE))
    }

    /// A place elsewhere, if these are ids.
    fn remote(trace: TraceId, span: SpanId, recorded: Recorded) -> Option<Self> {
        Self::of(SpanContext::new(trace, span, recorded.flags(), true, TraceState::NONE))
    }

    /// The trace's id, as logs and trace backends write it.
    pub fn trace_id(&self) -> TraceId {
        self.0.trace_id()
    }

    /// The span's id.
    pub fn span_id(&self) -> SpanId {
        self.0.span_id()
    }

    /// The same as OpenTelemetry's own type.
    pub fn span_context(&self) -> &SpanContext {
        &self.0
    }

    /// As the W3C's `traceparent`.
    pub fn traceparent(&self) -> String {
        w3c::traceparent(&self.0)
    }

    /// As the W3C's `tracestate`; `None` where there is nothing to say.
    pub fn tracestate(&self) -> Option<String> {
        Some(self.0.trace_state().header()).filter(|text| !text.is_empty())
    }

    /// As X-Ray's `X-Amzn-Trace-Id`.
    pub fn xray(&self) -> String {
        xray::written(&self.0)
    }
}

/// Whether what happens in a trace is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    Yes,
    No,
}

impl Recorded {
    fn flags(self) -> TraceFlags {
        match self {
            Self::Yes => TraceFlags::SAMPLED,
            Self::No => TraceFlags::NOT_SAMPLED,
        }
    }
}

#[cfg(test)]
mod tests;
