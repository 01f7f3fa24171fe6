//! The text formats of trace contexts: the W3C's, X-Ray's and Zipkin's B3.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::{
    TraceFlags,
    trace::{SpanContext, SpanId, TraceId, TraceState},
};

use super::{Recorded, TraceContext};

/// The longest value that is read and passed on, of any format; the W3C requires this much of a `tracestate`.
///
/// HTTP servers and clients refuse long headers, and a message that is refused for its trace could never be handled.
const VALUE_BYTES: usize = 512;

/// True if every program can read the value from a header or from a variable.
fn can_be_passed_on(value: &str) -> bool {
    value.len() <= VALUE_BYTES && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Reads the W3C's headers (<https://www.w3.org/TR/trace-context/>); an invalid `tracestate` is ignored.
pub(super) fn read_traceparent(traceparent: &str, tracestate: Option<&str>) -> Option<TraceContext> {
    let mut parts = Some(traceparent).filter(|text| can_be_passed_on(text))?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version = hex(version, 2)?;
    // Later versions may append fields; 255 is forbidden.
    let is_known = match version {
        0 => parts.next().is_none(),
        other => other < 255,
    };
    let flags = u8::try_from(hex(flags, 2)?).ok()?;
    let state = tracestate.and_then(read_tracestate).unwrap_or_default();
    let flags = TraceFlags::new(flags & TraceFlags::SAMPLED.to_u8());
    let context = SpanContext::new(trace_id(trace)?, span_id(span)?, flags, true, state);
    TraceContext::of(context).filter(|_| is_known)
}

fn read_tracestate(text: &str) -> Option<TraceState> {
    can_be_passed_on(text).then(|| text.parse().ok())?
}

/// Writes the W3C's `traceparent`.
pub(super) fn write_traceparent(context: &SpanContext) -> String {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), flags)
}

/// Reads X-Ray's header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, in any order.
///
/// Without a decision (`Sampled=?`, or nothing) the next sampler decides.
pub(super) fn read_xray(header: &str) -> Option<TraceContext> {
    let header = Some(header).filter(|header| can_be_passed_on(header))?;
    let (mut trace, mut span, mut recorded) = (None, None, Recorded::Undecided);
    for (name, value) in header.split(';').filter_map(|field| field.trim().split_once('=')) {
        match name {
            "Root" => trace = Some(root(value)?),
            "Parent" => span = Some(span_id(value)?),
            "Sampled" => recorded = xray_decision(value),
            _ => {}
        }
    }
    let trace = trace?;
    TraceContext::remote(trace, span.unwrap_or_else(|| span_of(trace)), recorded)
}

/// The span for a header without one: the last half of the trace's id.
fn span_of(trace: TraceId) -> SpanId {
    trace.to_bytes().last_chunk().copied().map_or(SpanId::INVALID, SpanId::from_bytes)
}

fn xray_decision(value: &str) -> Recorded {
    match value {
        "1" => Recorded::Yes,
        "0" => Recorded::No,
        _ => Recorded::Undecided,
    }
}

/// Reads `1-`, the start in seconds, `-`, and the rest: 8 and 24 digits of one id.
fn root(value: &str) -> Option<TraceId> {
    let (time, rest) = value.strip_prefix("1-")?.split_once('-')?;
    let (time, rest) = (hex(time, 8)?, hex(rest, 24)?);
    Some(TraceId::from(time << 96 | rest))
}

/// Writes X-Ray's header.
pub(super) fn write_xray(context: &SpanContext, recorded: Recorded) -> String {
    let trace = context.trace_id().to_string();
    let (time, rest) = trace.split_at(8);
    let sampled = match recorded {
        Recorded::Yes => ";Sampled=1",
        Recorded::No => ";Sampled=0",
        Recorded::Undecided => "",
    };
    format!("Root=1-{time}-{rest};Parent={}{sampled}", context.span_id())
}

/// Puts the current time into a trace's id, as X-Ray requires: it refuses traces that began long ago.
pub(super) fn dated_trace_id(trace: u128) -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u128::from(now) << 96 | trace & (u128::MAX >> 32)
}

/// Reads Zipkin's single header (<https://github.com/openzipkin/b3-propagation>): `{trace}-{span}`, optionally `-{sampled}` and `-{parent}`.
pub(super) fn read_b3(header: &str) -> Option<TraceContext> {
    let mut parts = header.split('-');
    let (trace, span) = (b3_trace_id(parts.next()?)?, span_id(parts.next()?)?);
    let recorded = b3_decision(parts.next())?;
    let has_parent = parts.next().is_none_or(|parent| span_id(parent).is_some());
    let is_whole = has_parent && parts.next().is_none();
    is_whole.then(|| TraceContext::remote(trace, span, recorded))?
}

/// The values of Zipkin's several headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct B3Headers<'a> {
    /// `X-B3-TraceId`.
    pub(super) trace: &'a str,
    /// `X-B3-SpanId`.
    pub(super) span: Option<&'a str>,
    /// `X-B3-Sampled`.
    pub(super) sampled: Option<&'a str>,
    /// `X-B3-Flags`, of which 1 means debug.
    pub(super) flags: Option<&'a str>,
}

impl B3Headers<'_> {
    pub(super) fn read(self) -> Option<TraceContext> {
        let recorded = if self.flags == Some("1") { Recorded::Yes } else { b3_decision(self.sampled)? };
        TraceContext::remote(b3_trace_id(self.trace)?, span_id(self.span?)?, recorded)
    }
}

/// Reads a trace's id of 32 digits, or its lower half of 16.
fn b3_trace_id(text: &str) -> Option<TraceId> {
    hex(text, 16).map(TraceId::from).or_else(|| trace_id(text))
}

/// Reads a decision: `None` if it is invalid, `Undecided` if it is absent.
fn b3_decision(text: Option<&str>) -> Option<Recorded> {
    match text {
        Some("1" | "d" | "true") => Some(Recorded::Yes),
        Some("0" | "false") => Some(Recorded::No),
        None => Some(Recorded::Undecided),
        Some(_) => None,
    }
}

/// Reads exactly this many hexadecimal digits, in lower case as every format here requires.
///
/// The standard parser alone would accept a sign, capitals and fewer digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = text.len() == digits && text.bytes().all(is_hex);
    is_whole.then(|| u128::from_str_radix(text, 16).ok())?
}

/// Reads a trace's id of 32 digits.
fn trace_id(text: &str) -> Option<TraceId> {
    hex(text, 32).map(TraceId::from)
}

/// Reads a span's id of 16 digits.
fn span_id(text: &str) -> Option<SpanId> {
    hex(text, 16).and_then(|id| u64::try_from(id).ok()).map(SpanId::from)
}
