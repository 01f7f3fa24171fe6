//! The place that a message carries: that of whoever sent it.

use super::{TraceContext, b3};
use crate::message::{AttributeValue, Message};

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
