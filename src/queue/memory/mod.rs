//! An account of SQS in memory: many queues with the semantics of SQS.
//!
//! [`Account`] is the front door: every call takes the lock for a moment, and only [`Account::receive`] waits.
//! [`MemoryQueue`] shows one queue of it as a [`Queue`](super::Queue). Time is tokio's, so a paused clock moves
//! visibilities, delays, retention and timestamps alike.
//!
//! Left out, since no test of a worker needs them: the noisy neighbours of fair queues, the minute after a
//! queue's deletion in which its name cannot be used again, throttling, the delay of a FIFO queue that changes
//! for messages already in it, and access policies, which are kept and shown but not enforced.

mod account;
mod as_queue;
mod attributes;
mod batch;
mod clock;
mod content;
mod deduplication;
mod directory;
mod fault;
mod fifo;
mod identity;
mod kind;
mod line;
mod move_task;
mod moves;
mod order;
mod policy;
mod queue;
mod receipt;
mod send;
mod settle;
mod shelf;
mod store;
mod stored;
mod take;
mod validate;
mod value;
mod wait;

pub use self::{
    account::{Account, Names},
    as_queue::MemoryQueue,
    batch::{batch_bytes, batch_ids},
    content::{Content, Receive, Received, Sent},
    fault::{Code, Fault},
    identity::{Identity, Limits},
    move_task::{MoveStatus, MoveTask, StartMove},
    validate::seconds,
    wait::Receiving,
};

#[cfg(test)]
mod tests;
