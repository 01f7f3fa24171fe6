//! The SDK's errors as the queue port's.

use std::{error::Error, time::Duration};

use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::BatchResultErrorEntry,
};

use crate::{
    aws::{self, CallFailure, CredentialsFault, FailureKind},
    queue::{EntryError, QueueError, RetryClass},
};

/// A call's failure, sorted by its code where there is an answer, and worth repeating where there is none.
pub(super) fn refusal<E>(error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let failed = CallFailure::of(&error);
    let is_busy = failed.is_busy();
    let CallFailure { kind, message, .. } = failed;
    let failure = match kind {
        FailureKind::Answered(code) => QueueError::answered(code, message),
        FailureKind::TimedOut => QueueError::timed_out(message),
        FailureKind::NoCredentials => QueueError::new(RetryClass::Transient, message),
        FailureKind::NoUsableAnswer => {
            QueueError::new(RetryClass::Transient, format!("no usable answer from sqs: {message}"))
        }
    };
    let failure = if is_busy { failure.with_retry_class(RetryClass::Transient) } else { failure };
    failure.with_source(error)
}

/// A call that neither answered nor ended within its own limit.
pub(super) fn hung(limit: Duration) -> QueueError {
    QueueError::timed_out(format!("no answer from sqs within {limit:?}, the call was dropped"))
}

/// The failure of one entry of a batch.
pub(super) fn entry_error(entry: BatchResultErrorEntry) -> EntryError {
    EntryError::new(entry.code, entry.message.unwrap_or_default(), entry.sender_fault)
}

/// The fault of the credentials, if it made a call fail.
pub fn credentials_fault(error: &QueueError) -> Option<CredentialsFault> {
    aws::credentials_fault(error)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::error::CredentialsError;
    use aws_sdk_sqs::{error::ConnectorError, operation::receive_message::ReceiveMessageError};

    use super::*;

    #[test]
    fn missing_credentials_are_found_behind_the_queues_error() {
        let cause = CredentialsError::not_loaded("none");
        let failure = ConnectorError::other(cause.into(), None);
        let missing = refusal(SdkError::<ReceiveMessageError, HttpResponse>::dispatch_failure(failure));
        assert_eq!(credentials_fault(&missing), Some(CredentialsFault::Missing));
        assert_eq!(credentials_fault(&QueueError::answered("AccessDenied", "")), None);
    }
}
