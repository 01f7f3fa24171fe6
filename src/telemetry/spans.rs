//! The spans of messages, calls and publications, by OpenTelemetry's conventions for messaging, SQS and SNS.
//!
//! They are created through OpenTelemetry's API. The feature `otel` (`traces`) provides the tracer and exports them.

use std::{
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};

use humantime::format_rfc3339_millis;
use opentelemetry::{
    Array, Context, KeyValue, StringValue, Value,
    global::{BoxedSpan, BoxedTracer},
    trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::Span;
use url::Url;

use super::{Action, Ending, FailureCause, Label as _, context::TraceContext};
use crate::{
    message::{Message, MessageId},
    queue::{BatchResult, QueueError, name_at},
};

/// The schema of the names in spans and metrics: OpenTelemetry's semantic conventions of this version.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The time from the sending of a message to the start of its handler; of several messages the longest.
const QUEUE_WAIT: &str = "longshore.queue_wait_seconds";
/// The ids of a batch's messages.
const MESSAGE_IDS: &str = "longshore.message_ids";
/// The most ids in an attribute, as many as links and events of a span.
const MOST_IDS: usize = 128;
const FAILURE_CAUSE: &str = "longshore.failure_cause";
const RETRY_DELAY: &str = "longshore.retry_delay_seconds";

/// The longest reason of a handler in a span, in characters.
const REASON_CHARS: usize = 256;

/// The relation of a message's own trace to the span of its processing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Producer {
    /// Linked: the processing has a trace, and a sampling decision, of its own.
    #[default]
    Link,
    /// The parent: the processing continues the producer's trace and its sampling decision.
    Parent,
}

/// Makes spans; clones share one tracer.
#[derive(Clone)]
pub struct SpanMaker {
    tracer: Arc<BoxedTracer>,
    producer: Producer,
    adopt: Adopt,
}

/// Gives a span of `tracing` its parent, and returns the span's OpenTelemetry context.
pub(crate) type Adopt = fn(&Span, Option<Context>) -> OtelContext;

/// The OpenTelemetry context of a span of `tracing`.
#[derive(Debug)]
pub struct OtelContext {
    /// The context.
    pub context: Context,
    /// True if the span has the requested parent.
    pub has_parent: bool,
}

impl SpanMaker {
    /// Makes spans with this tracer.
    pub fn new(tracer: BoxedTracer, producer: Producer, adopt: Adopt) -> Self {
        Self { tracer: Arc::new(tracer), producer, adopt }
    }

    /// Sets the relation of a call's span to the producer's trace.
    pub fn with_producer(self, producer: Producer) -> Self {
        Self { producer, ..self }
    }
}

impl fmt::Debug for SpanMaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SpanMaker").field("producer", &self.producer).finish_non_exhaustive()
    }
}

/// The names of a queue in its spans.
#[derive(Clone, Copy, Debug)]
pub struct QueueIdentity<'a> {
    /// Its name in SQS.
    pub name: &'a str,
    /// Its URL, if it has one.
    pub url: Option<&'a str>,
}

impl<'a> QueueIdentity<'a> {
    /// The queue at this URL, which ends in its name; without a URL the configured name is used.
    pub fn of(url: Option<&'a str>, configured_name: &'a str) -> Self {
        Self { name: url.map_or(configured_name, name_at), url }
    }
}

/// A call that settles messages.
#[derive(Debug)]
pub struct Settled<'a> {
    /// The kind of call.
    pub action: Action,
    /// The start of the call.
    pub began: Instant,
    /// Its messages, each with the trace of the call of the handler, if there is one.
    pub messages: Vec<(&'a MessageId, Option<&'a Trace>)>,
}

/// The target of a publication.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// A topic, by its ARN.
    Topic(&'a str),
    /// A phone; no span has its number.
    Phone,
}

/// Makes the spans of one queue's messages; clones share one tracer.
#[derive(Clone, Debug)]
pub struct QueueTraces {
    maker: SpanMaker,
    name: StringValue,
    /// The attributes of the queue in every span.
    common: Vec<KeyValue>,
}

impl QueueTraces {
    /// The spans of one queue.
    pub fn new(maker: SpanMaker, identity: &QueueIdentity<'_>) -> Self {
        let name = StringValue::from(identity.name.to_owned());
        let mut common = vec![
            KeyValue::new("messaging.system", "aws_sqs"),
            KeyValue::new("messaging.destination.name", name.clone()),
        ];
        if let Some(url) = identity.url {
            common.push(KeyValue::new("aws.sqs.queue.url", url.to_owned()));
            common.extend(server(url));
        }
        Self { maker, name, common }
    }

    /// The spans of another queue.
    #[must_use]
    pub fn of_other(&self, identity: &QueueIdentity<'_>) -> Self {
        Self::new(self.maker.clone(), identity)
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

    /// The relation of a message's own trace to its processing.
    pub(super) fn producer(&self) -> Producer {
        self.maker.producer
    }

    /// Records a receive, unless it was empty: a quiet queue would fill the traces with empty receives.
    pub fn received(&self, began: Instant, answer: &Result<Vec<Message>, QueueError>) {
        let messages = answer.as_deref().unwrap_or_default();
        if messages.is_empty() && answer.is_ok() {
            return;
        }
        let links = messages
            .iter()
            .filter_map(|message| Some(link(TraceContext::of_message(message)?.span_context(), &message.id)));
        let builder = self.builder(&Operation::of(Action::Receive), messages.len());
        let builder = builder.with_links(links.collect());
        self.record(builder, began, &Context::new(), answer.as_ref().err().map(error_type));
    }

    /// Records a call that settled messages.
    ///
    /// The span is part of the trace of the messages' call of the handler, or linked to each call if there are several, with the
    /// message's id.
    pub fn settled<T>(&self, settled: &Settled<'_>, answer: &BatchResult<T>) {
        let Settled { action, began, messages } = settled;
        let mut builder = self.builder(&Operation::of(*action), messages.len());
        if let ([(id, _)], Some(attributes)) = (messages.as_slice(), &mut builder.attributes) {
            attributes.push(id_of(id));
        }
        let mut traces: Vec<&Trace> = messages.iter().filter_map(|(_, trace)| *trace).collect();
        traces.dedup_by_key(|trace| trace.context().span_id());
        let parent = if let [only] = traces.as_slice() {
            only.context().as_parent()
        } else {
            let links = messages
                .iter()
                .filter_map(|(id, trace)| Some(link(trace.as_ref()?.context().span_context(), id)));
            builder = builder.with_links(links.collect());
            Context::new()
        };
        self.record(builder, *began, &parent, failure(answer));
    }

    /// Starts the span of a call for these messages; `queue` is the queue's configured name.
    ///
    /// There is no [`ProcessSpan`] if the program's subscriber has no OpenTelemetry layer.
    pub fn process<'a>(
        &self,
        queue: &str,
        max_receive_count: Option<NonZeroU32>,
        messages: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) -> (Span, Option<Box<ProcessSpan>>) {
        let span = span(queue, messages.clone());
        let producers: Vec<_> = messages.clone().map(TraceContext::of_message).collect();
        let parent = self.parent(&producers);
        let OtelContext { context, has_parent } =
            (self.maker.adopt)(&span, parent.map(TraceContext::as_parent));
        let Some(own) = TraceContext::of(context.span().span_context().clone()) else { return (span, None) };
        if context.span().is_recording() {
            self.describe(&context, max_receive_count, messages.clone());
            if !has_parent {
                for (producer, message) in producers.into_iter().zip(messages) {
                    let Some(producer) = producer else { continue };
                    context.span().add_link(producer.span_context().clone(), vec![id_of(&message.id)]);
                }
            }
        }
        let trace = Arc::new(Trace { context: own, maker: self.maker.clone() });
        let process = ProcessSpan { _span: span.clone(), context, trace };
        // In a box: a call without traces needs no room for it.
        (span, Some(Box::new(process)))
    }

    /// The producer whose trace is continued; `None` for several messages, because a span has one parent.
    fn parent<'p>(&self, producers: &'p [Option<TraceContext>]) -> Option<&'p TraceContext> {
        match (self.producer(), producers) {
            (Producer::Parent, [only]) => only.as_ref(),
            _ => None,
        }
    }

    fn describe<'a>(
        &self,
        context: &Context,
        max_receive_count: Option<NonZeroU32>,
        messages: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) {
        let mut attributes = self.attributes(&Operation::PROCESS);
        let longest_wait = messages.clone().filter_map(Message::age).max();
        attributes.extend(longest_wait.map(|wait| KeyValue::new(QUEUE_WAIT, wait.as_secs_f64())));
        let most = max_receive_count.map(|most| i64::from(most.get()));
        attributes.extend(most.map(|most| KeyValue::new("aws.sqs.message.max_receive_count", most)));
        let (number, mut each) = (messages.len(), messages.clone());
        if let (1, Some(only)) = (number, each.next()) {
            attributes.push(id_of(&only.id));
            let body_bytes = i64::try_from(only.body_bytes()).unwrap_or(i64::MAX);
            attributes.push(KeyValue::new("messaging.message.body.size", body_bytes));
            attributes.push(KeyValue::new("aws.sqs.message.receive_count", i64::from(only.receive_count)));
            let sent = only.sent_at.map(|at| format_rfc3339_millis(at).to_string());
            attributes.extend(sent.map(|sent| KeyValue::new("aws.sqs.message.sent_timestamp", sent)));
        } else {
            attributes.push(KeyValue::new("messaging.batch.message_count", count(number)));
            let ids = messages.take(MOST_IDS).map(|message| message.id.to_string().into()).collect();
            attributes.push(KeyValue::new(MESSAGE_IDS, Value::Array(Array::String(ids))));
        }
        let span = context.span();
        span.update_name(self.span_name(&Operation::PROCESS));
        span.set_attributes(attributes);
    }

    fn builder(&self, operation: &Operation, messages: usize) -> SpanBuilder {
        let mut attributes = self.attributes(operation);
        attributes.push(KeyValue::new("messaging.batch.message_count", count(messages)));
        SpanBuilder::from_name(self.span_name(operation))
            .with_kind(SpanKind::Client)
            .with_attributes(attributes)
    }

    /// Records a span that began at `began` and ends now.
    fn record(&self, builder: SpanBuilder, began: Instant, parent: &Context, error: Option<String>) {
        let tracer = &self.maker.tracer;
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

/// A link to the span of a message.
fn link(context: &SpanContext, message_id: &MessageId) -> Link {
    Link::new(context.clone(), vec![id_of(message_id)], 0)
}

fn id_of(message_id: &MessageId) -> KeyValue {
    KeyValue::new("messaging.message.id", message_id.to_string())
}

/// Converts a count to the signed type of attributes; no batch is near its limit.
pub(super) fn count(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

fn server(url: &str) -> Vec<KeyValue> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let host = url.host_str().map(|host| KeyValue::new("server.address", host.to_owned()));
    let port = url.port().map(|port| KeyValue::new("server.port", i64::from(port)));
    host.into_iter().chain(port).collect()
}

/// SQS's error code, or OpenTelemetry's value for an error without one.
fn error_type(error: &QueueError) -> String {
    let without_code = if error.is_timeout() { "timeout" } else { "_OTHER" };
    error.plain_code().unwrap_or(without_code).to_owned()
}

/// The `error.type` of a failed call, or of a failed entry.
fn failure<T>(answer: &BatchResult<T>) -> Option<String> {
    match answer {
        Err(error) => Some(error_type(error)),
        Ok(entries) => entries.iter().find_map(|entry| entry.as_ref().err()).map(|_| "_OTHER".to_owned()),
    }
}

/// A running call of the handler; its span ends when this and the `tracing` span are dropped.
pub struct ProcessSpan {
    /// Kept so that the end can still be recorded in it.
    _span: Span,
    context: Context,
    trace: Arc<Trace>,
}

/// The `tracing` span, whose fields are in every log line of the call.
fn span<'a>(queue: &str, mut messages: impl ExactSizeIterator<Item = &'a Message>) -> Span {
    let number = messages.len();
    let message_id = messages.next().map(|message| tracing::field::display(&message.id));
    match number {
        1 => tracing::info_span!("process", queue, message_id, otel.kind = "consumer"),
        messages => tracing::info_span!("process", queue, message_id, messages, otel.kind = "consumer"),
    }
}

impl ProcessSpan {
    /// The trace of the call.
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// Records how the call's messages ended; of several messages those that are not done are events.
    pub fn ended<'a>(&self, outcomes: impl ExactSizeIterator<Item = CallOutcome<'a>>) {
        let messages = outcomes.len();
        let failed: Vec<_> = outcomes.filter(CallOutcome::is_failure).collect();
        let Some(first) = failed.first() else { return };
        let reason = first.short_reason();
        let description = match messages {
            1 => reason,
            messages => format!("{} of {messages} messages not done: {reason}", failed.len()),
        };
        let span = self.context.span();
        span.set_attributes(first.attributes());
        span.set_status(Status::error(description));
        if messages > 1 && span.is_recording() {
            for outcome in &failed {
                let mut attributes = outcome.attributes();
                attributes.push(id_of(outcome.message_id));
                attributes.push(KeyValue::new("longshore.reason", outcome.short_reason()));
                span.add_event("message not done", attributes);
            }
        }
    }
}

/// The end of one message's call.
#[derive(Clone, Copy, Debug)]
pub struct CallOutcome<'a> {
    /// The message's id.
    pub message_id: &'a MessageId,
    /// The ending; `None` if the call did not start, or does not count.
    pub ending: Option<Ending>,
    /// The cause of the call's failure, as in the metrics.
    pub cause: Option<FailureCause>,
    /// The handler's reason.
    pub reason: &'a str,
    /// The delay after which the message comes again, if it does.
    pub retry_in: Option<Duration>,
}

impl CallOutcome<'_> {
    fn is_failure(&self) -> bool {
        !matches!(self.ending, Some(Ending::Done | Ending::Drained))
    }

    fn short_reason(&self) -> String {
        self.reason.chars().take(REASON_CHARS).collect()
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes =
            vec![KeyValue::new("error.type", self.ending.map_or("not_started", Ending::as_str))];
        attributes.extend(self.cause.map(|cause| KeyValue::new(FAILURE_CAUSE, cause.as_str())));
        attributes.extend(self.retry_in.map(|delay| KeyValue::new(RETRY_DELAY, delay.as_secs_f64())));
        attributes
    }
}

/// A publication in progress; its span ends when this is dropped.
pub struct Publishing {
    span: BoxedSpan,
    context: Option<TraceContext>,
}

impl Publishing {
    /// The context of its span, which receivers of the publication continue.
    pub fn context(&self) -> Option<&TraceContext> {
        self.context.as_ref()
    }

    /// Records the id that SNS assigned to the message.
    pub fn accepted(mut self, message_id: &str) {
        self.span.set_attribute(KeyValue::new("messaging.message.id", message_id.to_owned()));
    }

    /// Records that SNS did not accept it, and SNS's error code.
    pub fn failed(mut self, code: Option<&str>) {
        self.span.set_attribute(KeyValue::new("error.type", code.unwrap_or("_OTHER").to_owned()));
        self.span.set_status(Status::error(""));
    }
}

/// The trace of a call of the handler: its span's context, and the maker of further spans.
#[derive(Clone)]
pub struct Trace {
    context: TraceContext,
    maker: SpanMaker,
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Trace").field(&self.context).finish()
    }
}

impl Trace {
    /// The context of the call's span.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// The context for log lines about a message: that of its call's span, or else the message's own.
    pub fn log_context(trace: Option<&Self>, message: &Message) -> Option<TraceContext> {
        trace.map(|trace| trace.context.clone()).or_else(|| TraceContext::of_message(message))
    }

    /// Starts the span of a publication in this trace.
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
        let span = self.maker.tracer.build_with_context(builder, &self.context().as_parent());
        let context = TraceContext::of(span.span_context().clone());
        Publishing { span, context }
    }
}
