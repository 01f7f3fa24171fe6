//! How the handling of a message ended.

use std::{fmt::Display, time::Duration};

/// What a handler says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The work is done: the message is deleted.
    Done,
    /// Try again after the queue's retry rule: a growing, jittered delay by receive count.
    Retry(String),
    /// Try again after this delay, rounded up to whole seconds, at most 12 hours.
    RetryIn(Duration, String),
    /// Never try again: the message is copied to the DLQ, with this reason, and then deleted.
    ///
    /// Without a DLQ, and while it refuses the copy, this behaves as [`Outcome::Retry`].
    Reject(String),
    /// The handler could not be reached, so the message did not run: it is tried again as by
    /// [`Outcome::Retry`], and no more are received until [`Handler::probe`](super::Handler::probe) succeeds.
    Down(String),
}

/// What a closure may answer in place of an [`Outcome`].
pub trait IntoOutcome {
    /// The outcome meant by the answer.
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

/// `Ok` is what it holds, `Err` is a retry with the error's words as the reason.
impl<T: IntoOutcome, E: Display> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(answer) => answer.into_outcome(),
            Err(error) => Outcome::Retry(format!("{error:#}")),
        }
    }
}
