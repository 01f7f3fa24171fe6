//! Reports a consumer none of whose messages has been done since the start: its handler may be called in a wrong way.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::{
    consumer::{CallObserver, MessageEnd},
    health::Condition,
    telemetry::{Ending, events},
};

/// The number of failures without a success after which a consumer is reported.
const FAILURES: u32 = 3;

/// Makes a worker unready while every message of a queue has failed since the start.
///
/// A wrong path, method or credential fails every call alike, and would use up the receives of the whole queue.
pub(super) struct FirstSuccess {
    queue: Arc<str>,
    ready: Condition,
    /// The number of messages that have failed, or [`SUCCEEDED`].
    failed: AtomicU32,
}

/// The number of failures after which a message was done; failures no longer count.
const SUCCEEDED: u32 = u32::MAX;

impl FirstSuccess {
    /// A queue without a message yet; `ready` is ready unless every message fails.
    pub(super) fn new(queue: Arc<str>, ready: Condition) -> Self {
        ready.ready();
        Self { queue, ready, failed: AtomicU32::new(0) }
    }

    fn note_failure(&self, failed: u32, reason: &str) {
        if failed < FAILURES {
            return;
        }
        self.ready
            .unready(format!("no message has been done since the start, {failed} have failed: {reason}"));
        if failed == FAILURES {
            events::NothingDone { queue: &self.queue, failed, reason }.emit();
        }
    }

    fn note_success(&self, failed: u32) {
        if (FAILURES..SUCCEEDED).contains(&failed) {
            self.ready.ready();
            events::FirstDone { queue: &self.queue, failed }.emit();
        }
    }
}

impl CallObserver for FirstSuccess {
    fn message_ended(&self, end: &MessageEnd<'_>) {
        if self.failed.load(Ordering::Relaxed) == SUCCEEDED {
            return;
        }
        match end.ending {
            Ending::Done => {
                let failed = self.failed.swap(SUCCEEDED, Ordering::Relaxed);
                self.note_success(failed);
            }
            Ending::Retry | Ending::TimedOut | Ending::Panicked => {
                let add = |failed: u32| (failed < SUCCEEDED - 1).then(|| failed + 1);
                if let Ok(before) = self.failed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
                    self.note_failure(before + 1, end.reason);
                }
            }
            // A handler that rejects was called in the right way. The others say nothing about the message, and a handler
            // that is down makes the worker unready itself.
            Ending::Reject | Ending::Down | Ending::LeaseLost | Ending::Drained => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{health::Health, message::Message};

    fn end(observer: &FirstSuccess, ending: Ending) {
        let message = Message::new("id", "body");
        let reason = "the handler answered 404 Not Found";
        let took = Duration::from_millis(1);
        observer.message_ended(&MessageEnd { message: &message, ending, reason, took, trace: None });
    }

    fn observer() -> (Health, FirstSuccess) {
        let health = Health::new();
        let ready = health.condition("orders messages", "not started");
        let observer = FirstSuccess::new("orders".into(), ready);
        (health, observer)
    }

    #[test]
    fn three_failures_without_a_success_make_a_worker_unready_until_one_is_done() {
        for failure in [Ending::Retry, Ending::TimedOut, Ending::Panicked] {
            let (health, observer) = observer();
            end(&observer, failure);
            end(&observer, failure);
            assert!(health.unready().is_empty());
            end(&observer, failure);
            let reason =
                "no message has been done since the start, 3 have failed: the handler answered 404 Not Found";
            assert_eq!(health.unready()["orders messages"], reason);
            end(&observer, Ending::Done);
            assert!(health.unready().is_empty());
        }
    }

    #[test]
    fn after_a_success_failures_do_not_count_and_neither_do_rejects_nor_messages_that_did_not_run() {
        let (health, observer) = observer();
        for _ in 0..9 {
            end(&observer, Ending::Reject);
            end(&observer, Ending::Down);
            end(&observer, Ending::LeaseLost);
            end(&observer, Ending::Drained);
        }
        end(&observer, Ending::Done);
        for _ in 0..9 {
            end(&observer, Ending::Retry);
        }
        assert!(health.unready().is_empty());
    }
}
