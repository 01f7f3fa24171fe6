//! The calls that a queue has seen, with their moments.

use std::time::Duration;

use longshore::message::MessageId;
use tokio::time::Instant;

/// What a call asks of the queue.
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
    /// The most messages a receive asked for.
    pub(crate) max: usize,
    /// The bodies of the messages that it sends.
    pub(crate) bodies: Vec<String>,
    /// What each entry of a batch is about.
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The message whose receipt was given.
    pub(crate) id: MessageId,
    /// Which of the message's receives the receipt is of; the first is 1.
    pub(crate) receive: usize,
    /// The new visibility, if that is what was asked for.
    pub(crate) visibility: Option<Duration>,
}

impl Call {
    /// Whether the call is about this message.
    pub(crate) fn names(&self, id: &MessageId) -> bool {
        self.entries.iter().any(|entry| entry.id == *id)
    }

    /// Whether the call gives this message back at once.
    pub(crate) fn frees(&self, id: &MessageId) -> bool {
        self.entries.iter().any(|entry| entry.id == *id && entry.visibility == Some(Duration::ZERO))
    }
}
