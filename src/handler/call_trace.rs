//! The trace context for a handler, in the forms that programs read: pure.

use std::borrow::Cow;

use super::Context;
use crate::{
    message::Message,
    telemetry::{context, spans::Trace},
};

/// The trace of a call: that of its own span, or, while traces are off, what its message came with, unchanged.
///
/// Senders are not trusted: the caller makes sure that their values do no harm where they go.
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
        context.trace().map_or_else(|| Self::sent_with(message), Self::by)
    }

    /// For the call of a batch, whose messages may come from several traces.
    pub(super) fn of_batch(context: &Context) -> Self {
        context.trace().map(Self::by).unwrap_or_default()
    }

    fn by(trace: &Trace) -> Self {
        let place = trace.context();
        Self {
            traceparent: Some(place.traceparent().into()),
            tracestate: place.tracestate().map(Cow::from),
            xray: Some(place.xray().into()),
        }
    }

    /// The sender's own text, unchecked.
    pub(super) fn sent_with(message: &'a Message) -> Self {
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
    fn what_the_sender_wrote_is_found_whatever_the_case_of_its_name() {
        let mut message = Message::new("id", "body");
        for (name, value) in [("Traceparent", "the parent"), ("TRACESTATE", "the state")] {
            message.attributes.insert(name.to_owned(), AttributeValue::string(value));
        }
        let CallTrace { traceparent, tracestate, xray } = CallTrace::sent_with(&message);
        assert_eq!(
            (traceparent.as_deref(), tracestate.as_deref(), xray),
            (Some("the parent"), Some("the state"), None)
        );
    }
}
