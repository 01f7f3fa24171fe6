//! What can go wrong with a publication, sorted by what the caller should do.

use std::error::Error;

use crate::backoff::Backoff;

/// What the caller of a failed call should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wait, longer each time, and try again: throttling, a server's fault, no answer. It may have been published.
    Wait,
    /// The call was never sent, so nothing was published: wait until it is.
    Unsent,
    /// Trying again cannot help until someone acts: no such topic, no permission, no key.
    GiveUp,
    /// This message can never be published, others can.
    Refuse,
}

impl Verdict {
    /// The pauses between tries of a call that ends so: longer where someone must act first.
    pub const fn pauses(self) -> Backoff {
        match self {
            Self::GiveUp => Backoff::REFUSALS,
            Self::Wait | Self::Unsent | Self::Refuse => Backoff::CALLS,
        }
    }

    /// Sorts one of SNS's error codes; the message tells apart what shares a code.
    ///
    /// `InvalidParameter` stands for what is wrong with the message and for what is wrong with the address of the
    /// topic, and the latter must not be held against every message.
    pub fn of_code(code: &str, message: &str) -> Self {
        match code {
            "InvalidParameter" if speaks_of_the_topic(message) => Self::GiveUp,
            "InvalidParameter"
            | "InvalidParameterValue"
            | "ParameterValueInvalid"
            | "ValidationException"
            | "ValidationError"
            | "MissingParameter" => Self::Refuse,
            "Throttled"
            | "Throttling"
            | "ThrottledException"
            | "ThrottlingException"
            | "KMSThrottling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "InternalError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "RequestTimeout" => Self::Wait,
            _ => Self::GiveUp,
        }
    }
}

fn speaks_of_the_topic(message: &str) -> bool {
    ["TopicArn", "TargetArn"].iter().any(|parameter| message.contains(parameter))
}

/// The failure of a call to SNS.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
pub struct TopicError {
    verdict: Verdict,
    code: Option<String>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TopicError {
    /// An error that SNS answered with, sorted by its code.
    pub fn answered(code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { verdict: Verdict::of_code(&code, &message), code: Some(code), message, source: None }
    }

    /// An error without an answer.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, code: None, message: message.into(), source: None }
    }

    /// Overrides the verdict, where more is known than the code tells (an HTTP 5xx, say).
    #[must_use]
    pub fn with_verdict(self, verdict: Verdict) -> Self {
        Self { verdict, ..self }
    }

    /// Keeps the error this one was made from.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// What the caller should do.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether it is certain that nothing was published.
    pub fn is_unpublished(&self) -> bool {
        self.verdict != Verdict::Wait
    }

    /// SNS's error code, when there was an answer.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do() {
        for (code, message, verdict) in [
            ("InvalidParameter", "Invalid parameter: Message too long", Verdict::Refuse),
            ("InvalidParameter", "Invalid parameter: TopicArn Reason: no", Verdict::GiveUp),
            ("ParameterValueInvalid", "", Verdict::Refuse),
            ("NotFound", "Topic does not exist", Verdict::GiveUp),
            ("AuthorizationError", "", Verdict::GiveUp),
            ("KMSAccessDenied", "", Verdict::GiveUp),
            ("KMSThrottling", "", Verdict::Wait),
            ("Throttling", "", Verdict::Wait),
            ("InternalError", "", Verdict::Wait),
            ("ExpiredToken", "", Verdict::GiveUp),
        ] {
            assert_eq!(Verdict::of_code(code, message), verdict, "{code}: {message}");
        }
    }

    #[test]
    fn an_error_says_its_code_and_its_words() {
        assert_eq!(TopicError::answered("NotFound", "no topic").to_string(), "NotFound: no topic");
        assert_eq!(TopicError::new(Verdict::Wait, "silent").to_string(), "silent");
    }
}
