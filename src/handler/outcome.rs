//! Outcomes of messages and batches.

use std::{fmt::Display, time::Duration};

#[cfg(any(feature = "exec", feature = "lambda"))]
use crate::process::StartError;
#[cfg(any(feature = "exec", feature = "http", feature = "lambda", feature = "sns"))]
use crate::shortage::Shortage;

/// The longest time that a message may stay hidden, which is SQS's limit.
pub(super) const LONGEST_DELAY: Duration = Duration::from_hours(12);

/// The shortest delay that a program outside may ask for: one that always asks for none would use up the receives of its
/// messages within a second.
#[cfg(any(feature = "http", feature = "lambda"))]
pub(super) const SHORTEST_DELAY: Duration = Duration::from_secs(1);

/// A handler's decision on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The work is done: the message is deleted.
    Done,
    /// Try again after the queue's backoff: a jittered delay that grows with the receive count.
    Retry(String),
    /// Try again after this delay, rounded up to whole seconds, at most 12 hours.
    RetryIn(Duration, String),
    /// Never try again: the message is copied to the DLQ, with this reason, and then deleted.
    ///
    /// Without a DLQ, and while it refuses the copy, this behaves as [`Outcome::Retry`].
    Reject(String),
    /// The handler could not be reached, so the message did not run: it is tried again as by
    /// [`Outcome::Retry`], and no more are received until [`Handler::probe`](super::Handler::probe) succeeds.
    ///
    /// At its last receive it stays held until then instead: given back, it would be in the DLQ without having run.
    Down(String),
    /// The handler is not available, or what stands before it says so; the message may have run.
    ///
    /// It is tried again as by [`Outcome::Retry`], or after `retry_in`. After three calls in a row with this outcome the
    /// handler counts as down: polling is paused, and messages with this outcome stay held and run in this worker without
    /// another receive, one at first, once the handler is available again.
    Unavailable {
        /// The reason.
        reason: String,
        /// The delay that the handler asks for, at most 12 hours.
        retry_in: Option<Duration>,
    },
    /// The handler ended during the call; the message may have run, and may be the cause.
    ///
    /// As [`Outcome::Unavailable`], but a message that, tried alone, ends the handler five times in a row spends its
    /// receives from then on, as by [`Outcome::Retry`].
    Crashed(String),
    /// The worker itself is short of descriptors, processes, memory or the like, so the message did not run.
    ///
    /// It stays held, and runs in this worker once [`Handler::probe`](super::Handler::probe) succeeds, without another
    /// receive. Until then polling is paused and no call starts; then one is tried, and more if it does not answer this.
    ShortOfResources(String),
}

impl Outcome {
    /// The handler is not available, for this reason; see [`Outcome::Unavailable`].
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_in: None }
    }
}

/// The reason why a handler can take no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The handler cannot be reached; see [`Outcome::Down`].
    Down(String),
    /// The worker is short of resources; see [`Outcome::ShortOfResources`].
    ShortOfResources(String),
}

impl Unavailable {
    /// Decides by the shortage behind an error, if any: a handler that is down has none.
    #[cfg(any(feature = "exec", feature = "http", feature = "lambda", feature = "sns"))]
    pub(super) fn by(shortage: Option<Shortage>, reason: String) -> Self {
        match shortage {
            Some(shortage) => Self::ShortOfResources(format!("{reason}, hint: {}", shortage.hint())),
            None => Self::Down(reason),
        }
    }

    /// A program that could not be started is down, unless none could be started.
    #[cfg(any(feature = "exec", feature = "lambda"))]
    pub(super) fn of_start(error: &StartError) -> Self {
        // Its reason has the hint.
        match error.shortage() {
            Some(_) => Self::ShortOfResources(error.reason()),
            None => Self::Down(error.reason()),
        }
    }

    /// The reason as text.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Down(reason) | Self::ShortOfResources(reason) => reason,
        }
    }

    /// The reason as text.
    pub(crate) fn into_reason(self) -> String {
        match self {
            Self::Down(reason) | Self::ShortOfResources(reason) => reason,
        }
    }
}

impl From<String> for Unavailable {
    /// A handler in Rust code is down when its probe fails.
    fn from(reason: String) -> Self {
        Self::Down(reason)
    }
}

impl From<Unavailable> for Outcome {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Down(reason) => Self::Down(reason),
            Unavailable::ShortOfResources(reason) => Self::ShortOfResources(reason),
        }
    }
}

/// Return values of a closure that convert into an [`Outcome`].
pub trait IntoOutcome {
    /// Converts the return value into an outcome.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Done
    }
}

/// `Ok` converts its content, `Err` is a retry with the error's message as the reason.
impl<T: IntoOutcome, E: Display> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(answer) => answer.into_outcome(),
            Err(error) => Outcome::Retry(format!("{error:#}")),
        }
    }
}

/// The outcomes of the messages of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// One outcome for every message.
    All(Outcome),
    /// One outcome for each message, in the order of the batch; a message without an outcome is tried again.
    Each(Vec<Outcome>),
}

impl Outcomes {
    /// One outcome for each of `messages` messages; further ones are dropped, missing ones are retries.
    pub fn spread(self, messages: usize) -> Vec<Outcome> {
        match self {
            Self::All(outcome) => vec![outcome; messages],
            Self::Each(mut outcomes) => {
                outcomes.resize_with(messages, missing);
                outcomes
            }
        }
    }

    /// The outcome of the only message of a batch.
    pub(super) fn into_single(self) -> Outcome {
        match self {
            Self::All(outcome) => outcome,
            Self::Each(outcomes) => outcomes.into_iter().next().unwrap_or_else(missing),
        }
    }
}

fn missing() -> Outcome {
    Outcome::Retry("the handler gave no outcome for this message".to_owned())
}

impl From<Outcome> for Outcomes {
    fn from(outcome: Outcome) -> Self {
        Self::All(outcome)
    }
}

/// Return values of a closure for a batch: [`Outcomes`], a `Result` of them, or an [`IntoOutcome`] for all messages.
pub trait IntoOutcomes {
    /// Converts the return value into outcomes.
    fn into_outcomes(self) -> Outcomes;
}

impl IntoOutcomes for Outcomes {
    fn into_outcomes(self) -> Outcomes {
        self
    }
}

/// `Err` is a retry of every message, with the error's message as the reason.
impl<E: Display> IntoOutcomes for Result<Outcomes, E> {
    fn into_outcomes(self) -> Outcomes {
        self.unwrap_or_else(|error| Outcomes::All(Outcome::Retry(format!("{error:#}"))))
    }
}

impl<A: IntoOutcome> IntoOutcomes for A {
    fn into_outcomes(self) -> Outcomes {
        Outcomes::All(self.into_outcome())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_outcome_is_tried_again() {
        let outcomes = Outcomes::Each(vec![Outcome::Done]).spread(2);
        assert_eq!(outcomes[0], Outcome::Done);
        assert!(matches!(outcomes[1], Outcome::Retry(_)));
    }

    #[test]
    fn outcomes_beyond_the_batch_are_dropped() {
        assert_eq!(Outcomes::Each(vec![Outcome::Done; 3]).spread(1), [Outcome::Done]);
        assert_eq!(Outcomes::All(Outcome::Done).spread(2), [Outcome::Done, Outcome::Done]);
    }
}
