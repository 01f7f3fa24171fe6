//! Amazon ECS: the task's metadata, and its protection from scale-in while long work runs.
//!
//! `calls_in_flight` counts handler calls, `protection_state` (pure) decides when to send which request, `protection`
//! is the loop around the two, and `agent` speaks the agent's protocol. No message waits for the agent: handlers start
//! whether it answers or not.

mod agent;
mod calls_in_flight;
mod metadata;
mod metrics;
mod protection;
mod protection_state;
mod settings;

#[cfg(test)]
pub(crate) use self::agent::ProtectionReport;
pub use self::{agent::AgentError, protection::ProtectionPlan};
pub(crate) use self::{
    agent::{Agent, HttpAgent, ProtectionRequest},
    calls_in_flight::CallsInFlight,
    metadata::{EcsEnvironment, TaskMetadata, resource},
    metrics::ProtectionMetrics,
    protection::TaskProtection,
    protection_state::ProtectionTiming,
    settings::{MetricsSwitch, Protect, Settings},
};
