//! Traces: spans of what becomes of messages, sent to a collector over OTLP.
//!
//! `plan` says where they go, `outbox` is where they wait, `carrier` takes them there, `queue` makes the spans of one
//! queue's messages, `process` and `publish` the two kinds that last. Nothing here is ever waited for by a message.

mod carrier;
mod client;
mod exporter;
mod outbox;
mod plan;
mod process;
mod publish;
mod queue;
mod resource;
mod sampler;
mod settings;
mod variables;

use std::{fmt, io, sync::Arc, time::Duration};

use opentelemetry::{
    InstrumentationScope,
    global::{self, BoxedTracer},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::{sync::oneshot, time::timeout};
use tracing::Subscriber;
use tracing_subscriber::{Layer, registry::LookupSpan};

use self::{carrier::Flushes, outbox::Outbox, resource::Origin, sampler::Deciding};
pub use self::{
    plan::Plan,
    process::ProcessSpan,
    publish::Publishing,
    queue::QueueTraces,
    resource::Place,
    settings::{Producer, Settings},
    variables::Fault,
};
pub use super::span_input::{Destination, QueueIdentity, Settled};
use super::{context::TraceContext, events};
use crate::message::Message;

/// The name of what makes the spans.
const SCOPE: &str = "longshore";

/// Makes the spans of a process; clones are the same.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    tracer: BoxedTracer,
    producer: Producer,
    /// Absent where somebody else has the provider.
    own: Option<Own>,
}

/// The parts of an exporter of our own.
struct Own {
    tracer: SdkTracer,
    outbox: Outbox,
    flushes: Flushes,
}

/// Why traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter cannot be made so.
    #[error("traces cannot be exported so: {0}, hint: check the OTEL_EXPORTER_OTLP_* variables")]
    Exporter(#[source] ExporterBuildError),
    /// The HTTP client cannot be made.
    #[error("the http client for traces could not be built, hint: https needs the system's ca certificates")]
    Client(#[source] reqwest::Error),
    /// The system gives no thread or no runtime.
    #[error("the system refuses what traces need: {0}")]
    System(#[source] io::Error),
}

impl fmt::Debug for Traces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Traces").field("producer", &self.0.producer).finish_non_exhaustive()
    }
}

impl Traces {
    /// Starts to send spans as planned, from a thread of its own; they wait until the place is known.
    ///
    /// The provider becomes that of the process, so that a handler's own spans go the same way.
    pub fn start(plan: &Plan, settings: Settings, place: Place) -> Result<Self, TracesError> {
        let outbox = Outbox::new(plan.batching);
        let origin = Origin { service_name: plan.service_name.clone(), place };
        let flushes = carrier::start(plan, outbox.clone(), origin)?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(Deciding(plan.sampler.clone()))
            .with_span_processor(outbox.clone())
            .build();
        let tracer = provider.tracer_with_scope(scope());
        global::set_tracer_provider(provider);
        let own = Own { tracer: tracer.clone(), outbox, flushes };
        Ok(Self::of(BoxedTracer::new(Box::new(tracer)), settings, Some(own)))
    }

    /// Makes spans by the provider that the program has set for itself (`opentelemetry::global::set_tracer_provider`),
    /// whose business it is to send them.
    ///
    /// The span of a call is one of `tracing`: the program's subscriber needs the layer of `tracing-opentelemetry`.
    pub fn of_program(settings: Settings) -> Self {
        Self::of(global::tracer_with_scope(scope()), settings, None)
    }

    fn of(tracer: BoxedTracer, settings: Settings, own: Option<Own>) -> Self {
        Self(Arc::new(Inner { tracer, producer: settings.producer, own }))
    }

    /// The spans of one queue.
    pub fn queue(&self, identity: &QueueIdentity<'_>) -> QueueTraces {
        QueueTraces::new(self.clone(), identity)
    }

    /// The layer that makes OpenTelemetry's spans of those of `tracing`, where this process exports them.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let own = self.0.own.as_ref()?;
        let layer = tracing_opentelemetry::layer().with_tracer(own.tracer.clone());
        // Each of these is one attribute more to every span.
        Some(layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false))
    }

    /// Sends what waits to be sent, and gives up after `limit`.
    pub async fn flush(&self, limit: Duration) {
        let Some(own) = &self.0.own else { return };
        let (sender, flushed) = oneshot::channel();
        // Without the thread nothing can be sent, and its end was reported.
        if own.flushes.send(sender).is_ok() && timeout(limit, flushed).await.is_err() {
            let spans = own.outbox.len();
            events::SpansLeft { spans, limit_seconds: limit.as_secs_f64() }.emit();
        }
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build()
}

/// The trace that a call of the handler is part of: the place of its span, and what makes further ones.
#[derive(Clone)]
pub struct Trace {
    context: TraceContext,
    traces: Traces,
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Trace").field(&self.context).finish()
    }
}

impl Trace {
    /// The place of the call's span.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// The trace context that lines about a message name: that of its call's span, or else the message's own.
    pub fn place(trace: Option<&Self>, message: &Message) -> Option<TraceContext> {
        trace.map(|trace| trace.context.clone()).or_else(|| TraceContext::of_message(message))
    }
}
