//! What is measured of a consumer's queue once it is open.

use super::{Consumer, embedded_metrics::Meter, open::Opened};
use crate::{
    consumer::{
        depth::{self, Interval, QueueDepth, WorkAverage},
        metrics::ConsumerMetrics,
    },
    handler::FailureCounter,
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::{MetricScope, Metrics},
};

/// The metrics of a consumer's queue.
pub(super) struct Measured {
    pub(super) scope: MetricScope,
    pub(super) failures: FailureCounter,
    pub(super) depth: QueueDepth,
}

impl Measured {
    /// Registers the metrics of a queue that is open, and those of its handler.
    pub(super) fn of(metrics: &Metrics, consumer: &Consumer, opened: &Opened) -> Self {
        let scope = metrics.queue(&consumer.name, &consumer.name_in_sqs(&opened.arn));
        let failures = consumer.handler.register_metrics(&scope);
        let depth = QueueDepth::in_scope(&scope, consumer.options.concurrency);
        Self { scope, failures, depth }
    }

    /// The work done since the start.
    fn work(&self) -> WorkAverage {
        let metrics = self.scope.group::<ConsumerMetrics>();
        WorkAverage::new(move || metrics.work_done())
    }

    /// The meter of the scaling signal.
    pub(super) fn meter(&self, name_in_sqs: String) -> Meter {
        Meter::new(name_in_sqs, &self.scope, self.depth.clone(), self.work())
    }
}

/// Has SQS asked how many messages a queue has, where that is wanted.
pub(super) fn watch_depth(consumer: &Consumer, opened: &Opened, place: Place<'_>) {
    let Interval::Every(interval) = consumer.options.depth.interval else { return };
    let Place { measured, stop, tasks } = place;
    let parts = depth::Parts {
        name: consumer.name.clone(),
        queue: opened.queue.clone(),
        dlq: opened.dlq.clone(),
        depth: measured.depth.clone(),
        calls: measured.scope.group(),
    };
    tasks.spawn("depth", End::Fine, depth::Watch::new(parts, measured.work(), interval).run(stop.clone()));
}

/// Where the answers go, and until when they are asked for.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) measured: &'a Measured,
    pub(super) stop: &'a Stop,
    pub(super) tasks: &'a Tasks,
}
