//! The SDK's errors as the queue port's.

use std::{error::Error, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    types::BatchResultErrorEntry,
};

use crate::queue::{EntryError, QueueError, Verdict};

/// A call's failure, sorted by its code where there is an answer, and worth repeating where there is none.
pub(super) fn refusal<E>(error: SdkError<E, HttpResponse>) -> QueueError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let answered = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    let failure = match answered {
        Some(code) => QueueError::answered(code, error.message().unwrap_or("no message")),
        None if is_timeout(&error) => QueueError::hung(causes(&error)),
        None if let Some(cause) = credentials_error(&error) => {
            QueueError::new(Verdict::Wait, unsigned(cause))
        }
        None => QueueError::new(Verdict::Wait, format!("no usable answer from sqs: {}", causes(&error))),
    };
    match status {
        Some(429 | 500..) => failure.with_verdict(Verdict::Wait).with_source(error),
        _ => failure.with_source(error),
    }
}

/// Whether a time limit ended the call: the attempt's, or the connection's own, which the SDK words differently.
fn is_timeout<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    }
}

/// A call that neither answered nor ended within its own limit.
pub(super) fn hung(limit: Duration) -> QueueError {
    QueueError::hung(format!("no answer from sqs within {limit:?}, the call was dropped"))
}

/// The failure of one entry of a batch.
pub(super) fn entry_error(entry: BatchResultErrorEntry) -> EntryError {
    EntryError::new(entry.code, entry.message.unwrap_or_default(), entry.sender_fault)
}

/// What keeps the SDK from signing a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsFault {
    /// There are none, or what names them is wrong: someone must act.
    Missing,
    /// Their provider fails, which may pass.
    Failing,
}

/// Whether a call failed for want of credentials.
///
/// No verdict says so: while a worker runs, a provider that has none is asked again as any failing part is.
pub fn credentials_fault(error: &QueueError) -> Option<CredentialsFault> {
    match credentials_error(error)? {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            Some(CredentialsFault::Missing)
        }
        _ => Some(CredentialsFault::Failing),
    }
}

/// Says why a call could not be signed; the SDK words each of the places it looked into in a line of its own.
fn unsigned(error: &CredentialsError) -> String {
    let cause = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "none in the environment, the shared files, a web identity, the ecs task or the ec2 instance"
        }
        _ => &causes(error),
    };
    format!("no credentials for aws: {cause}")
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// The chain of causes on one line, without the repetitions that the SDK's own display brings.
fn causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{error::ConnectorError, operation::receive_message::ReceiveMessageError};

    use super::*;

    fn failed_by(cause: CredentialsError) -> QueueError {
        let failure = ConnectorError::other(cause.into(), None);
        refusal(SdkError::<ReceiveMessageError, HttpResponse>::dispatch_failure(failure))
    }

    #[test]
    fn missing_credentials_are_told_apart_from_failing_ones_and_said_on_one_line() {
        let missing = failed_by(CredentialsError::not_loaded("none found:\n  Environment: not set"));
        assert_eq!(credentials_fault(&missing), Some(CredentialsFault::Missing));
        let words = missing.to_string();
        assert!(words.starts_with("no credentials for aws") && !words.contains('\n'), "{words}");
        let failing = failed_by(CredentialsError::provider_error("503"));
        assert!(failing.to_string().contains("503"), "{failing}");
        assert_eq!(credentials_fault(&failing), Some(CredentialsFault::Failing));
        assert_eq!(credentials_fault(&QueueError::answered("AccessDenied", "")), None);
    }
}
