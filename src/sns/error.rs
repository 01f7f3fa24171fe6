//! The error of a call to SNS, and its retry class.

use std::error::Error;

use crate::backoff::Backoff;

/// The way in which the caller of a failed call retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishRetryClass {
    /// Retry with growing pauses: throttling, a server's fault, no answer. The message may have been published.
    Transient,
    /// Retry with growing pauses: the request was not sent, so nothing was published.
    NotSent,
    /// A retry fails until someone acts: no such topic, no permission, no key.
    Refused,
    /// This message can never be published, others can.
    BadMessage,
}

impl PublishRetryClass {
    /// The pauses between attempts: longer where someone must act first.
    pub const fn pauses(self) -> Backoff {
        match self {
            Self::Refused => Backoff::REFUSALS,
            Self::Transient | Self::NotSent | Self::BadMessage => Backoff::CALLS,
        }
    }

    /// Classifies an error code of SNS; the message distinguishes errors with the same code.
    ///
    /// `InvalidParameter` means a bad message or a bad topic ARN; a bad ARN must not reject every message.
    pub fn of_code(code: &str, message: &str) -> Self {
        match code {
            "InvalidParameter" if names_the_topic(message) => Self::Refused,
            "InvalidParameter"
            | "InvalidParameterValue"
            | "ParameterValueInvalid"
            | "ValidationException"
            | "ValidationError"
            | "MissingParameter" => Self::BadMessage,
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
            | "RequestTimeout" => Self::Transient,
            _ => Self::Refused,
        }
    }
}

fn names_the_topic(message: &str) -> bool {
    ["TopicArn", "TargetArn"].iter().any(|parameter| message.contains(parameter))
}

/// The failure of a call to SNS.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
pub struct TopicError {
    retry_class: PublishRetryClass,
    code: Option<String>,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TopicError {
    /// An error that SNS answered with, classified by its code.
    pub fn answered(code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self {
            retry_class: PublishRetryClass::of_code(&code, &message),
            code: Some(code),
            message,
            source: None,
        }
    }

    /// An error without an answer.
    pub fn new(retry_class: PublishRetryClass, message: impl Into<String>) -> Self {
        Self { retry_class, code: None, message: message.into(), source: None }
    }

    /// Overrides the retry class, for example by an HTTP status.
    #[must_use]
    pub fn with_retry_class(self, retry_class: PublishRetryClass) -> Self {
        Self { retry_class, ..self }
    }

    /// Adds the error that this one was made from.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The way in which the caller retries.
    pub fn retry_class(&self) -> PublishRetryClass {
        self.retry_class
    }

    /// True when it is certain that nothing was published.
    pub fn is_unpublished(&self) -> bool {
        self.retry_class != PublishRetryClass::Transient
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
    fn codes_have_a_retry_class() {
        for (code, message, class) in [
            ("InvalidParameter", "Invalid parameter: Message too long", PublishRetryClass::BadMessage),
            ("InvalidParameter", "Invalid parameter: TopicArn Reason: no", PublishRetryClass::Refused),
            ("ParameterValueInvalid", "", PublishRetryClass::BadMessage),
            ("NotFound", "Topic does not exist", PublishRetryClass::Refused),
            ("AuthorizationError", "", PublishRetryClass::Refused),
            ("KMSAccessDenied", "", PublishRetryClass::Refused),
            ("KMSThrottling", "", PublishRetryClass::Transient),
            ("Throttling", "", PublishRetryClass::Transient),
            ("InternalError", "", PublishRetryClass::Transient),
            ("ExpiredToken", "", PublishRetryClass::Refused),
        ] {
            assert_eq!(PublishRetryClass::of_code(code, message), class, "{code}: {message}");
        }
    }

    #[test]
    fn an_error_shows_its_code_and_message() {
        assert_eq!(TopicError::answered("NotFound", "no topic").to_string(), "NotFound: no topic");
        assert_eq!(TopicError::new(PublishRetryClass::Transient, "silent").to_string(), "silent");
    }
}
