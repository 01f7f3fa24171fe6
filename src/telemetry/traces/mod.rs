//! Traces: the tracer that makes spans, and their export to a collector over OTLP.
//!
//! `plan` reads the `OTEL_*` variables, `carrier` exports the spans from a thread of its own. No message waits for either.

mod carrier;
mod plan;
mod sampler;

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context, InstrumentationScope,
    global::{self, BoxedTracer},
    trace::TracerProvider as _,
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, registry::LookupSpan};

use self::{carrier::SpanQueue, sampler::ConfiguredSampler};
use super::{
    events,
    otlp::{FlushRequests, OtlpError, ResourcePlan, SCOPE},
    spans::{OtelContext, Producer, QueueIdentity, QueueTraces, SCHEMA_URL, SpanMaker},
};

pub(crate) use self::plan::{Plan, Settings};

/// Makes the spans of a process; clones share one tracer.
#[derive(Clone, Debug)]
pub struct Traces {
    maker: SpanMaker,
    /// Absent where the program has a provider of its own.
    own: Option<Arc<OwnExporter>>,
}

/// The exporter of this process.
#[derive(Debug)]
struct OwnExporter {
    tracer: SdkTracer,
    queue: SpanQueue,
    flush_requests: FlushRequests,
}

impl Traces {
    /// Starts to export spans from a thread of its own, as soon as the resource is detected.
    ///
    /// Sets the provider of the process, so that a handler's own spans are exported, too.
    pub(crate) fn start(plan: &Plan, settings: Settings, resource: ResourcePlan) -> Result<Self, OtlpError> {
        let queue = SpanQueue::new(plan.batching);
        let flush_requests = carrier::start(plan, queue.clone(), resource)?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(ConfiguredSampler(plan.sampler.clone()))
            .with_span_processor(queue.clone())
            .build();
        let tracer = provider.tracer_with_scope(scope());
        global::set_tracer_provider(provider);
        let own = OwnExporter { tracer: tracer.clone(), queue, flush_requests };
        Ok(Self::of(BoxedTracer::new(Box::new(tracer)), settings, Some(own)))
    }

    /// Makes spans by the provider that the program has set (`opentelemetry::global::set_tracer_provider`), which exports
    /// them.
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

    fn of(tracer: BoxedTracer, settings: Settings, own: Option<OwnExporter>) -> Self {
        Self { maker: SpanMaker::new(tracer, settings.producer, adopt), own: own.map(Arc::new) }
    }

    /// The spans of one queue.
    pub fn queue(&self, identity: &QueueIdentity<'_>) -> QueueTraces {
        QueueTraces::new(self.maker.clone(), identity)
    }

    /// The layer that turns spans of `tracing` into OpenTelemetry's; `None` if the program has a provider of its own.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let own = self.own.as_ref()?;
        let layer = tracing_opentelemetry::layer().with_tracer(own.tracer.clone());
        // Each of these adds an attribute to every span.
        Some(layer.with_location(false).with_threads(false).with_target(false).with_tracked_inactivity(false))
    }

    /// Sends the queued spans, and gives up after `limit`.
    pub async fn flush(&self, limit: Duration) {
        let Some(own) = &self.own else { return };
        if !own.flush_requests.flush(limit).await {
            let spans = own.queue.len();
            events::SpansLeft { spans, limit_seconds: limit.as_secs_f64() }.emit();
        }
    }
}

fn scope() -> InstrumentationScope {
    let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION"));
    scope.with_schema_url(SCHEMA_URL).build()
}

/// Gives a span of `tracing` its parent, and returns the span's OpenTelemetry context.
fn adopt(span: &Span, parent: Option<Context>) -> OtelContext {
    let has_parent = parent.is_some_and(|parent| span.set_parent(parent).is_ok());
    OtelContext { context: span.context(), has_parent }
}
