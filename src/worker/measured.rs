//! What is measured of a consumer's queue once it is open.

use std::sync::Arc;

use super::{Consumer, open::Opened};
use crate::{
    consumer::depth::{self, Interval},
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::{Described, Metrics, QueueMetrics},
};

/// The metrics of a consumer's queue, with what is known of it, of which its handler hears, too.
pub(super) fn measured(metrics: &Metrics, consumer: &Consumer, opened: &Opened) -> Arc<QueueMetrics> {
    let metrics = metrics.queue(&consumer.name);
    let destination = consumer.name_in_sqs(&opened.arn).into();
    consumer.handler.metered(&metrics);
    metrics.describe(Described { destination, kind: consumer.kind });
    metrics
}

/// Has SQS asked how many messages a queue has, where that is wanted.
pub(super) fn watch_depth(consumer: &Consumer, opened: &Opened, place: Place<'_>) {
    let Interval::Every(interval) = consumer.settings.depth.interval else { return };
    let Place { metrics, stop, tasks } = place;
    let parts = depth::Parts {
        name: consumer.name.clone(),
        queue: opened.queue.clone(),
        dlq: opened.dlq.clone(),
        metrics: metrics.clone(),
    };
    tasks.spawn("depth", End::Fine, depth::Watch::new(parts, interval).run(stop.clone()));
}

/// Where the answers go, and until when they are asked for.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) metrics: &'a Arc<QueueMetrics>,
    pub(super) stop: &'a Stop,
    pub(super) tasks: &'a Tasks,
}
