//! Metrics of the protection from scale-in.

use crate::telemetry::{Computed, metric_group};

metric_group! {
    /// Metrics of the protection from scale-in.
    pub struct ProtectionMetrics {
        /// 1 while ECS protects the task from scale-in, else 0; absent where nothing protects it.
        pub task_protected: Computed = "longshore_task_protected" [];
    }
}
