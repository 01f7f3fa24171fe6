//! The metrics of publications and notifications, and publishing with metrics and a span.

use tokio::time::Instant;

use super::{Publication, PublicationId, Publisher, Target, TopicError};
use crate::telemetry::{
    ByLabel, CallResult, Each, Histogram, IntCounter, Notified, OPERATION_SECONDS, Occasion, metric_group,
    spans::{Destination, Trace},
};

metric_group! {
    /// Metrics of the publications of one queue's handler and notifications.
    pub struct PublishMetrics {
        /// Publish calls to SNS, of the `sns` handler and of notifications, by result.
        pub sns_calls: ByLabel<CallResult, IntCounter> = "longshore_sns_calls_total" ["queue", "result"];
        /// Duration of calls to SQS and SNS, by operation and error; a receive includes its wait.
        pub publish_time: ByLabel<CallResult, Histogram> = "messaging_client_operation_duration_seconds"
            ["queue", "messaging_system" = "aws.sns", "messaging_operation_name" = "publish", "messaging_operation_type" = "send", "messaging_destination_name" = "", "error_type"]
            buckets OPERATION_SECONDS;
    }
}

impl PublishMetrics {
    /// Counts a publish call that began at `began` and ends now.
    pub fn published(&self, result: CallResult, began: Instant) {
        self.sns_calls.of(result).inc();
        self.publish_time.of(result).observe(began.elapsed().as_secs_f64());
    }
}

metric_group! {
    /// Metrics of the notifications about one queue's messages.
    pub struct NotificationMetrics {
        /// SNS notifications, by occasion and result.
        pub notifications: ByLabel<Occasion, Each<Notified, IntCounter>> = "longshore_notifications_total"
            ["queue", "occasion", "result"];
    }
}

/// Publishes, counts the call if there are metrics, and makes a span of it if there is a trace.
///
/// The publication carries the span's context to its receivers.
pub(crate) async fn publish(
    publisher: &dyn Publisher,
    publication: &mut Publication,
    trace: Option<&Trace>,
    metrics: Option<&PublishMetrics>,
) -> Result<PublicationId, TopicError> {
    let began = Instant::now();
    let answer = traced(publisher, publication, trace).await;
    if let Some(metrics) = metrics {
        metrics.published(CallResult::of_publish(&answer), began);
    }
    answer
}

async fn traced(
    publisher: &dyn Publisher,
    publication: &mut Publication,
    trace: Option<&Trace>,
) -> Result<PublicationId, TopicError> {
    let Some(trace) = trace else { return publisher.publish(publication).await };
    let publishing = match &publication.target {
        Target::Topic(arn) => trace.publish(Destination::Topic(arn.as_str())),
        Target::Phone(_) => trace.publish(Destination::Phone),
    };
    // The attributes of an SMS are reserved for SNS's own settings.
    if let (Target::Topic(_), Some(context)) = (&publication.target, publishing.context()) {
        let (traceparent, tracestate) = (context.traceparent(), context.tracestate());
        publication.carry_trace(traceparent, tracestate);
    }
    let answer = publisher.publish(publication).await;
    match &answer {
        Ok(PublicationId(id)) => publishing.accepted(id),
        Err(error) => publishing.failed(error.code()),
    }
    answer
}
