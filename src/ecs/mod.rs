//! A task of Amazon ECS: what its agent tells, and its protection from scale-in while long work runs.
//!
//! `busy` knows which calls of handlers run, `shield` (pure) decides what to ask of the agent and when, `guard` is the
//! loop around the two, and `agent` speaks the agent's protocol. Nothing here is on a message's way: a handler starts
//! whether the agent answers or not.

mod agent;
mod busy;
mod complaint;
mod guard;
mod http;
mod metadata;
mod resource;
mod settings;
mod shield;
mod surroundings;

pub use self::{
    agent::{Agent, AgentError, HttpAgent, Protection, Wish},
    busy::{Busy, Working},
    guard::{Guard, Held, Plan},
    metadata::{MetadataError, Task, describe},
    resource::resource,
    settings::{Protect, Settings, Switch},
    shield::Terms,
    surroundings::Surroundings,
};
