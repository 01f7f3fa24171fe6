//! Prints lines of CloudWatch's embedded metric format, from which a queue's scaling is computed, and its troubles.

use std::{
    io::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::{
    consumer::{
        depth::{QueueDepth, WorkAverage},
        lease::LeaseMetrics,
        metrics::ConsumerMetrics,
        running::RunningCalls,
    },
    ecs,
    tasks::{End, Tasks},
    telemetry::{Ending, Label as _, MetricScope, events},
};

/// The dimension that the metrics have, as SQS's own in `AWS/SQS`.
const DIMENSION: &str = "QueueName";

/// The namespace of the metrics, and further properties of the lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// The namespace in CloudWatch.
    pub namespace: String,
    /// The properties of each line, for readers of the log; as dimensions they would cost a metric each.
    pub properties: Map<String, Value>,
    /// The interval between two lines of a queue.
    pub interval: Duration,
}

/// The resolution of CloudWatch's metrics unless they are stored with a higher one.
const STANDARD_RESOLUTION: Duration = Duration::from_mins(1);

impl Scope {
    /// The declaration of a metric; an alarm can read lines that come more often than each minute by themselves.
    fn declaration(&self, name: &str, unit: &str) -> Value {
        if self.interval < STANDARD_RESOLUTION {
            return json!({ "Name": name, "Unit": unit, "StorageResolution": 1 });
        }
        json!({ "Name": name, "Unit": unit })
    }
}

/// The input of one queue's scaling, measured from one line to the next.
///
/// It measures this worker only. SQS itself publishes the number of messages in the queue.
pub(super) struct Meter {
    queue_name: String,
    consumer: Arc<ConsumerMetrics>,
    leases: Arc<LeaseMetrics>,
    depth: QueueDepth,
    running: RunningCalls,
    work: WorkAverage,
    /// The failures up to the last line.
    counted: FailureTotals,
}

/// The totals of failures since the start.
#[derive(Clone, Copy, Debug, Default)]
struct FailureTotals {
    failed: u64,
    leases_lost: u64,
}

/// The age from which the oldest call is one of the troubles.
const LONG_CALL: Duration = Duration::from_mins(1);

impl Meter {
    /// Creates a meter of the queue with this name in SQS.
    pub(super) fn new(
        queue_name: impl Into<String>,
        scope: &MetricScope,
        depth: QueueDepth,
        running: RunningCalls,
        work: WorkAverage,
    ) -> Self {
        let (consumer, leases) = (scope.group(), scope.group());
        let counted = FailureTotals::default();
        Self { queue_name: queue_name.into(), consumer, leases, depth, running, work, counted }
    }

    /// The line for the time since the last one, without a newline.
    ///
    /// `SecondsPerMessage` is that of the last interval in which a message ended, absent before the first one; what runs
    /// for longer than usual counts.
    /// `BacklogSeconds` and the counts of messages are absent while these are not known.
    pub(super) fn line(&mut self, scope: &Scope, at: SystemTime) -> String {
        let (work, now) = (self.work.update(), Instant::now());
        let mut values = vec![
            ("WorkSeconds", "Seconds", json!(work.seconds)),
            ("MessagesEnded", "Count", json!(work.messages)),
            ("CallsRunning", "Count", json!(self.consumer.calls_running.get())),
            ("MessagesHeld", "Count", json!(self.leases.held.get())),
            ("Concurrency", "Count", json!(self.consumer.concurrency.get())),
        ];
        let usual = self.work.seconds_per_message();
        let seconds_per_message = self.running.seconds_per_message(usual, now);
        values.extend(seconds_per_message.map(|average| ("SecondsPerMessage", "Seconds", json!(average))));
        let backlog = self.depth.backlog_seconds();
        values.extend(backlog.map(|backlog| ("BacklogSeconds", "Seconds", json!(backlog))));
        let counts = self.depth.counts();
        values.extend(counts.map(|counts| ("MessagesWaiting", "Count", json!(counts.visible))));
        values.extend(counts.map(|counts| ("MessagesInFlight", "Count", json!(counts.in_flight))));
        values.extend(self.troubles(now));
        self.document(scope, at, &values).to_string()
    }

    /// The metrics that are printed above zero only, because a metric costs only in the hours in which it has a value.
    fn troubles(&mut self, at: Instant) -> impl Iterator<Item = (&'static str, &'static str, Value)> + use<> {
        let failures = Ending::ALL.iter().filter(|ending| ending.is_failure());
        let failed = failures.map(|ending| self.consumer.ended.of(*ending).get()).sum();
        let now = FailureTotals { failed, leases_lost: self.leases.lost.get() };
        let before = std::mem::replace(&mut self.counted, now);
        let counts = [
            ("MessagesFailed", now.failed - before.failed),
            ("LeasesLost", now.leases_lost - before.leases_lost),
            ("DeadLetters", self.depth.dlq().unwrap_or_default()),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(name, count)| (name, "Count", json!(count)));
        let oldest = self.depth.oldest_age_seconds().filter(|seconds| *seconds > 0.0);
        let oldest = oldest.map(|seconds| ("OldestMessageSeconds", "Seconds", json!(seconds)));
        let running = self.running.oldest(at).filter(|age| *age >= LONG_CALL);
        let running = running.map(|age| ("OldestRunningSeconds", "Seconds", json!(age.as_secs_f64())));
        counts.chain(oldest).chain(running)
    }

    fn document(&self, scope: &Scope, at: SystemTime, values: &[(&str, &str, Value)]) -> Value {
        let metrics: Vec<_> = values.iter().map(|(name, unit, _)| scope.declaration(name, unit)).collect();
        let directive =
            json!({ "Namespace": scope.namespace, "Dimensions": [[DIMENSION]], "Metrics": metrics });
        let milliseconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let timestamp = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        let mut document = scope.properties.clone();
        document.extend(values.iter().map(|(name, _, value)| ((*name).to_owned(), value.clone())));
        document.insert(DIMENSION.to_owned(), self.queue_name.clone().into());
        document
            .insert("_aws".to_owned(), json!({ "Timestamp": timestamp, "CloudWatchMetrics": [directive] }));
        Value::Object(document)
    }
}

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
/// The time from the start to the first line: a fleet that was none scales no further until a task has measured its calls.
const FIRST_LINE: Duration = Duration::from_secs(10);

impl ScalingSignal {
    /// Prints to standard output, which a container's log driver sends to CloudWatch.
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
pub(super) struct ScalingTask {
    meters: Meters,
    _task: AbortOnDropHandle<()>,
}

/// The meters of the queues that are open.
type Meters = Arc<Mutex<Vec<Meter>>>;

impl ScalingTask {
    pub(super) fn start(signal: ScalingSignal, tasks: &Tasks) -> Self {
        let meters = Meters::default();
        let printing = tasks.spawn("scaling signal", End::Fault, print_lines(signal, meters.clone()));
        Self { meters, _task: AbortOnDropHandle::new(printing) }
    }

    /// Prints the lines of one more queue.
    pub(super) fn add(&self, meter: Meter) {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).push(meter);
    }
}

async fn print_lines(signal: ScalingSignal, meters: Meters) {
    let every = signal.interval.max(SHORTEST);
    let mut ticks = interval_at(Instant::now() + every.min(FIRST_LINE), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let properties = properties(signal.metadata.as_ref()).await;
    let scope = Scope { namespace: signal.namespace, properties, interval: every };
    loop {
        ticks.tick().await;
        for meter in meters.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        consumer::{depth::Counts, running::RunningCall},
        message::Message,
        telemetry::{Ending, Metrics},
    };

    /// A meter, the metrics that it reads with the calls, and the depth.
    fn meter(queue_name: &str) -> (Meter, (Arc<ConsumerMetrics>, RunningCalls), QueueDepth) {
        let scope = Metrics::new().queue("orders", queue_name);
        let (metrics, running) = (scope.group::<ConsumerMetrics>(), RunningCalls::in_scope(&scope));
        let depth = QueueDepth::in_scope(&scope, 2, running.clone());
        let read = (metrics.clone(), running.clone());
        let work = WorkAverage::new(move || read.1.work_done(read.0.messages_worked(), Instant::now()));
        (Meter::new(queue_name, &scope, depth.clone(), running.clone(), work), (metrics, running), depth)
    }

    fn ended((metrics, running): &(Arc<ConsumerMetrics>, RunningCalls), seconds: u64, messages: u64) {
        running.worked(Duration::from_secs(seconds), Instant::now());
        metrics.ended.of(Ending::Done).inc_by(messages);
    }

    fn line(meter: &mut Meter) -> Value {
        let scope = Scope {
            namespace: "Longshore".to_owned(),
            properties: Map::from_iter([("TaskArn".to_owned(), "arn".into())]),
            interval: Duration::from_mins(1),
        };
        let text = meter.line(&scope, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert!(!text.contains('\n'), "one event, one line");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_metric_has_a_value_and_every_dimension_a_text() {
        let (mut meter, metrics, _) = meter("shop-orders");
        ended(&metrics, 30, 10);
        let document = line(&mut meter);
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(document["_aws"]["Timestamp"], 1_700_000_000_000_u64);
        assert_eq!(
            (&directive["Namespace"], &document["QueueName"]),
            (&json!("Longshore"), &json!("shop-orders"))
        );
        assert_eq!(
            (&directive["Dimensions"], &document["TaskArn"]),
            (&json!([["QueueName"]]), &json!("arn"))
        );
        let named = directive["Metrics"].as_array().unwrap();
        assert_eq!(named.len(), 6);
        for metric in named {
            assert!(document[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
    }

    #[test]
    fn the_seconds_per_message_are_those_of_the_last_interval_in_which_one_ended() {
        let (mut meter, metrics, _) = meter("orders");
        assert!(line(&mut meter).get("SecondsPerMessage").is_none(), "nothing is known yet");
        ended(&metrics, 30, 10);
        assert_eq!(line(&mut meter)["SecondsPerMessage"], 3.0);
        let idle = line(&mut meter);
        assert_eq!((&idle["SecondsPerMessage"], &idle["MessagesEnded"]), (&json!(3.0), &json!(0)));
        ended(&metrics, 2, 1);
        let next = line(&mut meter);
        assert_eq!((&next["SecondsPerMessage"], &next["WorkSeconds"]), (&json!(2.0), &json!(2.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_run_count_before_they_end() {
        let (mut meter, metrics, _) = meter("orders");
        ended(&metrics, 20, 10);
        line(&mut meter);
        let call = |id: &str| RunningCall {
            began: Instant::now(),
            messages: 1,
            first: Message::new(id, "").into(),
            report_at: None,
        };
        let running = ["a", "b"].map(|id| metrics.1.begin(call(id)));
        tokio::time::advance(Duration::from_mins(10)).await;
        let hung = line(&mut meter);
        assert_eq!((&hung["WorkSeconds"], &hung["MessagesEnded"]), (&json!(1200.0), &json!(0)));
        assert_eq!(
            (&hung["SecondsPerMessage"], &hung["OldestRunningSeconds"]),
            (&json!(600.0), &json!(600.0))
        );
        drop(running);
        assert!(line(&mut meter).get("OldestRunningSeconds").is_none(), "none runs");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_line_comes_ten_seconds_after_the_start_and_counts_what_runs() {
        let (meter, metrics, _) = meter("orders");
        let began = Instant::now();
        let call = RunningCall { began, messages: 1, first: Message::new("a", "").into(), report_at: None };
        let _running = metrics.1.begin(call);
        let meters = Meters::default();
        meters.lock().unwrap().push(meter);
        let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let signal = ScalingSignal::new("Longshore", Duration::from_mins(1)).print(move |line| {
            sender.send((line.to_owned(), Instant::now())).unwrap();
        });
        tokio::select! {
            () = print_lines(signal, meters) => unreachable!("it prints for ever"),
            Some((line, at)) = lines.recv() => {
                let line: Value = serde_json::from_str(&line).unwrap();
                assert_eq!((at - began, &line["SecondsPerMessage"]), (FIRST_LINE, &json!(10.0)));
            }
        }
    }

    #[test]
    fn calls_that_did_not_reach_the_handler_are_not_counted() {
        let (mut meter, metrics, _) = meter("orders");
        metrics.0.ended.of(Ending::Down).inc_by(5);
        assert_eq!(line(&mut meter)["MessagesEnded"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn troubles_are_printed_only_while_there_are_any() {
        const TROUBLES: [&str; 4] = ["MessagesFailed", "LeasesLost", "DeadLetters", "OldestMessageSeconds"];
        let (mut meter, metrics, depth) = meter("orders");
        let troubles = |line: &Value| TROUBLES.map(|name| line.get(name).and_then(Value::as_f64));
        depth.polls_every(Duration::from_secs(30));
        depth.polled(Counts::default());
        depth.dlq_polled(0);
        ended(&metrics, 1, 3);
        assert_eq!(troubles(&line(&mut meter)), [None; 4], "a queue without troubles pays for none");
        metrics.0.ended.of(Ending::Retry).inc_by(2);
        metrics.0.ended.of(Ending::Down).inc();
        metrics.0.ended.of(Ending::Drained).inc();
        meter.leases.lost.inc();
        depth.dlq_polled(4);
        depth.polled(Counts { visible: 1, in_flight: 0, delayed: 0 });
        tokio::time::advance(Duration::from_secs(10)).await;
        let document = line(&mut meter);
        assert_eq!(troubles(&document), [Some(3.0), Some(1.0), Some(4.0), Some(10.0)]);
        let named = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].to_string();
        assert!(TROUBLES.iter().all(|name| named.contains(name)), "{named}");
        assert_eq!(troubles(&line(&mut meter))[..2], [None; 2], "counted since the last line");
    }

    #[tokio::test(start_paused = true)]
    async fn the_backlog_is_printed_only_while_it_is_known() {
        let (mut meter, _, depth) = meter("orders");
        assert!(line(&mut meter).get("BacklogSeconds").is_none(), "no polls have begun");
        depth.polls_every(Duration::from_secs(30));
        depth.polled(Counts { visible: 7, in_flight: 3, delayed: 5 });
        depth.worked(Some(4.0));
        let document = line(&mut meter);
        assert_eq!(document["BacklogSeconds"], 20.0);
        assert_eq!((&document["MessagesWaiting"], &document["MessagesInFlight"]), (&json!(7), &json!(3)));
        let named = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].to_string();
        assert!(named.contains("BacklogSeconds"), "{named}");
        tokio::time::advance(Duration::from_secs(91)).await;
        let stale = line(&mut meter);
        for name in ["BacklogSeconds", "MessagesWaiting", "MessagesInFlight"] {
            assert!(stale.get(name).is_none(), "{name} is stale");
        }
    }

    #[test]
    fn lines_that_come_more_often_than_each_minute_are_of_high_resolution() {
        let declared = |interval| Scope { interval, ..Scope::default() }.declaration("CallsRunning", "Count");
        let standard = json!({ "Name": "CallsRunning", "Unit": "Count" });
        assert_eq!(declared(Duration::from_mins(1)), standard);
        assert_eq!(declared(Duration::from_secs(59))["StorageResolution"], 1);
    }
}
