//! Errors of queues, each with a retry class.

use std::{error::Error, fmt, future::Future, time::Duration};

use crate::{aws::refuses_credentials, backoff::Backoff, duration::Span};

/// The retry that a failed call allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// Worth a retry with growing pauses: throttling, a server's fault, the network.
    Transient,
    /// A retry cannot help until someone acts: no permission, no such queue, a refused request.
    Refused,
    /// The message is no longer held: its receipt is stale, or its 12 hours are over.
    LeaseLost,
}

/// The failures in a row that are an outage.
const FAILURES_TO_OUTAGE: u32 = 3;

impl RetryClass {
    /// The pauses between the attempts of such a call: longer if someone must act first.
    pub const fn pauses(self) -> Backoff {
        match self {
            Self::Refused => Backoff::REFUSALS,
            Self::Transient | Self::LeaseLost => Backoff::CALLS,
        }
    }

    /// True if the queue cannot be used after so many failures in a row, the last of this class: the worker is not ready.
    pub(crate) const fn is_outage_after(self, failures: u32) -> bool {
        matches!(self, Self::Refused) || failures >= FAILURES_TO_OUTAGE
    }

    /// Classifies an error code of SQS; the message distinguishes errors that share a code.
    ///
    /// The codes come with or without the query protocol's `AWS.SimpleQueueService.` and `com.amazonaws.sqs#`.
    pub fn of_code(code: &str, message: &str) -> Self {
        match plain(code) {
            "ReceiptHandleIsInvalid" | "MessageNotInflight" => Self::LeaseLost,
            "InvalidParameterValue" if is_about_the_lease(message) => Self::LeaseLost,
            code if is_throttle(code) => Self::Transient,
            "InternalError" | "InternalFailure" | "ServiceUnavailable" | "RequestTimeout" => Self::Transient,
            _ => Self::Refused,
        }
    }
}

fn plain(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// True for a code, without its prefix, by which SQS asks for fewer calls or has too many messages in flight.
fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "RequestThrottled"
            | "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "KmsThrottled"
            | "OverLimit"
            | "SlowDown"
    )
}

fn is_about_the_lease(message: &str) -> bool {
    ["receipt handle", "ReceiptHandle", "not available for visibility timeout change", "beyond the limit"]
        .iter()
        .any(|phrase| message.contains(phrase))
}

/// The failure of a whole call.
#[derive(Debug)]
pub struct QueueError {
    retry_class: RetryClass,
    code: Option<Box<str>>,
    message: Box<str>,
    timed_out: bool,
    /// True if the call was refused because of this machine's clock.
    is_by_clock: bool,
    /// The likely cause and the fix, where they are known.
    hint: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl QueueError {
    /// An error that SQS returned, classified by its code.
    pub fn answered(code: impl Into<String>, message: impl Into<String>) -> Self {
        let (code, message): (String, String) = (code.into(), message.into());
        let retry_class = RetryClass::of_code(&code, &message);
        Self {
            retry_class,
            code: Some(code.into()),
            message: message.into(),
            timed_out: false,
            is_by_clock: false,
            hint: None,
            source: None,
        }
    }

    /// An error without an answer, or one that its code does not classify correctly.
    pub fn new(retry_class: RetryClass, message: impl Into<String>) -> Self {
        Self {
            retry_class,
            code: None,
            message: message.into().into(),
            timed_out: false,
            is_by_clock: false,
            hint: None,
            source: None,
        }
    }

    /// A call that was dropped because it did not end in time.
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self { timed_out: true, ..Self::new(RetryClass::Transient, message) }
    }

    /// Overrides the retry class, if more than the code is known (such as an HTTP 5xx).
    #[must_use]
    pub fn with_retry_class(mut self, retry_class: RetryClass) -> Self {
        self.retry_class = retry_class;
        self
    }

    /// A refusal because this machine's clock differs so much from SQS's; the SDK signs the next call by SQS's clock.
    #[must_use]
    pub fn caused_by_clock(self, difference: Duration) -> Self {
        let message = format!("{} (this machine's clock is off by {})", self.message, Span(difference));
        Self { is_by_clock: true, message: message.into(), ..self.with_retry_class(RetryClass::Transient) }
    }

    /// Adds the likely cause and the fix.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into().into());
        self
    }

    /// The likely cause and the fix, where they are known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The retry that the error allows.
    pub fn retry_class(&self) -> RetryClass {
        self.retry_class
    }

    /// True if the call was dropped because it did not end in time.
    pub fn is_timeout(&self) -> bool {
        self.timed_out
    }

    /// True if the call was refused because of this machine's clock.
    pub fn is_by_clock(&self) -> bool {
        self.is_by_clock
    }

    /// True if there is no such queue.
    pub fn is_missing_queue(&self) -> bool {
        matches!(self.plain_code(), Some("QueueDoesNotExist" | "NonExistentQueue"))
    }

    /// True if the permission to make the call is missing, and not that for a KMS key.
    pub fn is_forbidden(&self) -> bool {
        matches!(self.plain_code(), Some("AccessDenied" | "AccessDeniedException"))
    }

    /// True if AWS does not know the credentials, or no longer accepts them.
    pub fn refuses_credentials(&self) -> bool {
        self.plain_code().is_some_and(refuses_credentials)
    }

    /// True if SQS throttles the calls, or has as many messages in flight as it allows.
    pub fn is_throttled(&self) -> bool {
        self.plain_code().is_some_and(is_throttle)
    }

    /// SQS's error code, if there was an answer.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// SQS's error code without the prefixes of the protocols.
    pub fn plain_code(&self) -> Option<&str> {
        self.code().map(plain)
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(formatter, "{code}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl Error for QueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The failure of one entry of a batch call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct EntryError {
    /// The retry that the error allows.
    pub retry_class: RetryClass,
    /// SQS's error code.
    pub code: String,
    /// SQS's message.
    pub message: String,
}

impl EntryError {
    /// An entry that is missing in the answer.
    pub fn unanswered() -> Self {
        Self::new("Unanswered", "the answer has no result for this entry", false)
    }

    /// An entry's failure; `sender_fault` is false for a fault of SQS itself, which is worth a retry.
    pub fn new(code: impl Into<String>, message: impl Into<String>, sender_fault: bool) -> Self {
        let (code, message): (String, String) = (code.into(), message.into());
        let retry_class = match RetryClass::of_code(&code, &message) {
            RetryClass::Refused if !sender_fault => RetryClass::Transient,
            retry_class => retry_class,
        };
        Self { retry_class, code, message }
    }
}

/// Drops a call that does not end within a time limit; `what` names the call in the error.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    let timed_out = |_| QueueError::timed_out(format!("{what} did not end within {limit:?} and was dropped"));
    tokio::time::timeout(limit, call).await.map_err(timed_out)?
}

/// The results of a batch call, followed by failures for the entries that are missing in the answer.
pub(crate) fn all_entries<T>(
    answered: Vec<Result<T, EntryError>>,
) -> impl Iterator<Item = Result<T, EntryError>> {
    answered.into_iter().chain(std::iter::repeat_with(|| Err(EntryError::unanswered())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified_by_the_retry_they_allow() {
        for (code, message, retry_class) in [
            ("ReceiptHandleIsInvalid", "", RetryClass::LeaseLost),
            ("com.amazonaws.sqs#MessageNotInflight", "", RetryClass::LeaseLost),
            (
                "InvalidParameterValue",
                "Value x for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
                RetryClass::LeaseLost,
            ),
            (
                "InvalidParameterValue",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
                RetryClass::LeaseLost,
            ),
            (
                "InvalidParameterValue",
                "Value 11 for parameter MaxNumberOfMessages is invalid.",
                RetryClass::Refused,
            ),
            ("AWS.SimpleQueueService.NonExistentQueue", "", RetryClass::Refused),
            ("AccessDenied", "", RetryClass::Refused),
            ("OverLimit", "", RetryClass::Transient),
            ("KmsThrottled", "", RetryClass::Transient),
            ("KmsAccessDenied", "", RetryClass::Refused),
        ] {
            assert_eq!(RetryClass::of_code(code, message), retry_class, "{code}: {message}");
        }
    }

    #[test]
    fn an_entry_that_is_not_the_senders_fault_is_retried() {
        assert_eq!(EntryError::new("Strange", "", false).retry_class, RetryClass::Transient);
        assert_eq!(EntryError::new("Strange", "", true).retry_class, RetryClass::Refused);
    }

    #[test]
    fn only_the_refusal_of_the_call_itself_is_a_missing_permission() {
        for (code, is_forbidden) in [
            ("AccessDenied", true),
            ("com.amazonaws.sqs#AccessDeniedException", true),
            ("AWS.SimpleQueueService.AccessDenied", true),
            ("KmsAccessDenied", false),
        ] {
            assert_eq!(QueueError::answered(code, "no").is_forbidden(), is_forbidden, "{code}");
        }
    }
}
