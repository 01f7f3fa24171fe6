//! The calls to a queue, with their times.

use std::time::Duration;

use longshore::message::MessageId;
use tokio::time::Instant;

/// The action of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Receive,
    Delete,
    ChangeVisibility,
    Send,
    Describe,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) action: Action,
    pub(crate) at: Instant,
    /// The most messages that a receive requested.
    pub(crate) max: usize,
    /// The bodies of the messages that it sends.
    pub(crate) bodies: Vec<String>,
    /// The entries of a batch.
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The message whose receipt was given.
    pub(crate) id: MessageId,
    /// The number of the receive that returned the receipt; the first is 1.
    pub(crate) receive: usize,
    /// The new visibility, for a visibility change.
    pub(crate) visibility: Option<Duration>,
}

impl Call {
    /// Returns true if the call has an entry for this message.
    pub(crate) fn names(&self, id: &MessageId) -> bool {
        self.entries.iter().any(|entry| entry.id == *id)
    }

    /// Returns true if the call gives this message back at once.
    pub(crate) fn frees(&self, id: &MessageId) -> bool {
        self.entries.iter().any(|entry| entry.id == *id && entry.visibility == Some(Duration::ZERO))
    }
}
