//! SQS in memory: an account with queues that behave as those of SQS.
//!
//! Every call of [`SqsAccount`] takes a lock briefly; only [`SqsAccount::receive`] waits. Time is tokio's.
//!
//! Not imitated: the fairness of fair queues towards noisy tenants, throttling, the effect of a changed delay on messages
//! already in a FIFO queue, and access policies, which are stored and returned but not enforced.

mod account;
mod attributes;
mod error;
mod fifo;
mod message;
mod message_store;
mod move_tasks;
mod persistence;
mod queue;
mod receipt;
mod redrive;
mod send;
mod store;
mod validate;
mod waiting;

pub use self::{
    account::{AccountIdentity, AccountLimits, SqsAccount},
    error::{SqsApiError, SqsErrorCode},
    message::{DeliveredMessage, MessageContent, ReceiveOptions, SendResult},
    move_tasks::{MoveStatus, MoveTask, StartMoveTask},
    queue::{QueueSnapshot, RedriveSettings},
    waiting::ReceiveFuture,
};
pub(crate) use self::{
    fifo::RecentIds,
    validate::{batch_bytes, batch_ids, seconds},
};

#[cfg(test)]
mod tests;
