//! What the failure of an SDK's call says, whichever service was called.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use hyper_util::client::legacy;

use crate::error_chain::message_with_causes;

/// A failed call, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How far the call came.
    pub fate: Fate,
    /// Whether the service can have heard of it.
    pub reach: Reach,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The service's words, or else the chain of causes on one line.
    pub message: String,
}

/// How far a failed call came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The service answered with this error code.
    Answered(String),
    /// A time limit passed.
    Hung,
    /// It could not be signed for want of credentials.
    Unsigned,
    /// No connection could be made, it broke off, or its answer is not one.
    Broken,
}

/// Whether the service can have heard of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It may have.
    Maybe,
    /// The call was never sent.
    Never,
}

impl Failure {
    /// Takes the SDK's error apart.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let (fate, message) = match code {
            Some(code) => {
                (Fate::Answered(code.to_owned()), error.message().unwrap_or("no message").to_owned())
            }
            None if is_timeout(error) => (Fate::Hung, message_with_causes(error)),
            None if let Some(cause) = cause_of(error) => (Fate::Unsigned, unsigned(cause)),
            None => (Fate::Broken, message_with_causes(error)),
        };
        Self { fate, reach: Reach::of(error), status, message }
    }

    /// Whether the service, or what stands before it, said to come again later.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, Some(429 | 500..))
    }
}

impl Reach {
    /// A call that failed before the HTTP client had it, or while that connected, was never sent.
    fn of<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Self {
        let is_unsent = match error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::DispatchFailure(_) => {
                cause_of(error).map_or(!is_timeout(error), legacy::Error::is_connect)
            }
            _ => false,
        };
        if is_unsent { Self::Never } else { Self::Maybe }
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

/// What keeps the SDK from signing a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsFault {
    /// There are none, or what names them is wrong: someone must act.
    Missing,
    /// Their provider fails, which may pass.
    Failing,
}

/// Whether an error goes back to a want of credentials.
///
/// No verdict says so: while a worker runs, a provider that has none is asked again as any failing part is.
pub fn credentials_fault(error: &(dyn Error + 'static)) -> Option<CredentialsFault> {
    match cause_of(error)? {
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
        _ => &message_with_causes(error),
    };
    format!("no credentials for aws: {cause}")
}

/// The first error of this type among an error and its causes.
fn cause_of<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&cause| cause.source()).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{error::ConnectorError, operation::receive_message::ReceiveMessageError};

    use super::*;

    type Call = SdkError<ReceiveMessageError, HttpResponse>;

    fn unsigned_by(cause: CredentialsError) -> Call {
        Call::dispatch_failure(ConnectorError::other(cause.into(), None))
    }

    #[test]
    fn missing_credentials_are_told_apart_from_failing_ones_and_said_on_one_line() {
        let missing = unsigned_by(CredentialsError::not_loaded("none found:\n  Environment: not set"));
        let Failure { fate, reach, message, .. } = Failure::of(&missing);
        assert_eq!((fate, reach), (Fate::Unsigned, Reach::Never));
        assert!(message.starts_with("no credentials for aws") && !message.contains('\n'), "{message}");
        assert_eq!(credentials_fault(&missing), Some(CredentialsFault::Missing));
        let failing = unsigned_by(CredentialsError::provider_error("503"));
        assert!(Failure::of(&failing).message.contains("503"));
        assert_eq!(credentials_fault(&failing), Some(CredentialsFault::Failing));
    }
}
