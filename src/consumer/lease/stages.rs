//! The stages that a message passes while it is held, and the seam for what records them.
//!
//! Without an observer a stage costs a comparison.

use std::{sync::Arc, time::Duration};

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
    /// It has used up its receives, and comes no more: SQS moves it to the DLQ, or a copy is sent there.
    Exhausted,
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

/// Makes the observer of a queue's stages, by the queue's configured name.
#[cfg(feature = "cli")]
pub(crate) type StageObserverOf = Arc<dyn Fn(&Arc<str>) -> Arc<dyn StageObserver> + Send + Sync>;

/// One observer for several, which each note every stage; `None` for none.
pub(crate) fn joined(mut observers: Vec<Arc<dyn StageObserver>>) -> Option<Arc<dyn StageObserver>> {
    match observers.len() {
        0 | 1 => observers.pop(),
        _ => Some(Arc::new(JoinedObservers(observers))),
    }
}

struct JoinedObservers(Vec<Arc<dyn StageObserver>>);

impl StageObserver for JoinedObservers {
    fn received(&self, lease: LeaseId, message: &Message, at: Instant) {
        for observer in &self.0 {
            observer.received(lease, message, at);
        }
    }

    fn passed(&self, lease: LeaseId, stage: MessageStage<'_>, at: Instant) {
        for observer in &self.0 {
            observer.passed(lease, stage, at);
        }
    }
}
