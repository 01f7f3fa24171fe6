//! The scaling signal: lines of CloudWatch's embedded metric format, printed at an interval.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::embedded_metrics::{Meter, Scope};
use crate::{
    ecs,
    tasks::{End, Tasks},
    telemetry::events,
};

/// The settings of the scaling signal.
#[derive(Clone)]
pub struct ScalingSignal {
    /// The namespace in CloudWatch.
    namespace: String,
    /// The interval between two lines of a queue.
    interval: Duration,
    /// The endpoint of the ECS task's metadata, which the lines then include.
    pub(super) metadata: Option<Url>,
    /// The sink of the lines.
    print: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The shortest interval: CloudWatch's resolution is a second.
const SHORTEST: Duration = Duration::from_secs(1);

impl ScalingSignal {
    /// A signal on standard output, which a container's log driver sends to CloudWatch.
    pub fn new(namespace: impl Into<String>, interval: Duration) -> Self {
        Self { namespace: namespace.into(), interval, metadata: None, print: Arc::new(to_stdout) }
    }

    /// Prints by this function instead of to standard output.
    #[must_use]
    pub fn print(mut self, print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.print = Arc::new(print);
        self
    }

    /// Adds the task's cluster, ARN, family and revision, from the URL in `ECS_CONTAINER_METADATA_URI_V4`.
    #[must_use]
    pub fn task_metadata(mut self, url: &str) -> Self {
        self.metadata = Url::parse(url).ok();
        self
    }
}

fn to_stdout(line: &str) {
    if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
        events::SignalUnread { error: &error }.emit();
    }
}

/// The task that prints the signal; it ends when this is dropped.
pub(super) struct ScalingTask(#[expect(dead_code, reason = "its drop ends the task")] AbortOnDropHandle<()>);

impl ScalingTask {
    pub(super) fn start(signal: ScalingSignal, meters: Vec<Meter>, tasks: &Tasks) -> Self {
        Self(AbortOnDropHandle::new(tasks.spawn("scaling signal", End::Fault, print_lines(signal, meters))))
    }
}

async fn print_lines(signal: ScalingSignal, mut meters: Vec<Meter>) {
    let mut ticks = interval(signal.interval.max(SHORTEST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate.
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

/// The properties of the ECS task in each line.
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
            let properties =
                [("Cluster", cluster), ("TaskArn", task_arn), ("Family", family), ("Revision", revision)];
            properties.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
        }
        Err(error) => {
            events::TaskUnknown { error: &error }.emit();
            Map::new()
        }
    }
}
