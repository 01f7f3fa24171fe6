//! The registry of all metrics, and the groups that parts declare on it.

mod computed;
mod definition;
mod exponential;
mod family;
mod handle;
mod histogram;
mod open_metrics;
#[cfg(test)]
mod page;
mod usage;
mod value;

use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use prometheus::{Registry, TextEncoder, proto};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

pub(crate) use self::definition::{metric_constant, metric_definition, metric_group};
#[cfg(feature = "otel")]
pub(crate) use self::exponential::ExponentialBuckets;
use self::family::{Family, MetricOptions};
pub(crate) use self::{
    computed::{Computed, SecondsSince},
    definition::{LabelDefinition, MetricDefinition, MetricGroup},
    family::Metric,
    handle::{ByLabel, Each, Handle, Lazily, Series},
    histogram::{Exemplar, Histogram},
    open_metrics::MetricsFormat,
    value::{Counter, Gauge, IntCounter, IntGauge},
};
#[cfg(test)]
pub(crate) use self::{definition::MetricKind, page::reference, usage::ProcessUsageMetrics};
use super::events::{self, LeftOut, WarningSampler};

/// The name that OpenTelemetry gives to SQS.
const SQS: &str = "aws_sqs";

/// Buckets for calls to AWS, from a call inside the region to a whole long poll; few, because each kind of call has them.
pub(crate) const OPERATION_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

/// The metrics of a process, on one registry; clones share it.
///
/// ```
/// let metrics = longshore::Metrics::new();
/// assert!(metrics.text().contains("process_start_time_seconds"));
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    began: SystemTime,
    options: Mutex<MetricOptions>,
    /// Families by the name of their metric.
    families: Mutex<HashMap<&'static str, Box<dyn Any + Send>>>,
    process: Arc<ScopeInner>,
    queues: Mutex<BTreeMap<String, Arc<ScopeInner>>>,
    /// Notified when a warning is left out.
    left_out: Arc<Notify>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics on a registry of their own.
    pub fn new() -> Self {
        Self::on(Registry::new())
    }

    /// Metrics on a registry that may hold others, too.
    ///
    /// Use one `Metrics` for each registry, and clone it for several workers: of two metrics of one name the registry
    /// serves the first.
    pub fn on(registry: Registry) -> Self {
        let left_out = Arc::new(Notify::new());
        let process = Arc::new(ScopeInner::new(Vec::new(), &left_out));
        let inner = Inner {
            registry,
            began: SystemTime::now(),
            options: Mutex::default(),
            families: Mutex::default(),
            process,
            queues: Mutex::default(),
            left_out,
        };
        let metrics = Self(Arc::new(inner));
        usage::register(&metrics.process());
        metrics
    }

    /// The scope of the metrics of the process.
    pub fn process(&self) -> MetricScope {
        MetricScope { metrics: self.clone(), inner: self.0.process.clone() }
    }

    /// The scope of the metrics of one queue, by its configured name and its name in SQS.
    ///
    /// Calls with one configured name return one scope, with the name in SQS that was given first.
    pub fn queue(&self, name: &str, name_in_sqs: &str) -> MetricScope {
        let labels =
            || vec![("queue", name), ("messaging_system", SQS), ("messaging_destination_name", name_in_sqs)];
        let mut queues = lock(&self.0.queues);
        let inner = queues
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(ScopeInner::new(labels(), &self.0.left_out)));
        MetricScope { metrics: self.clone(), inner: inner.clone() }
    }

    /// Everything on the registry, in Prometheus's text format.
    pub fn text(&self) -> String {
        // Encoding fails only for names that the registry would have refused.
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_default()
    }

    /// Everything on the registry, in OpenMetrics' text format (`application/openmetrics-text; version=1.0.0`).
    pub fn open_metrics(&self) -> String {
        open_metrics::open_metrics(&self.0.registry.gather(), |name, labels| self.histogram(name, labels))
    }

    /// Everything on the registry, in this format.
    pub(crate) fn text_in(&self, format: MetricsFormat) -> String {
        match format {
            MetricsFormat::Prometheus => self.text(),
            MetricsFormat::OpenMetrics => self.open_metrics(),
        }
    }

    /// Everything on the registry.
    #[cfg(feature = "otel")]
    pub(crate) fn families(&self) -> Vec<proto::MetricFamily> {
        self.0.registry.gather()
    }

    /// Counts exponential buckets, too, of the histograms that appear from now on.
    #[cfg(feature = "otel")]
    pub(crate) fn count_exponential_buckets(&self) {
        lock(&self.0.options).exponential_histograms = true;
    }

    /// Finds a histogram by its name and labels.
    pub(crate) fn histogram(&self, name: &str, labels: &[proto::LabelPair]) -> Option<Histogram> {
        lock(&self.0.families).get(name)?.downcast_ref::<Family<Histogram>>()?.find(labels)
    }

    /// The time from which totals count.
    #[cfg(feature = "otel")]
    pub(crate) fn began(&self) -> SystemTime {
        self.0.began
    }

    /// The sum, in whole numbers, of the series of a metric that have these labels; a histogram's observations.
    ///
    /// ```
    /// let metrics = longshore::Metrics::new();
    /// assert_eq!(metrics.count("longshore_messages_started_total", &[("queue", "orders")]), 0);
    /// ```
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "negative counts are shown as 0"
    )]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let families = self.0.registry.gather();
        let Some(family) = families.iter().find(|family| family.name() == name) else { return 0 };
        let has_label = |metric: &proto::Metric, (name, value): &(&str, &str)| {
            metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
        };
        let matching = family.get_metric().iter();
        let matching = matching.filter(|metric| labels.iter().all(|label| has_label(metric, label)));
        let counts = matching.map(|metric| match family.get_field_type() {
            proto::MetricType::COUNTER => metric.get_counter().get_value() as u64,
            proto::MetricType::HISTOGRAM => metric.get_histogram().get_sample_count(),
            _ => metric.get_gauge().get_value() as u64,
        });
        counts.sum()
    }

    /// Logs the numbers of the warnings that samplers left out, each minute in which they left some out; for ever.
    pub(crate) async fn report_left_out(&self) {
        loop {
            self.0.left_out.notified().await;
            while let Some(over_at) = self.samplers().filter_map(|(_, sampler)| sampler.over_at()).min() {
                sleep_until(over_at).await;
                let now = Instant::now();
                self.report(|sampler| sampler.take_over(now));
            }
        }
    }

    /// Logs the numbers of all warnings that samplers left out and that are not reported yet.
    pub(crate) fn report_all_left_out(&self) {
        self.report(WarningSampler::take_all);
    }

    fn report(&self, take: impl Fn(&WarningSampler) -> Vec<LeftOut>) {
        for (queue, sampler) in self.samplers() {
            for LeftOut { like, reason, count } in take(&sampler) {
                events::WarningsLeftOut { queue: queue.as_deref(), count, like, reason: &reason }.emit();
            }
        }
    }

    /// The samplers of the queues, each with the queue's name, and that of the process.
    fn samplers(&self) -> impl Iterator<Item = (Option<String>, Arc<WarningSampler>)> + use<> {
        let queues = lock(&self.0.queues);
        let of_queues = queues.iter().map(|(name, scope)| (Some(name.clone()), scope.warnings.clone()));
        let mut samplers: Vec<_> = of_queues.collect();
        samplers.push((None, self.0.process.warnings.clone()));
        samplers.into_iter()
    }

    fn family<M: Metric>(&self, definition: &'static MetricDefinition) -> Family<M> {
        let mut families = lock(&self.0.families);
        if let Some(family) =
            families.get(definition.name).and_then(|family| family.downcast_ref::<Family<M>>())
        {
            return family.clone();
        }
        let options = *lock(&self.0.options);
        #[expect(
            clippy::expect_used,
            reason = "definitions are constants, and a test registers every one of them"
        )]
        let family = Family::new(definition, options).expect("the definition is valid");
        match self.0.registry.register(Box::new(family.clone())) {
            Ok(()) => {}
            // Programs that bring a registry often count their own resources already, under the same names.
            Err(_) if definition.name.starts_with("process_") => {}
            Err(error) => {
                tracing::warn!(metric = definition.name, error = %error, "metric is not served, its name is taken");
            }
        }
        families.insert(definition.name, Box::new(family.clone()));
        family
    }
}

/// The subject of metrics: one queue, or the process.
///
/// Parts register their groups of metrics in it, each once.
#[derive(Clone)]
pub struct MetricScope {
    metrics: Metrics,
    inner: Arc<ScopeInner>,
}

struct ScopeInner {
    labels: Vec<(&'static str, Arc<str>)>,
    groups: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    warnings: Arc<WarningSampler>,
}

impl ScopeInner {
    fn new(labels: Vec<(&'static str, &str)>, left_out: &Arc<Notify>) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name, value.into())).collect();
        let warnings = Arc::new(WarningSampler::notifying(left_out.clone()));
        Self { labels, groups: Mutex::default(), warnings }
    }
}

impl fmt::Debug for MetricScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MetricScope").field("labels", &self.inner.labels).finish_non_exhaustive()
    }
}

impl MetricScope {
    /// The metrics of a group in this scope, registered at their first use.
    pub fn group<G: MetricGroup>(&self) -> Arc<G> {
        let mut groups = lock(&self.inner.groups);
        let known = groups.get(&TypeId::of::<G>()).cloned().and_then(|group| group.downcast::<G>().ok());
        known.unwrap_or_else(|| {
            let group = Arc::new(G::register(self));
            groups.insert(TypeId::of::<G>(), group.clone());
            group
        })
    }

    /// Resolves the handle of one metric.
    pub fn resolve<H: Handle>(&self, definition: &'static MetricDefinition) -> H {
        let family = self.metrics.family::<H::Metric>(definition);
        H::resolve(Series::new(family, definition.labels, |label| {
            self.inner.labels.iter().find(|(name, _)| *name == label).map(|(_, value)| value.clone())
        }))
    }

    /// Limits the warnings about single messages of the queue.
    pub(crate) fn warnings(&self) -> &Arc<WarningSampler> {
        &self.inner.warnings
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
