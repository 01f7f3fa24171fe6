//! Lines of CloudWatch's embedded metric format: what a queue's scaling is computed from.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use crate::{
    consumer::{
        depth::{QueueDepth, WorkAverage, WorkDone},
        lease::LeaseMetrics,
        metrics::ConsumerMetrics,
    },
    telemetry::MetricScope,
};

/// The dimension that the metrics have, as SQS's own in `AWS/SQS`.
const DIMENSION: &str = "QueueName";

/// The namespace of the metrics, and further properties of the lines.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The namespace in CloudWatch.
    pub namespace: String,
    /// The properties of each line for people who read the log; no dimensions, which would cost a metric each.
    pub properties: Map<String, Value>,
}

/// The input of one queue's scaling, measured from one line to the next.
///
/// It knows what this worker has seen. How many messages wait in the queue SQS itself publishes.
pub struct Meter {
    queue_name: String,
    consumer: Arc<ConsumerMetrics>,
    leases: Arc<LeaseMetrics>,
    depth: QueueDepth,
    work: WorkAverage,
}

impl Meter {
    /// A meter of the queue that SQS calls so.
    pub fn new(
        queue_name: impl Into<String>,
        scope: &MetricScope,
        depth: QueueDepth,
        work: WorkAverage,
    ) -> Self {
        let (consumer, leases) = (scope.group(), scope.group());
        Self { queue_name: queue_name.into(), consumer, leases, depth, work }
    }

    /// The line of the time since the last one, without its newline.
    ///
    /// `SecondsPerMessage` is that of the last time in which a message ended: absent before the first one.
    /// `BacklogSeconds` is absent while nobody knows how many messages there are.
    pub fn line(&mut self, scope: &Scope, at: SystemTime) -> String {
        let WorkDone { seconds, messages } = self.work.update();
        let mut values = vec![
            ("WorkSeconds", "Seconds", json!(seconds)),
            ("MessagesEnded", "Count", json!(messages)),
            ("CallsRunning", "Count", json!(self.consumer.calls_running.get())),
            ("MessagesHeld", "Count", json!(self.leases.held.get())),
            ("Concurrency", "Count", json!(self.consumer.concurrency.get())),
        ];
        let seconds_per_message = self.work.seconds_per_message();
        values.extend(seconds_per_message.map(|average| ("SecondsPerMessage", "Seconds", json!(average))));
        let backlog = self.depth.backlog_seconds();
        values.extend(backlog.map(|backlog| ("BacklogSeconds", "Seconds", json!(backlog))));
        self.document(scope, at, &values).to_string()
    }

    fn document(&self, scope: &Scope, at: SystemTime, values: &[(&str, &str, Value)]) -> Value {
        let metrics: Vec<_> =
            values.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        consumer::depth::Counts,
        telemetry::{Ending, Metrics},
    };

    /// A meter, the metrics that it reads, and the depth.
    fn meter(queue_name: &str) -> (Meter, Arc<ConsumerMetrics>, QueueDepth) {
        let scope = Metrics::new().queue("orders", queue_name);
        let (metrics, depth) = (scope.group::<ConsumerMetrics>(), QueueDepth::in_scope(&scope, 2));
        let read = metrics.clone();
        let work = WorkAverage::new(move || read.work_done());
        (Meter::new(queue_name, &scope, depth.clone(), work), metrics, depth)
    }

    fn ended(metrics: &ConsumerMetrics, seconds: f64, messages: u64) {
        metrics.work_seconds.inc_by(seconds);
        metrics.ended.of(Ending::Done).inc_by(messages);
    }

    fn line(meter: &mut Meter) -> Value {
        let scope = Scope {
            namespace: "Longshore".to_owned(),
            properties: Map::from_iter([("TaskArn".to_owned(), "arn".into())]),
        };
        let text = meter.line(&scope, UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert!(!text.contains('\n'), "one event, one line");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_metric_that_is_named_has_a_value_and_every_dimension_a_text() {
        let (mut meter, metrics, _) = meter("shop-orders");
        ended(&metrics, 30.0, 10);
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
    fn the_seconds_of_a_message_are_those_of_the_last_time_in_which_one_ended() {
        let (mut meter, metrics, _) = meter("orders");
        assert!(line(&mut meter).get("SecondsPerMessage").is_none(), "nothing is known yet");
        ended(&metrics, 30.0, 10);
        assert_eq!(line(&mut meter)["SecondsPerMessage"], 3.0);
        let idle = line(&mut meter);
        assert_eq!((&idle["SecondsPerMessage"], &idle["MessagesEnded"]), (&json!(3.0), &json!(0)));
        ended(&metrics, 2.0, 1);
        let next = line(&mut meter);
        assert_eq!((&next["SecondsPerMessage"], &next["WorkSeconds"]), (&json!(2.0), &json!(2.0)));
    }

    #[test]
    fn calls_that_found_no_handler_count_for_nothing() {
        let (mut meter, metrics, _) = meter("orders");
        metrics.ended.of(Ending::Down).inc_by(5);
        assert_eq!(line(&mut meter)["MessagesEnded"], 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_backlog_is_told_only_while_it_is_known() {
        let (mut meter, _, depth) = meter("orders");
        assert!(line(&mut meter).get("BacklogSeconds").is_none(), "nobody asks");
        depth.polls_every(Duration::from_secs(30));
        depth.polled(Counts { visible: 7, in_flight: 3, delayed: 5 });
        depth.worked(Some(4.0));
        let document = line(&mut meter);
        assert_eq!(document["BacklogSeconds"], 20.0);
        let named = document["_aws"]["CloudWatchMetrics"][0]["Metrics"].to_string();
        assert!(named.contains("BacklogSeconds"), "{named}");
        tokio::time::advance(Duration::from_secs(91)).await;
        assert!(line(&mut meter).get("BacklogSeconds").is_none(), "it is stale");
    }
}
