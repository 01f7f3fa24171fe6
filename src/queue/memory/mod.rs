//! An account of SQS in memory: many queues with the semantics of SQS.

mod account;
mod as_queue;
mod content;
mod fault;
mod move_task;
mod validate;

pub use self::{
    account::{Account, Identity, Names, Receiving},
    as_queue::MemoryQueue,
    content::{Content, Receive, Received, Sent},
    fault::{Code, Fault},
    move_task::{MoveStatus, MoveTask, StartMove},
    validate::{batch_bytes, batch_ids, seconds},
};
