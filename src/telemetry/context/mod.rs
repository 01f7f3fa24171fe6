//! Trace contexts in every format that producers and handlers use.
//!
//! Senders are not trusted: a malformed value, or one of more than 512 bytes, is ignored.

mod formats;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/context.rs"]
pub(crate) mod fuzz;

use opentelemetry::{
    Context, ContextGuard, TraceFlags,
    trace::{FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceId, TraceState},
};

use crate::message::{AttributeValue, Message};

/// The context of one span: its trace's id, its own id, and the sampling decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    span_context: SpanContext,
    recorded: Recorded,
}

impl TraceContext {
    /// Converts from OpenTelemetry's own type; `None` if the ids are invalid.
    pub fn of(context: SpanContext) -> Option<Self> {
        let recorded = if context.is_sampled() { Recorded::Yes } else { Recorded::No };
        context.is_valid().then_some(Self { span_context: context, recorded })
    }

    /// Reads the W3C's `traceparent`, with its `tracestate` if that is valid.
    pub fn from_traceparent(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        formats::read_traceparent(traceparent, tracestate)
    }

    /// Reads `X-Amzn-Trace-Id`, which SQS carries as `AWSTraceHeader`.
    ///
    /// API Gateway and load balancers begin traces without a span. The last half of the trace's id then serves as its
    /// id: that span was never recorded, but every reader of the header derives the same id.
    pub fn from_xray(header: &str) -> Option<Self> {
        formats::read_xray(header)
    }

    /// Creates the context of a new span in a new trace that is recorded.
    pub fn fresh() -> Self {
        let random = || fastrand::u64(1..);
        let trace = u128::from(random()) << 64 | u128::from(random());
        let (trace, span) = (TraceId::from(formats::dated_trace_id(trace)), SpanId::from(random()));
        let span_context = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
        Self { span_context, recorded: Recorded::Yes }
    }

    /// The context of a span of another process, if these are valid ids.
    fn remote(trace: TraceId, span: SpanId, recorded: Recorded) -> Option<Self> {
        let span_context = SpanContext::new(trace, span, recorded.flags(), true, TraceState::NONE);
        span_context.is_valid().then_some(Self { span_context, recorded })
    }

    /// The trace's id, as logs and trace backends write it.
    pub fn trace_id(&self) -> TraceId {
        self.span_context.trace_id()
    }

    /// The span's id.
    pub fn span_id(&self) -> SpanId {
        self.span_context.span_id()
    }

    /// Converts to OpenTelemetry's own type.
    pub fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    /// Converts to a parent of further spans.
    pub fn as_parent(&self) -> Context {
        let context = Context::new().with_remote_span_context(self.span_context.clone());
        match self.recorded {
            Recorded::Undecided => context.with_value(Undecided),
            Recorded::Yes | Recorded::No => context,
        }
    }

    /// Adds this trace to log lines until the guard is dropped.
    pub fn enter(&self) -> ContextGuard {
        self.as_parent().attach()
    }

    /// Adds a context to log lines while a future runs.
    pub fn within<F: Future>(context: Option<&Self>, future: F) -> impl Future<Output = F::Output> + use<F> {
        future.with_context(context.map(Self::as_parent).unwrap_or_default())
    }

    /// Writes the W3C's `traceparent`.
    pub fn traceparent(&self) -> String {
        formats::write_traceparent(&self.span_context)
    }

    /// Writes the W3C's `tracestate`; `None` if it is empty.
    pub fn tracestate(&self) -> Option<String> {
        Some(self.span_context.trace_state().header()).filter(|text| !text.is_empty())
    }

    /// Writes X-Ray's `X-Amzn-Trace-Id`.
    pub fn xray(&self) -> String {
        formats::write_xray(&self.span_context, self.recorded)
    }
}

/// The sampling decision of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    Yes,
    No,
    /// The next sampler decides.
    Undecided,
}

/// Marks a context without a sampling decision: the flags can express only yes and no.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undecided;

impl Recorded {
    fn flags(self) -> TraceFlags {
        match self {
            Self::Yes => TraceFlags::SAMPLED,
            Self::No | Self::Undecided => TraceFlags::NOT_SAMPLED,
        }
    }
}

#[cfg(test)]
mod tests;

impl TraceContext {
    /// Reads the producer's context: the first valid one of `traceparent`, `AWSTraceHeader` and B3.
    pub fn of_message(message: &Message) -> Option<Self> {
        let text = |name: &str| attribute(message, name);
        let by_w3c = || Self::from_traceparent(text("traceparent")?, text("tracestate"));
        let by_xray = || Self::from_xray(message.system.trace_header.as_deref()?);
        let by_b3 = || formats::read_b3(text("b3")?);
        let by_several = || {
            let several = formats::B3Headers {
                trace: text("X-B3-TraceId")?,
                span: text("X-B3-SpanId"),
                sampled: text("X-B3-Sampled"),
                flags: text("X-B3-Flags"),
            };
            several.read()
        };
        by_w3c().or_else(by_xray).or_else(by_b3).or_else(by_several)
    }
}

/// The text of an attribute, whose name is compared without case: SQS preserves case, and producers differ in it.
pub(crate) fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut attributes = message.attributes.iter();
    let (_, value) = attributes.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    AttributeValue::text(value)
}
