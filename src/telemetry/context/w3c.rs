//! The W3C's trace context: `traceparent` and `tracestate` (<https://www.w3.org/TR/trace-context/>).

use opentelemetry::{
    TraceFlags,
    trace::{SpanContext, TraceState},
};

use super::{TraceContext, hex};

/// The longest `tracestate` that is carried on; the W3C asks for this much.
const STATE_BYTES: usize = 512;

/// Reads the two headers; a `tracestate` that is none does no harm to its `traceparent`.
pub(super) fn read(traceparent: &str, tracestate: Option<&str>) -> Option<TraceContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version = hex::number(version, 2)?;
    // Later versions may say more after what this one says; 255 is forbidden.
    let is_known = match version {
        0 => parts.next().is_none(),
        other => other < 255,
    };
    let flags = u8::try_from(hex::number(flags, 2)?).ok()?;
    let state = tracestate.and_then(state).unwrap_or_default();
    let flags = TraceFlags::new(flags & TraceFlags::SAMPLED.to_u8());
    let context = SpanContext::new(hex::trace_id(trace)?, hex::span_id(span)?, flags, true, state);
    TraceContext::of(context).filter(|_| is_known)
}

fn state(text: &str) -> Option<TraceState> {
    let is_plain = text.len() <= STATE_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    is_plain.then(|| text.parse().ok())?
}

/// Writes a `traceparent`.
pub(super) fn traceparent(context: &SpanContext) -> String {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags)
}
