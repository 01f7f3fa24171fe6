//! Metrics of the calls to SQS.

use tokio::time::Instant;

use crate::telemetry::{
    Action, ByLabel, CallResult, Each, Histogram, IntCounter, OPERATION_SECONDS, metric_group,
};

metric_group! {
    /// Metrics of the calls to SQS that are about one queue.
    pub struct CallMetrics {
        /// Calls to SQS, by action and result.
        pub calls: Each<Action, Each<CallResult, IntCounter>> = "longshore_api_calls_total"
            ["queue", "action", "result"];
        /// Duration of calls to SQS and SNS, by operation and error; a receive includes its wait.
        pub operation_time: ByLabel<Action, ByLabel<CallResult, Histogram>> =
            "messaging_client_operation_duration_seconds"
            ["queue", "messaging_system", "messaging_operation_name", "messaging_operation_type", "messaging_destination_name", "error_type"]
            buckets OPERATION_SECONDS;
    }
}

impl CallMetrics {
    /// Counts a call that began at `began` and ends now.
    pub fn called(&self, action: Action, result: CallResult, began: Instant) {
        self.calls.of(action).of(result).inc();
        self.operation_time.of(action).of(result).observe(began.elapsed().as_secs_f64());
    }
}
