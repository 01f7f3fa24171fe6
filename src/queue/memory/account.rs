//! The account: many queues by name behind one lock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    as_queue::MemoryQueue,
    clock::{Clock, Now},
    content::{Content, Receive, Sent},
    fault::Fault,
    identity::{Identity, Limits},
    move_task::{MoveTask, StartMove},
    store::Store,
    wait::Receiving,
};
use crate::{message::OutgoingMessage, queue::QueueAttributes};

/// Names and values as SQS spells them: the attributes of a queue, or its tags.
pub type Names = BTreeMap<String, String>;

/// An account of SQS in memory; clones share the queues.
#[derive(Clone, Debug)]
pub struct Account(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    identity: Identity,
    clock: Clock,
    store: Mutex<Store>,
}

impl Default for Account {
    fn default() -> Self {
        Self::new(Identity::default())
    }
}

impl Account {
    /// An account without queues.
    pub fn new(identity: Identity) -> Self {
        Self::with_limits(identity, Limits::default())
    }

    /// An account without queues, with limits of its own.
    pub fn with_limits(identity: Identity, limits: Limits) -> Self {
        let store = Mutex::new(Store::new(identity.clone(), limits));
        Self(Arc::new(Shared { identity, clock: Clock::start(), store }))
    }

    /// Who the account is.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Creates a queue; one of the same name and attributes may exist already.
    pub fn create_queue(&self, name: &str, attributes: &Names, tags: &Names) -> Result<(), Fault> {
        self.with(|store, now| store.create(name, attributes, tags, now))
    }

    /// Deletes a queue with all it holds; waiting receives end in `QueueDoesNotExist`.
    pub fn delete_queue(&self, name: &str) -> Result<(), Fault> {
        self.with(|store, _| store.remove(name))
    }

    /// The names of the queues that begin with `prefix`, sorted.
    pub fn queue_names(&self, prefix: &str) -> Vec<String> {
        self.with(|store, _| store.names(prefix))
    }

    /// The queue's ARN; the cheapest proof that it is there (`GetQueueUrl`).
    pub fn arn(&self, name: &str) -> Result<String, Fault> {
        self.with(|store, now| Ok(store.open(name, now)?.arn.as_ref().to_owned()))
    }

    /// Drops every message of a queue; once a minute at most.
    pub fn purge(&self, name: &str) -> Result<(), Fault> {
        self.with(|store, now| store.open(name, now)?.purge(now))
    }

    /// The attributes of a queue that are named, or all that are set when `All` is among the names.
    pub fn attributes(&self, name: &str, wanted: &[String]) -> Result<Names, Fault> {
        self.with(|store, now| store.attributes(name, wanted, now))
    }

    /// Changes attributes of a queue; an empty policy removes it.
    pub fn set_attributes(&self, name: &str, attributes: &Names) -> Result<(), Fault> {
        self.with(|store, now| store.set_attributes(name, attributes, now))
    }

    /// The tags of a queue.
    pub fn tags(&self, name: &str) -> Result<Names, Fault> {
        self.with(|store, now| Ok(store.open(name, now)?.tags.clone()))
    }

    /// Adds tags to a queue, or changes them.
    pub fn tag(&self, name: &str, tags: &Names) -> Result<(), Fault> {
        self.with(|store, now| {
            store.open(name, now)?.tags.extend(tags.clone());
            Ok(())
        })
    }

    /// Removes tags from a queue.
    pub fn untag(&self, name: &str, keys: &[String]) -> Result<(), Fault> {
        self.with(|store, now| {
            store.open(name, now)?.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    /// Sends one message, its rules checked; a batch is one call for each entry.
    pub fn send(&self, name: &str, message: OutgoingMessage) -> Result<Sent, Fault> {
        self.with(|store, now| store.send(name, message, now))
    }

    /// Checks what makes a queue refuse a batch as a whole: on a FIFO queue, an entry without its order.
    pub fn check_batch<'a>(
        &self,
        name: &str,
        messages: impl IntoIterator<Item = &'a OutgoingMessage>,
    ) -> Result<(), Fault> {
        self.with(|store, now| store.open(name, now)?.check_batch(messages))
    }

    /// Receives messages, waiting for the first of them.
    ///
    /// Nothing happens before the first poll, and messages are taken only in the poll that answers: a future
    /// that is dropped while it waits takes none.
    pub fn receive(&self, name: &str, receive: Receive) -> Receiving {
        Receiving::new(self.clone(), name, receive)
    }

    /// Looks at every message of a queue, hidden and delayed ones too, in the order in which they were sent.
    ///
    /// SQS has nothing like it: a test may want to see what is there without a receive of its own.
    pub fn messages(&self, name: &str) -> Result<Vec<Arc<Content>>, Fault> {
        self.with(|store, now| Ok(store.open(name, now)?.shelf.contents()))
    }

    /// How many receives wait at a queue.
    ///
    /// A test that wants one to be waiting before something happens can wait for that fact.
    pub fn waiting_receives(&self, name: &str) -> Result<usize, Fault> {
        self.with(|store, now| Ok(store.open(name, now)?.line.len()))
    }

    /// Deletes the message that a receive handed over.
    pub fn delete(&self, name: &str, receipt: &str) -> Result<(), Fault> {
        self.with(|store, now| store.delete(name, receipt, now))
    }

    /// Sets how long a received message stays hidden from now on.
    pub fn change_visibility(&self, name: &str, receipt: &str, visibility: Duration) -> Result<(), Fault> {
        self.with(|store, now| {
            let queue = store.open(name, now)?;
            queue.change_visibility(receipt, visibility, now)?;
            queue.announce();
            Ok(())
        })
    }

    /// The names of the queues whose redrive policy names this queue.
    pub fn dead_letter_sources(&self, name: &str) -> Result<Vec<String>, Fault> {
        self.with(|store, _| store.dead_letter_sources(name))
    }

    /// Starts moving the messages of a dead-letter queue; answers the task's handle.
    pub fn start_move(&self, start: &StartMove) -> Result<String, Fault> {
        self.with(|store, now| store.start_move(start, now))
    }

    /// The latest move tasks of a source queue, the youngest first, at most `max` (1 to 10).
    pub fn move_tasks(&self, source_arn: &str, max: usize) -> Result<Vec<MoveTask>, Fault> {
        self.with(|store, now| store.move_tasks(source_arn, max, now))
    }

    /// Cancels a running move task; answers how many messages it has moved.
    pub fn cancel_move(&self, handle: &str) -> Result<u64, Fault> {
        self.with(|store, now| store.cancel_move(handle, now))
    }

    /// What a queue says of itself to a worker.
    pub fn describe(&self, name: &str) -> Result<QueueAttributes, Fault> {
        self.with(|store, now| Ok(store.open(name, now)?.describe()))
    }

    /// One queue of the account as the worker sees it; the queue need not exist yet.
    pub fn queue(&self, name: &str) -> MemoryQueue {
        MemoryQueue::new(self.clone(), name)
    }

    /// Runs one call of the store, with the moment it happens at.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut Store, Now) -> T) -> T {
        let now = self.0.clock.now();
        call(&mut self.0.store.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}
