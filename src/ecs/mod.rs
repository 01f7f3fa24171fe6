//! Amazon ECS: the task's metadata, and its protection from scale-in while long work runs.
//!
//! `calls_in_flight` counts handler calls, `protection_state` (pure) decides when to send which request, `protection`
//! is the loop around the two, and `agent` speaks the agent's protocol. No message waits for the agent: handlers start
//! whether it answers or not.

mod agent;
mod calls_in_flight;
mod metadata;
mod protection;
mod protection_state;
mod settings;

pub use self::{
    agent::{Agent, AgentError, HttpAgent, ProtectionReport, ProtectionRequest},
    calls_in_flight::{CallInFlight, CallsInFlight},
    metadata::{EcsEnvironment, MetadataError, TaskMetadata, resource},
    protection::{ProtectionPlan, ProtectionStatus, TaskProtection},
    protection_state::ProtectionTiming,
    settings::{Protect, Settings, Switch},
};
