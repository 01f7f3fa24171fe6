//! Collects what a call changes.

use std::sync::{Arc, Mutex, PoisonError};

use super::RecentRecord;
use crate::sqs::receipt::MessageKey;

/// One thing that was changed; its new state is looked up after the call.
#[derive(Debug)]
pub(in crate::sqs) enum Change {
    /// A queue was created, changed or deleted.
    Queue(Arc<str>),
    /// All messages of a queue were deleted.
    Purge(Arc<str>),
    /// A message was added.
    Message(Arc<str>, MessageKey),
    /// A message was received, hidden, shown or deleted.
    State(Arc<str>, MessageKey),
    /// A deduplication id was remembered.
    Recent(Arc<str>, RecentRecord),
}

/// The changes of the current call; clones share them. Without a journal none are collected.
#[derive(Clone, Debug, Default)]
pub(in crate::sqs) struct Changes(Option<Arc<Mutex<Vec<Change>>>>);

impl Changes {
    /// Begins to collect.
    pub(in crate::sqs) fn collected() -> Self {
        Self(Some(Arc::default()))
    }

    /// Adds a change.
    pub(in crate::sqs) fn add(&self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &self.0 {
            changes.lock().unwrap_or_else(PoisonError::into_inner).push(change());
        }
    }

    /// Takes all changes.
    pub(in crate::sqs) fn take(&self) -> Vec<Change> {
        let Some(changes) = &self.0 else { return Vec::new() };
        std::mem::take(&mut *changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The changes of one queue.
#[derive(Clone, Debug, Default)]
pub(in crate::sqs) struct QueueChanges {
    changes: Changes,
    queue: Arc<str>,
}

impl QueueChanges {
    /// The changes of the queue of this name.
    pub(in crate::sqs) fn new(changes: Changes, queue: Arc<str>) -> Self {
        Self { changes, queue }
    }

    /// The queue itself was changed.
    pub(in crate::sqs) fn queue(&self) {
        self.changes.add(|| Change::Queue(Arc::clone(&self.queue)));
    }

    /// All messages were deleted.
    pub(in crate::sqs) fn purge(&self) {
        self.changes.add(|| Change::Purge(Arc::clone(&self.queue)));
    }

    /// A message was added.
    pub(in crate::sqs) fn message(&self, key: MessageKey) {
        self.changes.add(|| Change::Message(Arc::clone(&self.queue), key));
    }

    /// A message was changed or deleted.
    pub(in crate::sqs) fn state(&self, key: MessageKey) {
        self.changes.add(|| Change::State(Arc::clone(&self.queue), key));
    }

    /// A deduplication id was remembered.
    pub(in crate::sqs) fn recent(&self, record: impl FnOnce() -> RecentRecord) {
        self.changes.add(|| Change::Recent(Arc::clone(&self.queue), record()));
    }
}
