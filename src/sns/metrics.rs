//! Metrics of publications and notifications.

use prometheus::{Histogram, IntCounter};
use tokio::time::Instant;

use crate::telemetry::{ByLabel, CallResult, Each, Notified, OPERATION_SECONDS, Occasion, metric_group};

metric_group! {
    /// Metrics of the publications of one queue's handler and notifications.
    pub struct PublishMetrics {
        /// Publish calls to SNS, of the `sns` handler and of notifications, by how they ended.
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
        /// Notifications over SNS, by what they are about and what became of them.
        pub notifications: ByLabel<Occasion, Each<Notified, IntCounter>> = "longshore_notifications_total"
            ["queue", "occasion", "fate"];
    }
}
