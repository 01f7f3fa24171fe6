//! A message in a queue, and the state it is in.

use std::{sync::Arc, time::SystemTime};

use tokio::time::Instant;

use super::{content::Content, receipt::Ticket};

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Stored {
    /// What was sent.
    pub(super) content: Arc<Content>,
    /// When its retention began.
    pub(super) since: Instant,
    /// How often it was received.
    pub(super) receives: u32,
    /// When it was first received.
    pub(super) first_received_at: Option<SystemTime>,
    /// Its latest receive, whose handle is the only good one.
    pub(super) latest: Option<Latest>,
    /// The queue that a redrive policy moved it from.
    pub(super) source_arn: Option<Arc<str>>,
}

/// The latest receive of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latest {
    /// The receive's serial number.
    pub(super) serial: u64,
    /// When it was; the 12 hours count from here.
    pub(super) at: Instant,
}

impl Stored {
    /// A message that nobody has received.
    pub(super) fn new(content: Arc<Content>, since: Instant) -> Self {
        Self { content, since, receives: 0, first_received_at: None, latest: None, source_arn: None }
    }

    /// Whether this receive is the message's latest.
    pub(super) fn is_latest(&self, ticket: Ticket) -> bool {
        self.latest.is_some_and(|latest| latest.serial == ticket.serial)
    }
}

/// Where a message is between its send and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It may be received; a standard queue hands out the lowest turn first.
    Ready {
        /// Its place among those ready.
        turn: u64,
    },
    /// It was sent with a delay that goes on until then.
    Delayed(Instant),
    /// It was received and is hidden until then.
    Held(Instant),
}
