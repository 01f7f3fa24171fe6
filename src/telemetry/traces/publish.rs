//! The span of one publication to SNS.

use opentelemetry::{
    KeyValue,
    global::BoxedSpan,
    trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _},
};

use super::{Destination, Trace};
use crate::telemetry::context::TraceContext;

/// A publication under way; its span ends when this is dropped.
pub struct Publishing {
    span: BoxedSpan,
    context: Option<TraceContext>,
}

impl Trace {
    /// Begins a publication that is part of this trace.
    pub fn publish(&self, destination: Destination<'_>) -> Publishing {
        let name = match destination {
            Destination::Topic(arn) => arn.rsplit(':').next().unwrap_or_default(),
            Destination::Phone => "sms",
        };
        let mut attributes = vec![
            KeyValue::new("messaging.system", "aws.sns"),
            KeyValue::new("messaging.destination.name", name.to_owned()),
            KeyValue::new("messaging.operation.name", "publish"),
            KeyValue::new("messaging.operation.type", "send"),
        ];
        if let Destination::Topic(arn) = destination {
            attributes.push(KeyValue::new("aws.sns.topic.arn", arn.to_owned()));
        }
        let builder = SpanBuilder::from_name(format!("publish {name}"))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes);
        let span = self.traces.0.tracer.build_with_context(builder, &self.context().as_parent());
        let context = TraceContext::of(span.span_context().clone());
        Publishing { span, context }
    }
}

impl Publishing {
    /// The place of its span, which is what the message's receivers go on from.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Notes that SNS took the message, under this id.
    pub fn taken(mut self, message_id: &str) {
        self.span.set_attribute(KeyValue::new("messaging.message.id", message_id.to_owned()));
    }

    /// Notes that it did not, and SNS's error code if it said one.
    pub fn failed(mut self, code: Option<&str>) {
        self.span.set_attribute(KeyValue::new("error.type", code.unwrap_or("_OTHER").to_owned()));
        self.span.set_status(Status::error(""));
    }
}
