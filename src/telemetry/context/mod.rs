//! Trace contexts in every form that producers and handlers write them.
//!
//! Senders are not trusted: a value that is not exactly of its format is ignored.

mod b3;
mod hex;
mod w3c;
mod xray;

use opentelemetry::{
    Context, ContextGuard, TraceFlags,
    trace::{FutureExt as _, SpanContext, SpanId, TraceContextExt as _, TraceId, TraceState},
};

use crate::message::{AttributeValue, Message};

/// The place of one span in its trace: the trace's id, the span's own, and whether the trace is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    place: SpanContext,
    recorded: Recorded,
}

impl TraceContext {
    /// The place that this is; `None` for that of no span.
    pub fn of(context: SpanContext) -> Option<Self> {
        let recorded = if context.is_sampled() { Recorded::Yes } else { Recorded::No };
        context.is_valid().then_some(Self { place: context, recorded })
    }

    /// The header `traceparent` of the W3C, with its `tracestate` if that is one.
    pub fn from_traceparent(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        w3c::read(traceparent, tracestate)
    }

    /// The header `X-Amzn-Trace-Id`, which SQS carries as `AWSTraceHeader`.
    ///
    /// One that names a trace and no span in it, as API Gateway and load balancers begin one, stands for a span whose
    /// id is the last half of the trace's: nobody has recorded it, but all who read the header find the same.
    pub fn from_xray(header: &str) -> Option<Self> {
        xray::read(header)
    }

    /// The place of a span that exists nowhere else, in a new trace that is recorded.
    pub fn fresh() -> Self {
        let random = || fastrand::u64(1..);
        let trace = u128::from(random()) << 64 | u128::from(random());
        let (trace, span) = (TraceId::from(xray::dated(trace)), SpanId::from(random()));
        let place = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
        Self { place, recorded: Recorded::Yes }
    }

    /// A place elsewhere, if these are ids.
    fn remote(trace: TraceId, span: SpanId, recorded: Recorded) -> Option<Self> {
        let place = SpanContext::new(trace, span, recorded.flags(), true, TraceState::NONE);
        place.is_valid().then_some(Self { place, recorded })
    }

    /// The trace's id, as logs and trace backends write it.
    pub fn trace_id(&self) -> TraceId {
        self.place.trace_id()
    }

    /// The span's id.
    pub fn span_id(&self) -> SpanId {
        self.place.span_id()
    }

    /// Converts to OpenTelemetry's own type.
    pub fn span_context(&self) -> &SpanContext {
        &self.place
    }

    /// Converts to a parent of further spans.
    pub fn as_parent(&self) -> Context {
        let context = Context::new().with_remote_span_context(self.place.clone());
        match self.recorded {
            Recorded::Undecided => context.with_value(Undecided),
            Recorded::Yes | Recorded::No => context,
        }
    }

    /// Has log lines name this trace for as long as the answer lives.
    pub fn enter(&self) -> ContextGuard {
        self.as_parent().attach()
    }

    /// Has log lines name the context for as long as a future runs.
    pub fn within<F: Future>(place: Option<&Self>, future: F) -> impl Future<Output = F::Output> + use<F> {
        future.with_context(place.map(Self::as_parent).unwrap_or_default())
    }

    /// As the W3C's `traceparent`.
    pub fn traceparent(&self) -> String {
        w3c::traceparent(&self.place)
    }

    /// As the W3C's `tracestate`; `None` where there is nothing to say.
    pub fn tracestate(&self) -> Option<String> {
        Some(self.place.trace_state().header()).filter(|text| !text.is_empty())
    }

    /// As X-Ray's `X-Amzn-Trace-Id`.
    pub fn xray(&self) -> String {
        xray::written(&self.place, self.recorded)
    }
}

/// The sampling decision of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    Yes,
    No,
    /// Whoever comes next decides.
    Undecided,
}

/// Marks the context of a place whose trace nobody has decided about: its flags can say yes and no alone.
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
    /// Reads what the producer wrote: `traceparent`, then `AWSTraceHeader`, then B3.
    ///
    /// The first that is valid counts.
    pub fn of_message(message: &Message) -> Option<Self> {
        let text = |name: &str| attribute(message, name);
        let by_w3c = || Self::from_traceparent(text("traceparent")?, text("tracestate"));
        let by_xray = || Self::from_xray(message.system.trace_header.as_deref()?);
        let by_b3 = || b3::read_single(text("b3")?);
        let by_several = || {
            let several = b3::Several {
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

/// The text of an attribute, whatever the case of its name: SQS keeps it as it was sent, and so the producers differ.
pub fn attribute<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let mut attributes = message.attributes.iter();
    let (_, value) = attributes.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
    AttributeValue::text(value)
}
