//! Spans without the feature `otel`: the interface of `traces`, of values that never exist.

use std::{convert::Infallible, sync::Arc};

use tokio::time::Instant;
use tracing::Span;

pub use super::span_input::{Destination, QueueIdentity, Settled};
use super::{Ending, context::TraceContext};
use crate::{
    message::Message,
    queue::{BatchResult, QueueError},
};

macro_rules! uninhabited {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug)]
            pub struct $name(Infallible);
        )+
    };
}

uninhabited! {
    /// The spans of one queue's messages.
    QueueTraces,
    /// The span of a call of the handler.
    ProcessSpan,
    /// The trace of a call of the handler.
    Trace,
    /// The span of a publication.
    Publishing,
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
    pub fn settled<T>(&self, _: &Settled<'_>, _: &BatchResult<T>) {
        match self.0 {}
    }

    /// Starts the span of a call.
    pub fn process<'a>(
        &self,
        _: &str,
        _: impl ExactSizeIterator<Item = &'a Message> + Clone,
    ) -> (Span, Option<ProcessSpan>) {
        match self.0 {}
    }
}

impl ProcessSpan {
    /// The trace of the call.
    pub fn trace(&self) -> &Arc<Trace> {
        match self.0 {}
    }

    /// Records the ends of the call's messages.
    pub fn ended<'a>(&self, _: impl ExactSizeIterator<Item = (Ending, &'a str)>) {
        match self.0 {}
    }
}

impl Trace {
    /// The context of the call's span.
    pub fn context(&self) -> &TraceContext {
        match self.0 {}
    }

    /// The context for log lines about a message: the one that came with it.
    pub fn place(_: Option<&Self>, message: &Message) -> Option<TraceContext> {
        TraceContext::of_message(message)
    }

    /// Starts the span of a publication.
    pub fn publish(&self, _: Destination<'_>) -> Publishing {
        match self.0 {}
    }
}

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
