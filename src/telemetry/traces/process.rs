//! The span of one call of the handler.

use std::sync::Arc;

use opentelemetry::{
    Context, KeyValue,
    trace::{Status, TraceContextExt as _},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{
    Producer, QueueTraces, Trace,
    queue::{Operation, count},
};
use crate::{
    message::Message,
    telemetry::{Ending, Label as _, context::TraceContext},
};

/// The longest reason of a handler in a span, in characters.
const WORDS: usize = 256;

/// A call of the handler that is under way; the span ends when this and the `tracing` span are dropped.
pub struct ProcessSpan {
    /// Kept so that the end can still be recorded in it.
    _span: Span,
    context: Context,
    trace: Arc<Trace>,
}

impl QueueTraces {
    /// The span of a call for these messages; `queue` is the queue's configured name.
    ///
    /// No [`ProcessSpan`] where nobody makes spans of OpenTelemetry out of those of `tracing`.
    pub fn process<'a>(
        &self,
        queue: &str,
        messages: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) -> (Span, Option<ProcessSpan>) {
        let span = span(queue, messages.clone());
        let producers: Vec<_> = messages.clone().map(TraceContext::of_message).collect();
        let parent = self.parent(&producers);
        let is_parent = parent.is_some_and(|parent| span.set_parent(parent.as_parent()).is_ok());
        let context = span.context();
        let Some(own) = TraceContext::of(context.span().span_context().clone()) else { return (span, None) };
        if context.span().is_recording() {
            self.describe(&context, messages);
            if !is_parent {
                for producer in producers.into_iter().flatten() {
                    context.span().add_link(producer.span_context().clone(), Vec::new());
                }
            }
        }
        let trace = Arc::new(Trace { context: own, traces: self.traces.clone() });
        let process = ProcessSpan { _span: span.clone(), context, trace };
        (span, Some(process))
    }

    /// The producer whose trace goes on: never one of several, for a span has one parent.
    fn parent<'p>(&self, producers: &'p [Option<TraceContext>]) -> Option<&'p TraceContext> {
        match (self.producer(), producers) {
            (Producer::Parent, [only]) => only.as_ref(),
            _ => None,
        }
    }

    fn describe<'a>(&self, context: &Context, messages: impl ExactSizeIterator<Item = &'a Message>) {
        let mut attributes = self.attributes(&Operation::PROCESS);
        let (number, mut messages) = (messages.len(), messages);
        if let (1, Some(only)) = (number, messages.next()) {
            attributes.push(KeyValue::new("messaging.message.id", only.id.to_string()));
            attributes.push(KeyValue::new("messaging.message.body.size", count(only.body.len())));
            attributes.push(KeyValue::new("aws.sqs.message.receive_count", i64::from(only.receive_count)));
        } else {
            attributes.push(KeyValue::new("messaging.batch.message_count", count(number)));
        }
        let span = context.span();
        span.update_name(self.span_name(&Operation::PROCESS));
        span.set_attributes(attributes);
    }
}

/// The span as `tracing` has it, whose fields are in every log line of the call.
fn span<'a>(queue: &str, mut messages: impl ExactSizeIterator<Item = &'a Message>) -> Span {
    let number = messages.len();
    let message_id = messages.next().map(|message| tracing::field::display(&message.id));
    match number {
        1 => tracing::info_span!("process", queue, message_id, otel.kind = "consumer"),
        messages => tracing::info_span!("process", queue, message_id, messages, otel.kind = "consumer"),
    }
}

impl ProcessSpan {
    /// The trace that it is part of.
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// Tells the span how the call ended for each of its messages, in the handler's words.
    pub fn ended<'a>(&self, endings: impl ExactSizeIterator<Item = (Ending, &'a str)>) {
        let messages = endings.len();
        let mut failed = endings.filter(|(ending, _)| !matches!(ending, Ending::Done | Ending::Drained));
        let Some((ending, words)) = failed.next() else { return };
        let others = failed.count();
        let words: String = words.chars().take(WORDS).collect();
        let description = match messages {
            1 => words,
            messages => format!("{} of {messages} messages not done: {words}", others + 1),
        };
        let span = self.context.span();
        span.set_attribute(KeyValue::new("error.type", ending.as_str()));
        span.set_status(Status::error(description));
    }
}
