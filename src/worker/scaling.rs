//! The scaling signal: printed for CloudWatch every so often, as long as the worker works.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::Consumer;
use crate::{
    ecs,
    tasks::{End, Tasks},
    telemetry::{Meter, Metrics, Scope, events},
};

/// What is told of a worker's work for its scaling, in which namespace, how often and to whom.
#[derive(Clone)]
pub struct ScalingSignal {
    /// The namespace in CloudWatch.
    pub namespace: String,
    /// The time between two lines of a queue.
    pub interval: Duration,
    /// Where ECS describes the task, which the lines then name.
    pub metadata: Option<Url>,
    /// Where the lines go.
    pub print: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The shortest time between two lines: CloudWatch counts in seconds.
const SHORTEST: Duration = Duration::from_secs(1);

impl ScalingSignal {
    /// A signal on standard output, which the log driver of a container brings to CloudWatch.
    pub fn new(namespace: impl Into<String>, interval: Duration) -> Self {
        Self { namespace: namespace.into(), interval, metadata: None, print: Arc::new(to_stdout) }
    }
}

fn to_stdout(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        events::SignalUnread { error: &error }.emit();
    }
}

/// The meter of a consumer's queue, by its name in SQS where that is known.
pub(super) fn meter(consumer: &Consumer, arn: &str, metrics: &Metrics) -> Meter {
    Meter::new(consumer.name_in_sqs(arn), metrics.queue(&consumer.name))
}

/// The signal while it is told; dropped, it ends, and what ended since the last line is left to the metrics.
pub(super) struct Scaling(
    #[expect(dead_code, reason = "it ends the signal at its drop")] AbortOnDropHandle<()>,
);

impl Scaling {
    pub(super) fn start(signal: ScalingSignal, meters: Vec<Meter>, tasks: &Tasks) -> Self {
        Self(AbortOnDropHandle::new(tasks.spawn("scaling signal", End::Fault, tell(signal, meters))))
    }
}

async fn tell(signal: ScalingSignal, mut meters: Vec<Meter>) {
    let mut ticks = interval(signal.interval.max(SHORTEST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first is at once.
    ticks.tick().await;
    let properties = properties(signal.metadata.as_ref()).await;
    let scope = Scope { namespace: signal.namespace, properties };
    loop {
        ticks.tick().await;
        for meter in &mut meters {
            (signal.print)(&meter.line(&scope, SystemTime::now()));
        }
    }
}

/// What the lines say of the task that prints them.
async fn properties(metadata: Option<&Url>) -> Map<String, Value> {
    let Some(metadata) = metadata else { return Map::new() };
    match ecs::TaskMetadata::read(metadata).await {
        Ok(task) => {
            let ecs::TaskMetadata { cluster, task_arn, family, revision, availability_zone, launch_type } =
                task;
            events::TaskKnown {
                cluster: &cluster,
                task_arn: &task_arn,
                family: &family,
                revision: &revision,
                availability_zone: &availability_zone,
                launch_type: &launch_type,
            }
            .emit();
            let told =
                [("Cluster", cluster), ("TaskArn", task_arn), ("Family", family), ("Revision", revision)];
            told.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
        }
        Err(error) => {
            events::TaskUnknown { error: &error }.emit();
            Map::new()
        }
    }
}
