//! Exports spans to the collector, on a thread of its own.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_otlp::{
    Compression as OtlpCompression, ExporterBuildError, SpanExporter as OtlpSpanExporter,
    WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::{
    runtime::Builder,
    sync::Notify,
    time::{Instant, timeout},
};

use super::plan::{Batching, Plan};
use crate::telemetry::{
    events,
    otlp::{
        Collector, Compression, ExportState, FlushRequests, OtlpError, Protocol, Reason, RecordingClient,
        RequestedFlushes, ResourcePlan,
    },
};

/// The shortest interval between reports of lost spans: a collector that is down affects every batch.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Starts the thread, which ends when the returned requests are dropped.
pub(super) fn start(
    plan: &Plan,
    queue: SpanQueue,
    resource: ResourcePlan,
) -> Result<FlushRequests, OtlpError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::System)?;
    let reason = Reason::default();
    let exporter = {
        let _here = runtime.enter();
        build_exporter(&plan.collector, &reason)?
    };
    let (flush_requests, requested) = FlushRequests::new();
    let limit = plan.batching.timeout;
    let export = ExportLoop { exporter, reason, queue, requested, limit, losses: LossReporter::default() };
    let run = move || runtime.block_on(export.run(resource));
    spawn(run).map_err(OtlpError::System)?;
    Ok(flush_requests)
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("longshore-traces".to_owned()).spawn(run).map(drop)
}

/// Builds the exporter on the runtime that is to run it; connects to nothing yet.
///
/// It reads the headers from the environment itself. `reason` gets the details that its own errors leave out.
fn build_exporter(collector: &Collector, reason: &Reason) -> Result<OtlpSpanExporter, OtlpError> {
    match collector.protocol {
        Protocol::Http => over_http(collector, reason.clone()),
        Protocol::Grpc => over_grpc(collector).map_err(OtlpError::Exporter),
    }
}

fn over_http(collector: &Collector, reason: Reason) -> Result<OtlpSpanExporter, OtlpError> {
    let client = RecordingClient { inner: collector.http_client()?, reason };
    let exporter = OtlpSpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
        .with_endpoint(collector.endpoint.as_str())
        .with_timeout(collector.timeout);
    let exporter = match collector.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    exporter.build().map_err(OtlpError::Exporter)
}

fn over_grpc(collector: &Collector) -> Result<OtlpSpanExporter, ExporterBuildError> {
    let exporter = OtlpSpanExporter::builder()
        .with_tonic()
        .with_endpoint(collector.endpoint.as_str())
        .with_timeout(collector.timeout);
    let exporter = match collector.compression {
        Compression::None => exporter,
        Compression::Gzip => exporter.with_compression(OtlpCompression::Gzip),
    };
    match collector.grpc_tls() {
        Some(tls) => exporter.with_tls_config(tls).build(),
        None => exporter.build(),
    }
}

/// The state of the loop.
struct ExportLoop<E> {
    exporter: E,
    /// The details that the exporter's own errors leave out.
    reason: Reason,
    queue: SpanQueue,
    requested: RequestedFlushes,
    /// The time limit of one batch.
    limit: Duration,
    losses: LossReporter,
}

impl<E: SpanExporter> ExportLoop<E> {
    async fn run(mut self, resource: ResourcePlan) {
        // Spans are queued meanwhile, because their export needs the resource.
        let resource: Resource = resource.resource().await;
        self.exporter.set_resource(&resource);
        loop {
            let request = tokio::select! {
                request = self.requested.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                () = self.queue.is_due() => None,
            };
            self.send_all().await;
            if request.is_some_and(|request| request.send(()).is_err()) {
                events::FlushUnawaited {}.emit();
            }
        }
    }

    /// Sends the spans that are queued now; later ones wait for the next batch.
    async fn send_all(&mut self) {
        let mut left = self.queue.len();
        while left > 0 {
            let batch = self.queue.take();
            left = left.saturating_sub(batch.len().max(1));
            let failure = self.send(batch).await;
            self.losses.record(failure.as_deref(), &self.queue);
        }
    }

    /// Sends a batch; returns the reason if it was not sent.
    async fn send(&self, batch: Vec<SpanData>) -> Option<String> {
        let spans = batch.len() as u64;
        let failure = match timeout(self.limit, self.exporter.export(batch)).await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => self.reason.take().unwrap_or_else(|| error.to_string()),
            Err(_) => format!("no answer within {:?}", self.limit),
        };
        self.queue.count_lost(spans);
        Some(failure)
    }
}

/// Reports lost spans.
#[derive(Debug, Default)]
struct LossReporter {
    /// The spans lost and not reported.
    lost: u64,
    reported_at: Option<Instant>,
    state: ExportState,
}

impl LossReporter {
    fn record(&mut self, failure: Option<&str>, queue: &SpanQueue) {
        self.lost += queue.take_lost();
        let state = if failure.is_some() { ExportState::Failing } else { ExportState::Good };
        let is_over = self.state == ExportState::Failing && state == ExportState::Good;
        self.state = state;
        let is_time = self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL);
        if self.lost > 0 && (is_time || is_over) {
            self.report(failure.unwrap_or("more spans ended than could be sent"));
        }
        if is_over {
            events::CollectorBack {}.emit();
        }
    }

    fn report(&mut self, reason: &str) {
        events::SpansLost { spans: self.lost, reason }.emit();
        self.lost = 0;
        self.reported_at = Some(Instant::now());
    }
}

/// The ended spans that are not sent yet; clones share them.
#[derive(Clone, Debug)]
pub(super) struct SpanQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    batching: Batching,
    waiting: Mutex<Vec<SpanData>>,
    /// Notifies of the first span and of a full batch: a wake-up for each span would cost more than the span.
    changed: Notify,
    /// Spans lost since the last report.
    lost: AtomicU64,
}

impl SpanQueue {
    pub(super) fn new(batching: Batching) -> Self {
        let (waiting, changed, lost) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Self(Arc::new(Inner { batching, waiting, changed, lost }))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of spans that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    fn put(&self, span: SpanData) {
        let Batching { queue: capacity, batch, .. } = self.0.batching;
        let mut waiting = self.waiting();
        if waiting.len() >= capacity {
            drop(waiting);
            return self.count_lost(1);
        }
        waiting.push(span);
        let len = waiting.len();
        drop(waiting);
        if len == 1 || len == batch {
            self.0.changed.notify_one();
        }
    }

    /// Waits until a batch is full, or its first span has waited for long enough.
    pub(super) async fn is_due(&self) {
        let Batching { batch, delay, .. } = self.0.batching;
        self.holds(1).await;
        // The batch is due in either case.
        drop(timeout(delay, self.holds(batch)).await);
    }

    async fn holds(&self, spans: usize) {
        while self.len() < spans {
            self.0.changed.notified().await;
        }
    }

    /// Takes the oldest spans, at most one batch.
    pub(super) fn take(&self) -> Vec<SpanData> {
        let mut waiting = self.waiting();
        let most = self.0.batching.batch.min(waiting.len());
        waiting.drain(..most).collect()
    }

    /// Counts lost spans.
    pub(super) fn count_lost(&self, spans: u64) {
        self.0.lost.fetch_add(spans, Ordering::Relaxed);
    }

    /// Takes the number of spans lost since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.0.lost.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.put(span);
        }
    }

    /// Flushing is asynchronous here: see `Traces::flush`.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
