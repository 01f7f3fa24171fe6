//! The trace context for a handler, in the forms that programs read: pure.

use std::borrow::Cow;

use super::Context;
use crate::{
    message::Message,
    telemetry::{
        context::{self, TraceContext},
        spans::Trace,
    },
};

/// The trace context of a call: that of its own span, or, while traces are off, the sender's, unchanged.
///
/// A sender is not trusted: a value that is not a valid trace context is left out. So each value is printable ASCII of
/// 512 bytes at most, which can be a header or a variable.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CallTrace<'a> {
    /// The W3C's `traceparent`.
    pub(super) traceparent: Option<Cow<'a, str>>,
    /// The W3C's `tracestate`.
    pub(super) tracestate: Option<Cow<'a, str>>,
    /// X-Ray's `X-Amzn-Trace-Id`.
    pub(super) xray: Option<Cow<'a, str>>,
}

impl<'a> CallTrace<'a> {
    /// For the call of one message.
    pub(super) fn of(message: &'a Message, context: &Context) -> Self {
        context.trace().map_or_else(|| Self::of_sender(message), Self::of_span)
    }

    /// For the call of a batch, whose messages may come from several traces.
    pub(super) fn of_batch(context: &Context) -> Self {
        context.trace().map(Self::of_span).unwrap_or_default()
    }

    fn of_span(trace: &Trace) -> Self {
        let span = trace.context();
        Self {
            traceparent: Some(span.traceparent().into()),
            tracestate: span.tracestate().map(Cow::from),
            xray: Some(span.xray().into()),
        }
    }

    /// The trace context that the sender attached to the message, as far as it is valid.
    pub(super) fn of_sender(message: &'a Message) -> Self {
        let [traceparent, tracestate] =
            ["traceparent", "tracestate"].map(|name| context::attribute(message, name));
        let parsed = traceparent.and_then(|text| TraceContext::from_traceparent(text, tracestate));
        let has_state = parsed.as_ref().is_some_and(|parsed| parsed.tracestate().is_some());
        Self {
            traceparent: traceparent.filter(|_| parsed.is_some()).map(Cow::from),
            tracestate: tracestate.filter(|_| has_state).map(Cow::from),
            xray: xray_of_sender(message).map(Cow::from),
        }
    }
}

/// The `AWSTraceHeader` that the sender attached to the message, if it is valid.
pub(super) fn xray_of_sender(message: &Message) -> Option<&str> {
    let header = message.system.trace_header.as_deref()?;
    TraceContext::from_xray(header).map(|_| header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

    fn sent(attributes: &[(&str, &str)], xray: Option<&str>) -> Message {
        let mut message = Message::new("id", "body");
        for (name, value) in attributes {
            message.attributes.insert((*name).to_owned(), AttributeValue::string(*value));
        }
        message.system.trace_header = xray.map(str::to_owned);
        message
    }

    #[test]
    fn the_senders_trace_is_found_in_attributes_of_any_case() {
        let message = sent(&[("Traceparent", PARENT), ("TRACESTATE", "a=1")], Some(XRAY));
        let CallTrace { traceparent, tracestate, xray } = CallTrace::of_sender(&message);
        let found = (traceparent.as_deref(), tracestate.as_deref(), xray.as_deref());
        assert_eq!(found, (Some(PARENT), Some("a=1"), Some(XRAY)));
    }

    #[test]
    fn what_is_no_trace_context_is_not_passed_on() {
        let long = "x".repeat(100_000);
        let later_version = format!("01{}-{long}", &PARENT[2..]);
        for parent in ["", "the parent", "00\nX: 1", &format!("{PARENT}\n"), &later_version] {
            let message = sent(&[("traceparent", parent), ("tracestate", "a=1")], None);
            assert_eq!(CallTrace::of_sender(&message), CallTrace::default(), "{parent:?}");
        }
        for state in ["", "no pair", "a=\u{7f}", &format!("a={long}")] {
            let message = sent(&[("traceparent", PARENT), ("tracestate", state)], None);
            let trace = CallTrace::of_sender(&message);
            assert_eq!((trace.traceparent.as_deref(), trace.tracestate), (Some(PARENT), None), "{state:?}");
        }
        for header in [
            &long,
            "Root=1",
            &format!("{XRAY};Lineage={long}"),
            &format!("{XRAY};Self=é"),
            &format!("{XRAY}\n"),
        ] {
            assert_eq!(CallTrace::of_sender(&sent(&[], Some(header))).xray, None, "{header:?}");
        }
    }

    #[test]
    fn a_trace_header_of_512_bytes_is_passed_on_and_a_longer_one_is_not() {
        let of =
            |bytes: usize| sent(&[], Some(&format!("{XRAY};Self={}", "x".repeat(bytes - XRAY.len() - 6))));
        assert_eq!(xray_of_sender(&of(512)).map(str::len), Some(512));
        assert_eq!(xray_of_sender(&of(513)), None);
    }
}
