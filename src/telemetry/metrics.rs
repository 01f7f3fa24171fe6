//! The metrics themselves, on a registry of their own.

use std::{
    collections::BTreeMap,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{
    Counter, CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};
use tokio::time::Instant;

use super::{
    catalog::{self, Definition, Kind},
    label::{Action, CallResult, Ending, Label, Notified, Occasion},
    sampler::Sampler,
};

/// All metrics of a process.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    families: Families,
    queues: Mutex<BTreeMap<String, Arc<QueueMetrics>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh registry with every metric of the catalogue.
    pub fn new() -> Self {
        let registry = Registry::new();
        let families = Families::new(&registry);
        gauges(&registry, &catalog::INFO).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self(Arc::new(Inner { registry, families, queues: Mutex::default() }))
    }

    /// The metrics of one queue, by its configured name; the same ones for the same name.
    pub fn queue(&self, name: &str) -> Arc<QueueMetrics> {
        let mut queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(QueueMetrics::new(&self.0.families, name));
        queues.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// Everything, in Prometheus's text format.
    pub fn text(&self) -> String {
        let queues = self.0.queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for queue in queues.values() {
            queue.refresh();
        }
        // Encoding fails only for names that the registry would have refused.
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_default()
    }
}

struct Families {
    received: IntCounterVec,
    started: IntCounterVec,
    ended: IntCounterVec,
    given_back: IntCounterVec,
    duplicates: IntCounterVec,
    handler_time: HistogramVec,
    work_seconds: CounterVec,
    queue_wait: HistogramVec,
    running: IntGaugeVec,
    calls_running: IntGaugeVec,
    concurrency: IntGaugeVec,
    held: IntGaugeVec,
    room: IntGaugeVec,
    extensions: IntCounterVec,
    lost: IntCounterVec,
    settled: IntCounterVec,
    settle_retries: IntCounterVec,
    settle_failures: IntCounterVec,
    notifications: IntCounterVec,
    calls: IntCounterVec,
    call_time: HistogramVec,
    pollers: IntGaugeVec,
    poll_age: IntGaugeVec,
    paused: IntGaugeVec,
}

impl Families {
    fn new(registry: &Registry) -> Self {
        Self {
            received: counters(registry, &catalog::RECEIVED),
            started: counters(registry, &catalog::STARTED),
            ended: counters(registry, &catalog::ENDED),
            given_back: counters(registry, &catalog::GIVEN_BACK),
            duplicates: counters(registry, &catalog::DUPLICATES),
            handler_time: histograms(registry, &catalog::HANDLER_TIME),
            work_seconds: seconds(registry, &catalog::WORK_SECONDS),
            queue_wait: histograms(registry, &catalog::QUEUE_WAIT),
            running: gauges(registry, &catalog::RUNNING),
            calls_running: gauges(registry, &catalog::CALLS_RUNNING),
            concurrency: gauges(registry, &catalog::CONCURRENCY),
            held: gauges(registry, &catalog::HELD),
            room: gauges(registry, &catalog::ROOM),
            extensions: counters(registry, &catalog::EXTENSIONS),
            lost: counters(registry, &catalog::LOST),
            settled: counters(registry, &catalog::SETTLED),
            settle_retries: counters(registry, &catalog::SETTLE_RETRIES),
            settle_failures: counters(registry, &catalog::SETTLE_FAILURES),
            notifications: counters(registry, &catalog::NOTIFICATIONS),
            calls: counters(registry, &catalog::CALLS),
            call_time: histograms(registry, &catalog::CALL_TIME),
            pollers: gauges(registry, &catalog::POLLERS),
            poll_age: gauges(registry, &catalog::POLL_AGE),
            paused: gauges(registry, &catalog::PAUSED),
        }
    }
}

fn counters(registry: &Registry, definition: &Definition) -> IntCounterVec {
    let options = Opts::new(definition.name, definition.help);
    registered(registry, IntCounterVec::new(options, definition.labels))
}

fn seconds(registry: &Registry, definition: &Definition) -> CounterVec {
    let options = Opts::new(definition.name, definition.help);
    registered(registry, CounterVec::new(options, definition.labels))
}

fn gauges(registry: &Registry, definition: &Definition) -> IntGaugeVec {
    let options = Opts::new(definition.name, definition.help);
    registered(registry, IntGaugeVec::new(options, definition.labels))
}

fn histograms(registry: &Registry, definition: &Definition) -> HistogramVec {
    let buckets = match definition.kind {
        Kind::Histogram(buckets) => buckets,
        Kind::Counter | Kind::Gauge => prometheus::DEFAULT_BUCKETS,
    };
    let options = HistogramOpts::new(definition.name, definition.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, definition.labels))
}

#[expect(clippy::expect_used, reason = "definitions are constants, and a test makes every one of them")]
fn registered<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.expect("the definition is valid");
    registry.register(Box::new(collector.clone())).expect("the name is new");
    collector
}

/// One metric per value of a label, looked up without hashing.
pub struct ByLabel<L, M> {
    metrics: Vec<M>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M> ByLabel<L, M> {
    fn new(make: impl Fn(L) -> M) -> Self {
        Self { metrics: L::ALL.iter().map(|label| make(*label)).collect(), label: PhantomData }
    }

    /// The metric of this label value.
    pub fn of(&self, label: L) -> &M {
        &self.metrics[label.index()]
    }
}

/// The metrics of one queue, each already looked up.
pub struct QueueMetrics {
    /// Messages received.
    pub received: IntCounter,
    /// Messages whose handler was started.
    pub started: IntCounter,
    /// Messages whose handler ended.
    pub ended: ByLabel<Ending, IntCounter>,
    /// Messages given back before their handler started.
    pub given_back: IntCounter,
    /// Messages received again and not run again.
    pub duplicates: IntCounter,
    /// How long handlers ran, in seconds.
    pub handler_time: ByLabel<Ending, Histogram>,
    /// Seconds that calls took, each counted once.
    pub work_seconds: Counter,
    /// From send to start, in seconds.
    pub queue_wait: Histogram,
    /// Messages in a call of the handler now.
    pub running: IntGauge,
    /// Calls of the handler running now.
    pub calls_running: IntGauge,
    /// The most handlers at once.
    pub concurrency: IntGauge,
    /// Messages held now.
    pub held: IntGauge,
    /// The most messages held at once.
    pub room: IntGauge,
    /// Leases extended.
    pub extensions: IntCounter,
    /// Leases lost.
    pub lost: IntCounter,
    /// Messages copied, deleted or given back.
    pub settled: ByLabel<Action, IntCounter>,
    /// Entries tried again.
    pub settle_retries: ByLabel<Action, IntCounter>,
    /// Entries given up.
    pub settle_failures: ByLabel<Action, IntCounter>,
    /// Notifications.
    pub notifications: ByLabel<Occasion, ByLabel<Notified, IntCounter>>,
    /// Calls to SQS.
    pub calls: ByLabel<Action, ByLabel<CallResult, IntCounter>>,
    /// How long calls to SQS took, in seconds.
    pub call_time: ByLabel<Action, Histogram>,
    /// Receives under way now.
    pub pollers: IntGauge,
    /// Whether polling is paused.
    pub paused: IntGauge,
    /// Which warnings about single messages are logged as such.
    pub(super) warnings: Sampler,
    poll_age: IntGauge,
    last_poll: Mutex<Instant>,
}

impl QueueMetrics {
    fn new(families: &Families, queue: &str) -> Self {
        let one = [queue];
        let by_action = |family: &IntCounterVec| {
            ByLabel::new(|action: Action| family.with_label_values(&[queue, action.as_str()]))
        };
        Self {
            received: families.received.with_label_values(&one),
            started: families.started.with_label_values(&one),
            ended: ByLabel::new(|ending: Ending| families.ended.with_label_values(&[queue, ending.as_str()])),
            given_back: families.given_back.with_label_values(&one),
            duplicates: families.duplicates.with_label_values(&one),
            handler_time: ByLabel::new(|ending: Ending| {
                families.handler_time.with_label_values(&[queue, ending.as_str()])
            }),
            work_seconds: families.work_seconds.with_label_values(&one),
            queue_wait: families.queue_wait.with_label_values(&one),
            running: families.running.with_label_values(&one),
            calls_running: families.calls_running.with_label_values(&one),
            concurrency: families.concurrency.with_label_values(&one),
            held: families.held.with_label_values(&one),
            room: families.room.with_label_values(&one),
            extensions: families.extensions.with_label_values(&one),
            lost: families.lost.with_label_values(&one),
            settled: by_action(&families.settled),
            settle_retries: by_action(&families.settle_retries),
            settle_failures: by_action(&families.settle_failures),
            notifications: ByLabel::new(|occasion: Occasion| {
                ByLabel::new(|fate: Notified| {
                    families.notifications.with_label_values(&[queue, occasion.as_str(), fate.as_str()])
                })
            }),
            calls: ByLabel::new(|action: Action| {
                ByLabel::new(|result: CallResult| {
                    families.calls.with_label_values(&[queue, action.as_str(), result.as_str()])
                })
            }),
            call_time: ByLabel::new(|action: Action| {
                families.call_time.with_label_values(&[queue, action.as_str()])
            }),
            pollers: families.pollers.with_label_values(&one),
            paused: families.paused.with_label_values(&one),
            poll_age: families.poll_age.with_label_values(&one),
            warnings: Sampler::default(),
            last_poll: Mutex::new(Instant::now()),
        }
    }

    /// Notes a call to SQS that was begun at `began` and ends now.
    pub fn called(&self, action: Action, result: CallResult, began: Instant) {
        self.calls.of(action).of(result).inc();
        self.call_time.of(action).observe(began.elapsed().as_secs_f64());
        if action == Action::Receive && result == CallResult::Ok {
            *self.last_poll.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// Whole seconds since a receive was last answered; since the start when none was.
    pub fn poll_age_seconds(&self) -> u64 {
        self.last_poll.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs()
    }

    fn refresh(&self) {
        self.poll_age.set(i64::try_from(self.poll_age_seconds()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::CATALOG;

    #[test]
    fn every_metric_of_the_catalogue_is_served() {
        let metrics = Metrics::new();
        metrics.queue("orders").called(Action::Receive, CallResult::Ok, Instant::now());
        let text = metrics.text();
        for Definition { name, .. } in CATALOG {
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }

    #[test]
    fn a_queue_asked_for_twice_is_counted_once() {
        let metrics = Metrics::new();
        metrics.queue("orders").received.inc();
        metrics.queue("orders").received.inc();
        assert!(metrics.text().contains("longshore_messages_received_total{queue=\"orders\"} 2"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_of_the_last_poll_is_counted_in_seconds() {
        let metrics = Metrics::new();
        let queue = metrics.queue("orders");
        tokio::time::advance(std::time::Duration::from_secs(61)).await;
        assert!(metrics.text().contains("since_successful_receive{queue=\"orders\"} 61"));
        queue.called(Action::Receive, CallResult::Ok, Instant::now());
        assert_eq!(queue.poll_age_seconds(), 0);
    }
}
