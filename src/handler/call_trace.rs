//! The trace context for a handler, in the forms that programs read: pure.

use std::borrow::Cow;

use super::Context;
use crate::{
    message::Message,
    telemetry::{context, spans::Trace},
};

/// The trace context of a call: that of its own span, or, while traces are off, the sender's, unchanged.
///
/// The sender's values are untrusted: the caller must check them before passing them on.
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

    /// The trace context that the sender attached to the message, unchecked.
    pub(super) fn of_sender(message: &'a Message) -> Self {
        let text = |name: &str| context::attribute(message, name).map(Cow::from);
        Self {
            traceparent: text("traceparent"),
            tracestate: text("tracestate"),
            xray: message.system.trace_header.as_deref().map(Cow::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    #[test]
    fn the_senders_trace_is_found_in_attributes_of_any_case() {
        let mut message = Message::new("id", "body");
        for (name, value) in [("Traceparent", "the parent"), ("TRACESTATE", "the state")] {
            message.attributes.insert(name.to_owned(), AttributeValue::string(value));
        }
        let CallTrace { traceparent, tracestate, xray } = CallTrace::of_sender(&message);
        assert_eq!(
            (traceparent.as_deref(), tracestate.as_deref(), xray),
            (Some("the parent"), Some("the state"), None)
        );
    }
}
