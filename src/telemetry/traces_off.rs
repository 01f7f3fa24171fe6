//! Spans without the feature `otel`: the interface of `traces`, of values that never exist.

use std::{convert::Infallible, sync::Arc};

use tokio::time::Instant;
use tracing::Span;

use super::{Action, Ending, context::TraceContext};
use crate::{
    message::{Message, MessageId},
    queue::{BatchAnswer, QueueError},
};

/// The names of a queue in its spans.
#[derive(Clone, Copy, Debug)]
pub struct QueueIdentity<'a>(&'a str);

impl<'a> QueueIdentity<'a> {
    /// The names of the queue at this URL, or else of this name.
    pub fn of(_: Option<&'a str>, otherwise: &'a str) -> Self {
        Self(otherwise)
    }
}

/// The spans of one queue's messages.
#[derive(Clone, Debug)]
pub struct QueueTraces(Infallible);

/// A settlement, as its span shows it.
#[derive(Debug)]
pub struct Settled<'a> {
    /// The call.
    pub action: Action,
    /// The start of the call.
    pub began: Instant,
    /// Its messages, with the traces of their calls.
    pub messages: Vec<(&'a MessageId, Option<&'a Trace>)>,
}

impl QueueTraces {
    /// The spans of another queue.
    pub fn of_other(&self, _: &QueueIdentity<'_>) -> Self {
        match self.0 {}
    }

    /// Records a receive.
    pub fn received(&self, _: Instant, _: &Result<Vec<Message>, QueueError>) {
        match self.0 {}
    }

    /// Records a settlement.
    pub fn settled<T>(&self, _: &Settled<'_>, _: &BatchAnswer<T>) {
        match self.0 {}
    }

    /// Starts the span of a call.
    pub fn process<'a>(
        &self,
        _: &str,
        _: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) -> (Span, Option<Process>) {
        match self.0 {}
    }
}

/// The span of a call of the handler.
#[derive(Debug)]
pub struct Process(Infallible);

impl Process {
    /// The trace of the call.
    pub fn trace(&self) -> &Arc<Trace> {
        match self.0 {}
    }

    /// Records the ends of the call's messages.
    pub fn ended<'a>(&self, _: impl ExactSizeIterator<Item = (Ending, &'a str)>) {
        match self.0 {}
    }
}

/// The trace of a call of the handler.
#[derive(Clone, Debug)]
pub struct Trace(Infallible);

impl Trace {
    /// The context of the call's span.
    pub fn context(&self) -> &TraceContext {
        match self.0 {}
    }

    /// The context for log lines about a message: that of its call's span, or the one that came with it.
    pub fn place(_: Option<&Self>, message: &Message) -> Option<TraceContext> {
        TraceContext::of_message(message)
    }

    /// Starts the span of a publication.
    pub fn publish(&self, _: Destination<'_>) -> Publishing {
        match self.0 {}
    }
}

/// The target of a publication in its span.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// A topic, by its ARN.
    Topic(&'a str),
    /// A phone, by SMS.
    Phone,
}

/// The span of a publication.
#[derive(Debug)]
pub struct Publishing(Infallible);

impl Publishing {
    /// The context of the span.
    pub fn context(&self) -> Option<&TraceContext> {
        match self.0 {}
    }

    /// Records the id that SNS gave the message.
    pub fn taken(self, _: &str) {
        match self.0 {}
    }

    /// Records SNS's error code.
    pub fn failed(self, _: Option<&str>) {
        match self.0 {}
    }
}
