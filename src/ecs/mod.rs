//! A task of Amazon ECS: what its agent tells, and its protection from scale-in while long work runs.
//!
//! `busy` knows which calls of handlers run, `shield` (pure) decides what to ask of the agent and when, `guard` is the
//! loop around the two, and `agent` speaks the agent's protocol. Nothing here is on a message's way: a handler starts
//! whether the agent answers or not.

mod agent;
mod calls_in_flight;
mod complaint;
mod http;
mod metadata;
mod metrics;
mod protection;
mod protection_state;
mod resource;
mod settings;
mod surroundings;

pub use self::{
    agent::{Agent, AgentError, HttpAgent, Protection, Wish},
    calls_in_flight::{Busy, Working},
    metadata::{MetadataError, Task, describe},
    metrics::ProtectionMetrics,
    protection::{Guard, Held, Plan},
    protection_state::Terms,
    resource::resource,
    settings::{Protect, Settings, Switch},
    surroundings::Surroundings,
};
