//! The making of one queue's series, of the families that they belong to.

use std::sync::{Arc, Mutex, OnceLock};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};
use tokio::time::Instant;

use super::{ByLabel, Depth, Described, GroupTally, Lazily, QueueMetrics};
use crate::telemetry::{
    Action, CallResult, Ending, Label, Notified, Occasion, ProcessState, catalog::Families, sampler::Sampler,
};

/// What OpenTelemetry calls SQS.
const SQS: &str = "aws_sqs";
/// What OpenTelemetry calls SNS.
const SNS: &str = "aws.sns";
/// The actions that settle a message.
const SETTLING: &[Action] = &[Action::Delete, Action::GiveBack, Action::Copy];

/// One queue's part of the families.
struct Series<'a> {
    families: &'a Families,
    queue: Arc<str>,
    described: Arc<OnceLock<Described>>,
}

impl QueueMetrics {
    /// The metrics of the queue of this configured name.
    pub(super) fn new(families: &Families, queue: &str) -> Self {
        let one = [queue];
        let series = Series { families, queue: queue.into(), described: Arc::default() };
        Self {
            consumed: series.consumed(),
            started: families.started.with_label_values(&one),
            ended: series.by_label(&families.ended),
            given_back: families.given_back.with_label_values(&one),
            duplicates: families.duplicates.with_label_values(&one),
            process_time: series.process_time(),
            work_seconds: families.work_seconds.with_label_values(&one),
            queue_wait: series.queue_wait(),
            running: families.running.with_label_values(&one),
            calls_running: families.calls_running.with_label_values(&one),
            concurrency: families.concurrency.with_label_values(&one),
            held: families.held.with_label_values(&one),
            room: families.room.with_label_values(&one),
            groups: GroupTally::new(families, queue),
            extensions: families.extensions.with_label_values(&one),
            lost: families.lost.with_label_values(&one),
            settled: series.of_settling(&families.settled),
            settle_retries: series.of_settling(&families.settle_retries),
            settle_failures: series.of_settling(&families.settle_failures),
            notifications: series.notifications(),
            calls: series.calls(),
            operation_time: series.operation_time(),
            sns_calls: series.when_counted(&families.sns_calls),
            publish_time: series.publish_time(),
            pollers: families.pollers.with_label_values(&one),
            paused: families.paused.with_label_values(&one),
            depth: Depth::new(families, queue),
            failures: series.when_counted(&families.handler_failures),
            processes: series.processes(),
            process_starts: series.process_starts(),
            process_exits: series.when_counted(&families.process_exits),
            warnings: Sampler::default(),
            kind: OnceLock::new(),
            handler_info: families.handler_info.clone(),
            poll_age: families.poll_age.with_label_values(&one),
            last_poll: Mutex::new(Instant::now()),
            name: series.queue,
            described: series.described,
        }
    }
}

impl Series<'_> {
    /// The name in SQS; the configured one as long as it is not known.
    fn destination(&self) -> impl Fn() -> Arc<str> + Send + Sync + use<> {
        let (described, queue) = (self.described.clone(), self.queue.clone());
        move || described.get().map_or_else(|| queue.clone(), |described| described.destination.clone())
    }

    fn by_label<L: Label>(&self, family: &IntCounterVec) -> ByLabel<L, IntCounter> {
        let counters = self.when_counted(family);
        counters.begin(L::ALL);
        counters
    }

    fn when_counted<L: Label>(&self, family: &IntCounterVec) -> ByLabel<L, IntCounter> {
        let (family, queue) = (family.clone(), self.queue.clone());
        ByLabel::new(move |label: L| family.with_label_values(&[&*queue, label.as_str()]))
    }

    fn of_settling(&self, family: &IntCounterVec) -> ByLabel<Action, IntCounter> {
        let counters = self.when_counted(family);
        counters.begin(SETTLING);
        counters
    }

    fn consumed(&self) -> Lazily<IntCounter> {
        let (family, queue, destination) =
            (self.families.consumed.clone(), self.queue.clone(), self.destination());
        Lazily::new(move || {
            family.with_label_values(&[&*queue, SQS, Action::Receive.as_str(), &*destination()])
        })
    }

    fn process_time(&self) -> ByLabel<Ending, Histogram> {
        let (family, queue, destination) =
            (self.families.process_time.clone(), self.queue.clone(), self.destination());
        ByLabel::new(move |ending: Ending| {
            family.with_label_values(&[&*queue, SQS, "process", &*destination(), ending.error_type()])
        })
    }

    fn queue_wait(&self) -> Lazily<Histogram> {
        let (family, queue) = (self.families.queue_wait.clone(), self.queue.clone());
        Lazily::new(move || family.with_label_values(&[&*queue]))
    }

    fn notifications(&self) -> ByLabel<Occasion, ByLabel<Notified, IntCounter>> {
        let (family, queue) = (self.families.notifications.clone(), self.queue.clone());
        ByLabel::new(move |occasion: Occasion| {
            let (family, queue) = (family.clone(), queue.clone());
            let fates = ByLabel::new(move |fate: Notified| {
                family.with_label_values(&[&*queue, occasion.as_str(), fate.as_str()])
            });
            fates.begin(Notified::ALL);
            fates
        })
    }

    fn calls(&self) -> ByLabel<Action, ByLabel<CallResult, IntCounter>> {
        let (family, queue) = (self.families.calls.clone(), self.queue.clone());
        let calls = ByLabel::new(move |action: Action| {
            let (family, queue) = (family.clone(), queue.clone());
            let results = ByLabel::new(move |result: CallResult| {
                family.with_label_values(&[&*queue, action.as_str(), result.as_str()])
            });
            results.begin(CallResult::ALL);
            results
        });
        calls.begin(Action::ALL);
        calls
    }

    fn operation_time(&self) -> ByLabel<Action, ByLabel<CallResult, Histogram>> {
        let (family, queue) = (self.families.operation_time.clone(), self.queue.clone());
        let destination = Arc::new(self.destination());
        ByLabel::new(move |action: Action| {
            let operation = Operation { family: family.clone(), queue: queue.clone(), action };
            let destination = destination.clone();
            ByLabel::new(move |result| operation.histogram(&destination(), result))
        })
    }

    /// A publication's topic is not told: one queue's may go to several, and to phones.
    fn publish_time(&self) -> ByLabel<CallResult, Histogram> {
        let (family, queue) = (self.families.operation_time.clone(), self.queue.clone());
        ByLabel::new(move |result: CallResult| {
            family.with_label_values(&[&*queue, SNS, "publish", "send", "", result.error_type()])
        })
    }

    fn processes(&self) -> ByLabel<ProcessState, IntGauge> {
        let (family, queue) = (self.families.processes.clone(), self.queue.clone());
        ByLabel::new(move |state: ProcessState| family.with_label_values(&[&*queue, state.as_str()]))
    }

    fn process_starts(&self) -> Lazily<IntCounter> {
        let (family, queue) = (self.families.process_starts.clone(), self.queue.clone());
        Lazily::new(move || family.with_label_values(&[&*queue]))
    }
}

/// The calls of one kind to a queue.
struct Operation {
    family: HistogramVec,
    queue: Arc<str>,
    action: Action,
}

impl Operation {
    fn histogram(&self, destination: &str, result: CallResult) -> Histogram {
        let (name, kind) = (self.action.as_str(), self.action.operation_type());
        self.family.with_label_values(&[&*self.queue, SQS, name, kind, destination, result.error_type()])
    }
}
