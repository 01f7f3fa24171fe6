//! X-Ray's trace header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, TraceId};

use super::{Recorded, TraceContext, hex};

/// Reads the header: the three fields of a trace context, in any order.
///
/// Without a decision (`Sampled=?`, or nothing) it is left to whoever reads it.
pub(super) fn read(header: &str) -> Option<TraceContext> {
    let (mut trace, mut span, mut recorded) = (None, None, Recorded::Undecided);
    for (name, value) in header.split(';').filter_map(|field| field.trim().split_once('=')) {
        match name {
            "Root" => trace = Some(root(value)?),
            "Parent" => span = Some(hex::span_id(value)?),
            "Sampled" => recorded = decision(value),
            _ => {}
        }
    }
    let trace = trace?;
    TraceContext::remote(trace, span.unwrap_or_else(|| within(trace)), recorded)
}

/// The span that a trace without one is said to be in: the last half of its own id.
fn within(trace: TraceId) -> SpanId {
    trace.to_bytes().last_chunk().copied().map_or(SpanId::INVALID, SpanId::from_bytes)
}

fn decision(value: &str) -> Recorded {
    match value {
        "1" => Recorded::Yes,
        "0" => Recorded::No,
        _ => Recorded::Undecided,
    }
}

/// `1-`, the time of its beginning in seconds, and the rest: 8 and 24 digits of one id.
fn root(value: &str) -> Option<TraceId> {
    let (time, rest) = value.strip_prefix("1-")?.split_once('-')?;
    let (time, rest) = (hex::number(time, 8)?, hex::number(rest, 24)?);
    Some(TraceId::from(time << 96 | rest))
}

/// Writes the header.
pub(super) fn written(context: &SpanContext, recorded: Recorded) -> String {
    let trace = context.trace_id().to_string();
    let (time, rest) = trace.split_at(8);
    let sampled = match recorded {
        Recorded::Yes => ";Sampled=1",
        Recorded::No => ";Sampled=0",
        Recorded::Undecided => "",
    };
    format!("Root=1-{time}-{rest};Parent={}{sampled}", context.span_id())
}

/// The id with the present time where X-Ray looks for it: it refuses traces that began long ago.
pub(super) fn dated(trace: u128) -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u128::from(now) << 96 | trace & (u128::MAX >> 32)
}
