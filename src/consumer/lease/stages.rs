//! The stages that a message passes while it is held, and the seam for what records them.
//!
//! Without an observer a stage costs a comparison.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::LeaseId;
use crate::{
    message::Message,
    telemetry::{Action, Ending},
};

/// A stage of a held message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MessageStage<'a> {
    /// Its call starts.
    Started,
    /// Its call has ended.
    Ended {
        /// The ending; `None` if the call does not count, and the message waits for another.
        ending: Option<Ending>,
        /// The handler's reason, if it gave one.
        reason: &'a str,
    },
    /// SQS is asked to settle it.
    Settling {
        /// The delete, the copy to the DLQ, or the change of its visibility.
        action: Action,
        /// The delay after which it is to be visible again.
        delay: Duration,
    },
    /// SQS has confirmed that.
    Settled(Action),
    /// SQS has not done that; it is tried again, unless the lease is lost.
    NotSettled {
        /// The delete, the copy or the change.
        action: Action,
        /// SQS's reason.
        reason: &'a str,
    },
    /// Its lease was lost: other workers may receive it.
    Lost {
        /// The cause.
        reason: &'a str,
    },
    /// It is held no longer.
    Released,
}

/// Records the stages of one queue's messages. No method waits, so that no observer delays a message.
///
/// The methods are called several times a message, on the engine's thread and on those of the handlers.
pub(crate) trait StageObserver: Send + Sync + 'static {
    /// Notes that a message was received, and is held from now on.
    fn received(&self, lease: LeaseId, message: &Message, at: Instant);

    /// Notes a stage of a held message.
    fn passed(&self, lease: LeaseId, stage: MessageStage<'_>, at: Instant);
}
