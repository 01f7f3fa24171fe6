//! Reports a consumer none of whose messages has been done since the start: its handler may be called in a wrong way.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    consumer::{CallObserver, MessageEnd},
    health::Condition,
    telemetry::{Ending, events},
};

/// The number of failures without a success after which a consumer is reported.
const FAILURES: u32 = 3;
/// The number of rejects without a success after which it is reported: a few bad messages may well come first, but a
/// handler that rejects by a status such as 404 rejects all that come by a wrong path.
const REJECTS: u32 = 10;

/// Makes a worker unready while every message of a queue has failed, or was rejected, since the start.
///
/// A wrong path, method or credential fails every call alike, and would carry the whole queue into the DLQ.
pub(super) struct FirstSuccess {
    queue: Arc<str>,
    ready: Condition,
    has_succeeded: AtomicBool,
    undone: Mutex<Undone>,
}

/// The messages that were not done since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Undone {
    failed: u32,
    rejected: u32,
    is_reported: bool,
}

impl Undone {
    /// Counts one more message; returns the text for the readiness, if there are enough.
    fn add(&mut self, ending: Ending) -> Option<String> {
        match ending {
            Ending::Retry | Ending::TimedOut | Ending::Panicked => {
                self.failed = self.failed.saturating_add(1);
                (self.failed >= FAILURES).then(|| format!("{} have failed", self.failed))
            }
            Ending::Reject => {
                self.rejected = self.rejected.saturating_add(1);
                (self.rejected >= REJECTS).then(|| format!("{} were rejected", self.rejected))
            }
            // They say nothing about the message, and a handler that is down makes the worker unready itself.
            Ending::Done | Ending::Down | Ending::LeaseLost | Ending::Drained => None,
        }
    }
}

impl FirstSuccess {
    /// A queue without a message yet; `ready` is ready unless every message fails.
    pub(super) fn new(queue: Arc<str>, ready: Condition) -> Self {
        ready.ready();
        Self { queue, ready, has_succeeded: AtomicBool::new(false), undone: Mutex::default() }
    }

    fn note_undone(&self, ending: Ending, reason: &str) {
        let mut undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(enough) = undone.add(ending).filter(|_| !self.has_succeeded.load(Ordering::Relaxed)) else {
            return;
        };
        self.ready.unready(format!("no message has been done since the start, {enough}: {reason}"));
        if !std::mem::replace(&mut undone.is_reported, true) {
            let Undone { failed, rejected, .. } = *undone;
            events::NothingDone { queue: &self.queue, failed, rejected, reason }.emit();
        }
    }

    fn note_success(&self) {
        let undone = self.undone.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !self.has_succeeded.swap(true, Ordering::Relaxed);
        if is_first && undone.is_reported {
            self.ready.ready();
            let Undone { failed, rejected, .. } = *undone;
            events::FirstDone { queue: &self.queue, failed, rejected }.emit();
        }
    }
}

impl CallObserver for FirstSuccess {
    fn message_ended(&self, end: &MessageEnd<'_>) {
        if self.has_succeeded.load(Ordering::Relaxed) {
            return;
        }
        match end.ending {
            Ending::Done => self.note_success(),
            ending => self.note_undone(ending, end.reason),
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
    fn ten_rejects_without_a_success_do_so_too() {
        let (health, observer) = observer();
        for _ in 0..9 {
            end(&observer, Ending::Reject);
        }
        end(&observer, Ending::Retry);
        assert!(health.unready().is_empty());
        end(&observer, Ending::Reject);
        let reason =
            "no message has been done since the start, 10 were rejected: the handler answered 404 Not Found";
        assert_eq!(health.unready()["orders messages"], reason);
        end(&observer, Ending::Done);
        end(&observer, Ending::Reject);
        assert!(health.unready().is_empty());
    }

    #[test]
    fn after_a_success_failures_do_not_count_and_neither_do_messages_that_did_not_run() {
        let (health, observer) = observer();
        for _ in 0..20 {
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
