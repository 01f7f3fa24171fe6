//! Traces: the tracer that makes spans, and their export to a collector over OTLP.
//!
//! `plan` reads the `OTEL_*` variables, `carrier` sends the spans from a thread of its own. No message waits for either.

mod carrier;
mod exporter;
mod plan;
mod resource;
mod sampler;

use std::{io, sync::Arc, time::Duration};

use opentelemetry::{
    Context, InstrumentationScope,
    global::{self, BoxedTracer},
    trace::TracerProvider as _,
};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::{sync::oneshot, time::timeout};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, registry::LookupSpan};

use self::{
    carrier::{Flushes, Outbox},
    resource::Origin,
    sampler::Deciding,
};
use super::{
    events,
    spans::{OtelContext, Producer, QueueIdentity, QueueTraces, SpanMaker},
};

pub(crate) use self::{
    plan::{Fault, Plan, Settings},
    resource::Place,
};

/// The name of the instrumentation scope of the spans.
const SCOPE: &str = "longshore";

/// Makes the spans of a process; clones share one tracer.
#[derive(Clone, Debug)]
pub struct Traces {
    maker: SpanMaker,
    /// Absent where the program has a provider of its own.
    own: Option<Arc<Own>>,
}

/// The parts of an exporter of our own.
#[derive(Debug)]
struct Own {
    tracer: SdkTracer,
    outbox: Outbox,
    flushes: Flushes,
}

/// Why traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The exporter cannot be made so.
    #[error("traces cannot be exported so: {0}")]
    Exporter(#[source] ExporterBuildError),
    /// The HTTP client cannot be made.
    #[error("the http client for traces could not be built")]
    Client(#[source] reqwest::Error),
    /// The system gives no thread or no runtime.
    #[error("the system refuses what traces need: {0}")]
    System(#[source] io::Error),
}

impl TracesError {
    /// The advice to whoever starts the worker, if there is any.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Exporter(_) => Some("check the OTEL_EXPORTER_OTLP_* variables"),
            Self::Client(_) => Some("https needs the system's ca certificates"),
            Self::System(_) => None,
        }
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
    pub fn of_program() -> Self {
        Self::of(global::tracer_with_scope(scope()), Settings::default(), None)
    }

    /// Continues the producer's trace wherever a call takes one message, instead of linking to it.
    #[must_use]
    pub fn continue_producers(self) -> Self {
        Self { maker: self.maker.with_producer(Producer::Parent), ..self }
    }

    fn of(tracer: BoxedTracer, settings: Settings, own: Option<Own>) -> Self {
        Self { maker: SpanMaker::new(tracer, settings.producer, adopt), own: own.map(Arc::new) }
    }

    /// The spans of one queue.
    pub fn queue(&self, identity: &QueueIdentity<'_>) -> QueueTraces {
        QueueTraces::new(self.maker.clone(), identity)
    }

    /// The layer that makes OpenTelemetry's spans of those of `tracing`, where this process exports them.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let own = self.own.as_ref()?;
        let layer = tracing_opentelemetry::layer().with_tracer(own.tracer.clone());
        // Each of these is one attribute more to every span.
        Some(layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false))
    }

    /// Sends what waits to be sent, and gives up after `limit`.
    pub async fn flush(&self, limit: Duration) {
        let Some(own) = &self.own else { return };
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

/// Gives a span of `tracing` its parent, and returns the span's OpenTelemetry context.
fn adopt(span: &Span, parent: Option<Context>) -> OtelContext {
    let has_parent = parent.is_some_and(|parent| span.set_parent(parent).is_ok());
    OtelContext { context: span.context(), has_parent }
}
