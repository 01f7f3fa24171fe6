//! The spans of one queue's messages, by OpenTelemetry's conventions for messaging and for SQS.

use std::time::SystemTime;

use opentelemetry::{
    Context, KeyValue, StringValue,
    trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, Tracer as _},
};
use tokio::time::Instant;
use url::Url;

use super::{Producer, QueueIdentity, Settled, Trace, Traces};
use crate::{
    message::Message,
    queue::{BatchResult, QueueError},
    telemetry::{Action, Label as _, context::TraceContext},
};

/// Makes the spans of one queue's messages; clones are the same.
#[derive(Clone, Debug)]
pub struct QueueTraces {
    pub(super) traces: Traces,
    name: StringValue,
    /// The attributes of the queue in every span.
    common: Vec<KeyValue>,
}

impl QueueTraces {
    pub(super) fn new(traces: Traces, identity: &QueueIdentity<'_>) -> Self {
        let name = StringValue::from(identity.name.to_owned());
        let mut common = vec![
            KeyValue::new("messaging.system", "aws_sqs"),
            KeyValue::new("messaging.destination.name", name.clone()),
        ];
        if let Some(url) = identity.url {
            common.push(KeyValue::new("aws.sqs.queue.url", url.to_owned()));
            common.extend(server(url));
        }
        Self { traces, name, common }
    }

    /// Those of another queue in the same traces.
    #[must_use]
    pub fn of_other(&self, identity: &QueueIdentity<'_>) -> Self {
        Self::new(self.traces.clone(), identity)
    }

    /// The attributes of every span of this operation.
    pub(super) fn attributes(&self, operation: &Operation) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(self.common.len() + 8);
        attributes.extend_from_slice(&self.common);
        attributes.push(KeyValue::new("messaging.operation.name", operation.name));
        attributes.push(KeyValue::new("messaging.operation.type", operation.kind));
        attributes
    }

    /// The name of a span of this operation.
    pub(super) fn span_name(&self, operation: &Operation) -> String {
        format!("{} {}", operation.name, self.name.as_str())
    }

    /// True if a message's own trace is the parent of its processing.
    pub(super) fn producer(&self) -> Producer {
        self.traces.0.producer
    }

    /// Records a receive, unless it brought nothing: a quiet queue would fill the traces with empty polls.
    pub fn received(&self, began: Instant, answer: &Result<Vec<Message>, QueueError>) {
        let messages = answer.as_deref().unwrap_or_default();
        if messages.is_empty() && answer.is_ok() {
            return;
        }
        let producers = messages.iter().filter_map(TraceContext::of_message);
        let links = producers.map(|producer| link(producer.span_context())).collect();
        let builder = self.builder(&Operation::of(Action::Receive), messages.len()).with_links(links);
        self.record(builder, began, &Context::new(), answer.as_ref().err().map(error_type));
    }

    /// Records a call that settled messages.
    ///
    /// One about a single call of the handler is part of that one's trace; one about several is linked to each.
    pub fn settled<T>(&self, settled: &Settled<'_>, answer: &BatchResult<T>) {
        let Settled { action, began, messages } = settled;
        let mut builder = self.builder(&Operation::of(*action), messages.len());
        if let ([(id, _)], Some(attributes)) = (messages.as_slice(), &mut builder.attributes) {
            attributes.push(KeyValue::new("messaging.message.id", id.to_string()));
        }
        let mut traces: Vec<&Trace> = messages.iter().filter_map(|(_, trace)| *trace).collect();
        traces.dedup_by_key(|trace| trace.context().span_id());
        let parent = match traces.as_slice() {
            [only] => only.context().as_parent(),
            several => {
                let links = several.iter().map(|trace| link(trace.context().span_context()));
                builder = builder.with_links(links.collect());
                Context::new()
            }
        };
        self.record(builder, *began, &parent, failure(answer));
    }

    fn builder(&self, operation: &Operation, messages: usize) -> SpanBuilder {
        let mut attributes = self.attributes(operation);
        attributes.push(KeyValue::new("messaging.batch.message_count", count(messages)));
        SpanBuilder::from_name(self.span_name(operation))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes)
    }

    /// Records what began then and ends now.
    fn record(&self, builder: SpanBuilder, began: Instant, parent: &Context, error: Option<String>) {
        let tracer = &self.traces.0.tracer;
        let start = SystemTime::now().checked_sub(began.elapsed()).unwrap_or_else(SystemTime::now);
        let mut span = tracer.build_with_context(builder.with_start_time(start), parent);
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
            span.set_status(Status::error(""));
        }
    }
}

/// The name of an action in spans, the same as in the metrics.
pub(super) struct Operation {
    pub(super) name: &'static str,
    kind: &'static str,
}

impl Operation {
    pub(super) const PROCESS: Self = Self { name: "process", kind: "process" };

    fn of(action: Action) -> Self {
        Self { name: action.as_str(), kind: action.operation_type() }
    }
}

pub(super) fn link(context: &SpanContext) -> Link {
    Link::with_context(context.clone())
}

/// Attributes count in signed numbers; no batch is near the limit of theirs.
pub(super) fn count(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

fn server(url: &str) -> Vec<KeyValue> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let host = url.host_str().map(|host| KeyValue::new("server.address", host.to_owned()));
    let port = url.port().map(|port| KeyValue::new("server.port", i64::from(port)));
    host.into_iter().chain(port).collect()
}

/// SQS's error code, or what there is instead of one.
fn error_type(error: &QueueError) -> String {
    let without_code = if error.is_timeout() { "timeout" } else { "_OTHER" };
    error.plain_code().unwrap_or(without_code).to_owned()
}

/// The kind of the call's failure, or of its first entry's.
fn failure<T>(answer: &BatchResult<T>) -> Option<String> {
    match answer {
        Err(error) => Some(error_type(error)),
        Ok(entries) => entries.iter().find_map(|entry| entry.as_ref().err()).map(|_| "_OTHER".to_owned()),
    }
}
