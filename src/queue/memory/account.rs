//! The account: many queues by name behind one lock.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    as_queue::MemoryQueue,
    content::{Receive, Received, Sent},
    fault::{Code, Fault},
    move_task::{MoveTask, StartMove},
};
use crate::message::OutgoingMessage;

/// Names and values as SQS spells them: the attributes of a queue, or its tags.
pub type Names = BTreeMap<String, String>;

/// Who the account is; part of every ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The region.
    pub region: String,
    /// The account's number, twelve digits.
    pub account_id: String,
}

impl Default for Identity {
    /// `us-east-1` and twelve zeros.
    fn default() -> Self {
        Self { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() }
    }
}

/// An account of SQS in memory; clones share the queues.
#[derive(Clone, Debug)]
pub struct Account {
    identity: Arc<Identity>,
}

impl Account {
    /// An account without queues.
    pub fn new(identity: Identity) -> Self {
        Self { identity: Arc::new(identity) }
    }

    /// Who the account is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Creates a queue; one of the same name and attributes may exist already.
    pub fn create_queue(&self, name: &str, attributes: &Names, tags: &Names) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// Deletes a queue with all it holds; waiting receives end in `QueueDoesNotExist`.
    pub fn delete_queue(&self, name: &str) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// The names of the queues that begin with `prefix`, sorted.
    pub fn queue_names(&self, prefix: &str) -> Vec<String> {
        Vec::new()
    }

    /// The queue's ARN; the cheapest proof that it is there (`GetQueueUrl`).
    pub fn arn(&self, name: &str) -> Result<String, Fault> {
        Err(unfinished())
    }

    /// Drops every message of a queue; once a minute at most.
    pub fn purge(&self, name: &str) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// The attributes of a queue that are named, or all that are set when `All` is among the names.
    pub fn attributes(&self, name: &str, wanted: &[String]) -> Result<Names, Fault> {
        Err(unfinished())
    }

    /// Changes attributes of a queue; an empty policy removes it.
    pub fn set_attributes(&self, name: &str, attributes: &Names) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// The tags of a queue.
    pub fn tags(&self, name: &str) -> Result<Names, Fault> {
        Err(unfinished())
    }

    /// Adds tags to a queue, or changes them.
    pub fn tag(&self, name: &str, tags: &Names) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// Removes tags from a queue.
    pub fn untag(&self, name: &str, keys: &[String]) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// Sends one message, its rules checked; a batch is one call for each entry.
    pub fn send(&self, name: &str, message: OutgoingMessage) -> Result<Sent, Fault> {
        Err(unfinished())
    }

    /// Receives messages, waiting for the first of them.
    ///
    /// Nothing happens before the first poll, and messages are taken only in the poll that answers: a future
    /// that is dropped while it waits takes none.
    pub fn receive(&self, name: &str, receive: Receive) -> Receiving {
        Receiving {}
    }

    /// Deletes the message that a receive handed over.
    pub fn delete(&self, name: &str, receipt: &str) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// Sets how long a received message stays hidden from now on.
    pub fn change_visibility(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), Fault> {
        Err(unfinished())
    }

    /// The names of the queues whose redrive policy names this queue.
    pub fn dead_letter_sources(&self, name: &str) -> Result<Vec<String>, Fault> {
        Err(unfinished())
    }

    /// Starts moving the messages of a dead-letter queue; answers the task's handle.
    pub fn start_move(&self, start: &StartMove) -> Result<String, Fault> {
        Err(unfinished())
    }

    /// The latest move tasks of a source queue, the youngest first, at most `max` (1 to 10).
    pub fn move_tasks(&self, source_arn: &str, max: usize) -> Result<Vec<MoveTask>, Fault> {
        Err(unfinished())
    }

    /// Cancels a running move task; answers how many messages it has moved.
    pub fn cancel_move(&self, handle: &str) -> Result<u64, Fault> {
        Err(unfinished())
    }

    /// One queue of the account as the worker sees it; the queue need not exist yet.
    pub fn queue(&self, name: &str) -> MemoryQueue {
        MemoryQueue {}
    }
}

fn unfinished() -> Fault {
    Fault::new(Code::InternalError, "unfinished")
}

/// A receive under way; see [`Account::receive`].
#[derive(Debug)]
pub struct Receiving {}

impl Future for Receiving {
    type Output = Result<Vec<Received>, Fault>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(unfinished()))
    }
}
