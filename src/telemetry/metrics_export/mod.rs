//! The export of metrics: the registry that is scraped, pushed to a collector over OTLP by a thread of its own.
//!
//! A collector that fails delays nothing else: the totals of an export that failed are in the next.

mod convert;
mod plan;
mod sender;

use std::{io, thread, time::Duration};

use opentelemetry_proto::tonic::resource::v1::Resource;
use prometheus::proto::LabelPair;
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use self::{convert::Period, sender::MetricsSender};
use super::{
    events,
    metrics::Metrics,
    otlp::{ExportState, Fault, FlushRequests, OtlpError, RequestedFlushes, ResourcePlan},
};

pub(crate) use self::plan::MetricsPlan;

/// An export of metrics to a collector over OTLP, which the worker starts when it runs.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut worker = longshore::Worker::new();
/// if let Some(export) = longshore::MetricsExport::by_variables(|name| std::env::var(name).ok())? {
///     worker = worker.export_metrics(export);
/// }
/// # Ok(())
/// # }
/// ```
pub struct MetricsExport {
    plan: MetricsPlan,
    resource: ResourcePlan,
    runtime: Runtime,
    sender: MetricsSender,
}

impl MetricsExport {
    /// The export that OpenTelemetry's variables ask for; `None` if they name no endpoint or turn it off.
    ///
    /// # Errors
    /// A variable is invalid, or no client of the collector can be built.
    pub fn by_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, OtlpError> {
        let first = |faults: Vec<Fault>| faults.into_iter().next().map(OtlpError::Variable);
        match MetricsPlan::of(&variable) {
            Ok(None) => Ok(None),
            Ok(Some(plan)) => {
                let resource = ResourcePlan::new(variable, Box::pin(async { Vec::new() }));
                Self::new(&plan, resource).map(Some)
            }
            Err(faults) => first(faults).map_or(Ok(None), Err),
        }
    }

    /// An export by this plan.
    pub(crate) fn new(plan: &MetricsPlan, resource: ResourcePlan) -> Result<Self, OtlpError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OtlpError::System)?;
        let sender = {
            let _here = runtime.enter();
            MetricsSender::new(&plan.collector)?
        };
        Ok(Self { plan: plan.clone(), resource, runtime, sender })
    }

    /// Starts the thread, which ends when the returned export is dropped; before any queue is opened.
    pub(crate) fn start(self, metrics: Metrics) -> io::Result<RunningMetricsExport> {
        let Self { plan, resource, runtime, sender } = self;
        if plan.exponential_histograms {
            metrics.count_exponential_buckets();
        }
        let (requests, requested) = FlushRequests::new();
        let state = ExportState::default();
        let export = MetricsLoop { sender, metrics, timeout: plan.timeout, requested, state };
        let run = move || runtime.block_on(export.run(resource, plan.interval));
        thread::Builder::new().name("longshore-metrics".to_owned()).spawn(run)?;
        Ok(RunningMetricsExport { requests })
    }
}

/// A running export of metrics.
pub(crate) struct RunningMetricsExport {
    requests: FlushRequests,
}

impl RunningMetricsExport {
    /// Exports once more, and gives up after `limit`.
    pub(crate) async fn flush(&self, limit: Duration) {
        if !self.requests.flush(limit).await {
            events::MetricsLeft { limit_seconds: limit.as_secs_f64() }.emit();
        }
    }
}

/// The state of the loop.
struct MetricsLoop {
    sender: MetricsSender,
    metrics: Metrics,
    /// The time limit of one export.
    timeout: Duration,
    requested: RequestedFlushes,
    state: ExportState,
}

impl MetricsLoop {
    async fn run(mut self, resource: ResourcePlan, interval: Duration) {
        let resource = of_resource(&resource.resource().await);
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (sender, metrics, limit) = (&self.sender, &self.metrics, self.timeout);
            let exported = async {
                ticks.tick().await;
                export(sender, metrics, &resource, limit).await
            };
            // A request does not wait for an export that hangs: the totals are in the next.
            let request = tokio::select! {
                biased;
                request = self.requested.recv() => match request {
                    Some(request) => request,
                    None => return,
                },
                failure = exported => {
                    self.report(failure);
                    continue;
                }
            };
            let failure = export(&self.sender, &self.metrics, &resource, self.timeout).await;
            self.report(failure);
            // Fails after the time limit of the stop, which was reported.
            let _unawaited = request.send(());
        }
    }

    /// Logs the first failure, and its end.
    fn report(&mut self, exported: Result<(), String>) {
        let before = self.state;
        self.state = if exported.is_ok() { ExportState::Good } else { ExportState::Failing };
        match (before, exported) {
            (ExportState::Good, Err(reason)) => events::MetricsNotExported { reason: &reason }.emit(),
            (ExportState::Failing, Ok(())) => events::MetricsExportedAgain {}.emit(),
            (ExportState::Good, Ok(())) | (ExportState::Failing, Err(_)) => {}
        }
    }
}

/// Sends the present values; returns the reason if not all arrived.
async fn export(
    sender: &MetricsSender,
    metrics: &Metrics,
    resource: &Resource,
    limit: Duration,
) -> Result<(), String> {
    let period = Period { start: metrics.began(), end: std::time::SystemTime::now() };
    let find = |name: &str, labels: &[LabelPair]| metrics.histogram(name, labels);
    let requests = convert::requests(&metrics.families(), find, resource, period);
    let all_sent = async {
        for request in requests {
            sender.send(request).await?;
        }
        Ok(())
    };
    timeout(limit, all_sent).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

fn of_resource(resource: &opentelemetry_sdk::Resource) -> Resource {
    let attributes = resource.iter().map(|(key, value)| convert::text(key.as_str(), value.as_str()));
    Resource { attributes: attributes.collect(), ..Resource::default() }
}
