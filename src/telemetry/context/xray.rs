//! X-Ray's trace header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, TraceId};

use super::{Recorded, TraceContext, hex};

/// Reads the header; of its fields the three that tell the place, in whatever order.
///
/// Without a decision (`Sampled=?`, or nothing) the trace counts as not recorded, as in OpenTelemetry's own propagator.
pub(super) fn read(header: &str) -> Option<TraceContext> {
    let (mut trace, mut span, mut recorded) = (None, None, Recorded::No);
    for (name, value) in header.split(';').filter_map(|field| field.trim().split_once('=')) {
        match name {
            "Root" => trace = root(value),
            "Parent" => span = hex::span_id(value),
            "Sampled" if value == "1" => recorded = Recorded::Yes,
            _ => {}
        }
    }
    TraceContext::remote(trace?, span?, recorded)
}

/// `1-`, the time of its beginning in seconds, and the rest: 8 and 24 digits of one id.
fn root(value: &str) -> Option<TraceId> {
    let (time, rest) = value.strip_prefix("1-")?.split_once('-')?;
    let (time, rest) = (hex::number(time, 8)?, hex::number(rest, 24)?);
    Some(TraceId::from(time << 96 | rest))
}

/// Writes the header.
pub(super) fn written(context: &SpanContext) -> String {
    let trace = context.trace_id().to_string();
    let (time, rest) = trace.split_at(8);
    let sampled = u8::from(context.is_sampled());
    format!("Root=1-{time}-{rest};Parent={};Sampled={sampled}", context.span_id())
}

/// The id with the present time where X-Ray looks for it: it refuses traces that began long ago.
pub(super) fn dated(trace: u128) -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u128::from(now) << 96 | trace & (u128::MAX >> 32)
}
