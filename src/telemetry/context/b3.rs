//! Zipkin's B3, in one header or in several (<https://github.com/openzipkin/b3-propagation>).

use opentelemetry::trace::TraceId;

use super::{Recorded, TraceContext, hex};

/// Reads the single header: `{trace}-{span}`, and perhaps `-{sampled}` and `-{parent}`.
pub(super) fn read_single(header: &str) -> Option<TraceContext> {
    let mut parts = header.split('-');
    let (trace, span) = (trace_id(parts.next()?)?, hex::span_id(parts.next()?)?);
    let recorded = decision(parts.next())?;
    let has_parent = parts.next().is_none_or(|parent| hex::span_id(parent).is_some());
    let is_whole = has_parent && parts.next().is_none();
    is_whole.then(|| TraceContext::remote(trace, span, recorded))?
}

/// The values of the several headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Several<'a> {
    /// `X-B3-TraceId`.
    pub(super) trace: &'a str,
    /// `X-B3-SpanId`.
    pub(super) span: Option<&'a str>,
    /// `X-B3-Sampled`.
    pub(super) sampled: Option<&'a str>,
    /// `X-B3-Flags`, of which 1 means debug.
    pub(super) flags: Option<&'a str>,
}

impl Several<'_> {
    pub(super) fn read(self) -> Option<TraceContext> {
        let recorded = if self.flags == Some("1") { Recorded::Yes } else { decision(self.sampled)? };
        TraceContext::remote(trace_id(self.trace)?, hex::span_id(self.span?)?, recorded)
    }
}

/// An id of 16 digits is the lower half of one of 32.
fn trace_id(text: &str) -> Option<TraceId> {
    hex::number(text, 16).map(TraceId::from).or_else(|| hex::trace_id(text))
}

/// `None` for what is no decision; its absence leaves it to us.
fn decision(text: Option<&str>) -> Option<Recorded> {
    match text {
        Some("1" | "d" | "true") => Some(Recorded::Yes),
        Some("0" | "false") => Some(Recorded::No),
        None => Some(Recorded::Undecided),
        Some(_) => None,
    }
}
