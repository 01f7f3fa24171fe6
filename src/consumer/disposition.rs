//! How the handling of a message ended, and what becomes of the message: pure.

use std::{
    any::Any,
    collections::{BTreeMap, btree_map},
    time::Duration,
};

use super::buffer::Group;
use crate::{consumer::lease::Lease, handler::Outcome, telemetry::Ending};

/// How a call ended for one of its messages, with the handler's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) reason: String,
    pub(super) next: Next,
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Delete,
    /// Visible again by the retry rule.
    Retry,
    GiveBack(Duration),
    /// Copied to the DLQ and deleted, or visible again by the retry rule if the DLQ refuses it.
    Reject,
    /// Nothing can be done: the lease is gone.
    Leave,
}

/// How a call ended as a whole.
pub(super) enum Called {
    /// The handler's word, one for each message.
    Answered(Vec<Outcome>),
    Panicked(Box<dyn Any + Send>),
    /// This limit passed.
    TimedOut(Duration),
    /// Told to stop, and not stopped in time.
    Cancelled,
}

impl Called {
    /// How it ended for each of the messages, whose leases these are.
    pub(super) fn each<'a>(self, leases: impl ExactSizeIterator<Item = &'a Lease>) -> Vec<Ended> {
        match self {
            Self::Answered(outcomes) => {
                let by_handler = |(outcome, lease)| Ended::by_handler(Ended::by_outcome(outcome), lease);
                outcomes.into_iter().zip(leases).map(by_handler).collect()
            }
            Self::Panicked(panic) => {
                let ended = Ended::new(Ending::Panicked, panic_words(&*panic), Next::Retry);
                leases.map(|lease| Ended::by_handler(ended.clone(), lease)).collect()
            }
            Self::TimedOut(limit) => {
                let reason = format!("the time limit of {limit:?} passed");
                vec![Ended::new(Ending::TimedOut, reason, Next::Retry); leases.len()]
            }
            Self::Cancelled => leases.map(Ended::cancelled).collect(),
        }
    }
}

impl Ended {
    fn new(ending: Ending, reason: impl Into<String>, next: Next) -> Self {
        Self { ending, reason: reason.into(), next }
    }

    fn by_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::new(Ending::Done, "", Next::Delete),
            Outcome::Retry(reason) => Self::new(Ending::Retry, reason, Next::Retry),
            Outcome::RetryIn(delay, reason) => Self::new(Ending::Retry, reason, Next::GiveBack(delay)),
            Outcome::Reject(reason) => Self::new(Ending::Reject, reason, Next::Reject),
            Outcome::Down(reason) => Self::new(Ending::Down, reason, Next::Retry),
        }
    }

    /// Whatever the handler says, its word counts only while the message is held.
    fn by_handler(ended: Self, lease: &Lease) -> Self {
        if !lease.is_held() {
            return Self::lease_lost();
        }
        ended.at_drain(lease)
    }

    /// A handler that stops because it was told to is not to blame: its message is visible at once.
    fn at_drain(self, lease: &Lease) -> Self {
        match self.ending {
            Ending::Retry | Ending::Down if lease.cancellation().is_cancelled() => {
                Self { ending: Ending::Drained, next: Next::GiveBack(Duration::ZERO), ..self }
            }
            _ => self,
        }
    }

    pub(super) fn lease_lost() -> Self {
        Self::new(Ending::LeaseLost, "the lease was lost", Next::Leave)
    }

    /// Told to stop, and not stopped in time: either the lease was lost or the drain limit is over.
    fn cancelled(lease: &Lease) -> Self {
        match lease.deadlines() {
            None => Self::lease_lost(),
            Some(_) => Self::new(Ending::Drained, "the drain limit passed", Next::GiveBack(Duration::ZERO)),
        }
    }

    /// Whether later messages of the same group must not go on before this one has come again.
    fn holds_up_its_group(&self, is_last_try: bool) -> bool {
        match self.next {
            Next::Delete | Next::Reject => false,
            Next::Retry | Next::GiveBack(_) => !is_last_try,
            Next::Leave => true,
        }
    }

    /// Behind a failed message of its group nothing counts as done.
    fn behind(delay: Duration) -> Self {
        let reason = "an earlier message of its group is to come again first";
        Self::new(Ending::Retry, reason, Next::GiveBack(delay))
    }
}

/// One message of a batch and its place in the order of its group.
pub(super) struct Verdict<'a> {
    pub(super) group: Option<&'a Group>,
    /// Whether SQS will move the message to the dead-letter queue instead of handing it out again.
    pub(super) is_last_try: bool,
    pub(super) ended: &'a mut Ended,
}

/// Lets every message behind a failed one of its group come again with it, whatever the handler said; answers the
/// groups that failed, and when their first message is to come again.
///
/// One that has failed for the last time holds up nobody: SQS moves it to the dead-letter queue, and the group goes on.
pub(super) fn in_group_order<'a>(verdicts: impl Iterator<Item = Verdict<'a>>) -> BTreeMap<Group, Duration> {
    let mut failed = BTreeMap::new();
    for Verdict { group, is_last_try, ended } in verdicts {
        let Some(group) = group else { continue };
        match failed.entry(group.clone()) {
            btree_map::Entry::Occupied(delay) if ended.next != Next::Leave => {
                *ended = Ended::behind(*delay.get());
            }
            btree_map::Entry::Vacant(entry) if ended.holds_up_its_group(is_last_try) => {
                let delay = match ended.next {
                    Next::GiveBack(delay) => delay,
                    Next::Delete | Next::Reject | Next::Retry | Next::Leave => Duration::ZERO,
                };
                entry.insert(delay);
            }
            _ => {}
        }
    }
    failed
}

/// What a panic said, where it said it in words.
fn panic_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
