//! Metrics of settled messages.

use prometheus::IntCounter;

use crate::telemetry::{Action, ByLabel, metric_group};

/// The actions that settle a message.
const SETTLING: &[Action] = &[Action::Delete, Action::GiveBack, Action::Copy];

metric_group! {
    /// Metrics of one queue's settled messages.
    pub struct SettleMetrics {
        /// Messages copied to the DLQ, deleted or given back, as answered by SQS; a rejected message that was copied counts twice, as a copy and as a delete.
        pub settled: ByLabel<Action, IntCounter> = "longshore_messages_settled_total" ["queue", "action"],
            starting with SETTLING;
        /// Entries of copy, delete and give-back batches that failed and were tried again.
        pub settle_retries: ByLabel<Action, IntCounter> = "longshore_settle_retries_total" ["queue", "action"],
            starting with SETTLING;
        /// Copies, deletes and give-backs that were given up: because the lease was lost first, or because the DLQ refused the copy.
        pub settle_failures: ByLabel<Action, IntCounter> = "longshore_settle_failures_total" ["queue", "action"],
            starting with SETTLING;
    }
}
