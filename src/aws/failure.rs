//! The failure of an SDK call: its kind, its status, and whether the request may have been sent.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::{DateTime, DateTimeFormat},
};
use hyper_util::client::legacy;

use crate::error_chain::message_with_causes;

/// The codes of refusals that a wrong clock may cause, as in the SDK.
const CLOCK_CODES: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];
/// The difference up to which a clock causes no refusal, as in the SDK.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(4);

/// The codes of refusals for which other credentials help, without the prefixes of the protocols.
const CREDENTIALS_CODES: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// True for the code of a refusal of the credentials, be they unknown, wrong or expired.
pub(crate) fn refuses_credentials(plain_code: &str) -> bool {
    CREDENTIALS_CODES.contains(&plain_code)
}

/// The failure of a call to an AWS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallFailure {
    /// The kind of failure.
    pub kind: FailureKind,
    /// The state of the request: possibly sent, or not sent.
    pub send_state: SendState,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The difference between this machine's clock and the service's, if the service may have refused the call because
    /// of it. The SDK signs the next call of the same client by the service's clock.
    pub clock_error: Option<Duration>,
    /// The service's message, or else the chain of causes on one line.
    pub message: String,
}

/// The kind of a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The service answered with this error code.
    Answered(String),
    /// A time limit passed.
    TimedOut,
    /// There were no credentials to sign the request with.
    NoCredentials,
    /// The connection failed, or the answer was unreadable.
    NoUsableAnswer,
}

/// The state of a failed request: possibly sent, or not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendState {
    /// The request may have been sent.
    MaybeSent,
    /// The request was not sent.
    NotSent,
}

impl CallFailure {
    /// Classifies an error of the SDK.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let is_by_clock = code.is_some_and(|code| CLOCK_CODES.contains(&code));
        let clock_error = error.raw_response().filter(|_| is_by_clock).and_then(clock_error);
        let (kind, message) = match code {
            Some(code) => {
                (FailureKind::Answered(code.to_owned()), error.message().unwrap_or("no message").to_owned())
            }
            None if is_timeout(error) => (FailureKind::TimedOut, message_with_causes(error)),
            None if let Some(cause) = cause_of(error) => (FailureKind::NoCredentials, unsigned(cause)),
            None => (FailureKind::NoUsableAnswer, message_with_causes(error)),
        };
        Self { kind, send_state: SendState::of(error), status, clock_error, message }
    }

    /// True when the service, or a proxy before it, asked for a later retry.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.status, Some(429 | 500..))
    }
}

impl SendState {
    /// A request that failed before or while the HTTP client connected was not sent.
    fn of<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Self {
        let is_unsent = match error {
            SdkError::ConstructionFailure(_) => true,
            SdkError::DispatchFailure(_) => {
                cause_of(error).map_or(!is_timeout(error), legacy::Error::is_connect)
            }
            _ => false,
        };
        if is_unsent { Self::NotSent } else { Self::MaybeSent }
    }
}

/// The difference between this machine's clock and that of an answer, if it is more than is tolerated.
fn clock_error(answer: &HttpResponse) -> Option<Duration> {
    let date = DateTime::from_str(answer.headers().get("date")?, DateTimeFormat::HttpDate).ok()?;
    let (theirs, ours) = (SystemTime::try_from(date).ok()?, SystemTime::now());
    let difference = theirs.duration_since(ours).unwrap_or_else(|error| error.duration());
    (difference > CLOCK_TOLERANCE).then(|| Duration::from_secs(difference.as_secs()))
}

/// True when a time limit ended the call: the attempt's, or the connection's, which the SDK reports differently.
fn is_timeout<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    }
}

/// The reason for which the SDK has no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialsFault {
    /// There are none, or their configuration is wrong: someone must act.
    Missing,
    /// Their provider failed, which may pass.
    Failing,
}

/// Returns the credentials' fault among an error and its causes.
///
/// Retry classes do not distinguish it: while a worker runs, a provider without credentials is asked again like any
/// other failing part.
pub(crate) fn credentials_fault(error: &(dyn Error + 'static)) -> Option<CredentialsFault> {
    match cause_of(error)? {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            Some(CredentialsFault::Missing)
        }
        _ => Some(CredentialsFault::Failing),
    }
}

/// The reason for missing credentials on one line; the SDK lists its sources on a line each.
fn unsigned(error: &CredentialsError) -> String {
    let cause = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "none in the environment, the shared files, a web identity, the ecs task or the ec2 instance"
        }
        _ => &message_with_causes(error),
    };
    match remedy(cause) {
        Some(remedy) => format!("no credentials for aws: {cause}; {remedy}"),
        None => format!("no credentials for aws: {cause}"),
    }
}

/// The remedy for a failure of the SDK's sources, where their own text has none.
fn remedy(cause: &str) -> Option<&'static str> {
    let has = |part: &str| cause.contains(part);
    if has("credentials-login") || has("Login token") {
        Some(
            "for a profile of aws login add another profile with credential_process = aws configure export-credentials --profile <that profile> --format process, and use it; run aws login when its session has ended",
        )
    } else if has("SSO token") || has("/sso/cache") || has("Session token not found or invalid") {
        Some("run aws sso login with the profile")
    } else {
        None
    }
}

/// Returns the first error of this type among an error and its causes.
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
    fn missing_and_failing_credentials_differ_and_are_reported_on_one_line() {
        let missing = unsigned_by(CredentialsError::not_loaded("none found:\n  Environment: not set"));
        let CallFailure { kind, send_state, message, .. } = CallFailure::of(&missing);
        assert_eq!((kind, send_state), (FailureKind::NoCredentials, SendState::NotSent));
        assert!(message.starts_with("no credentials for aws") && !message.contains('\n'), "{message}");
        assert_eq!(credentials_fault(&missing), Some(CredentialsFault::Missing));
        let failing = unsigned_by(CredentialsError::provider_error("503"));
        assert!(CallFailure::of(&failing).message.contains("503"));
        assert_eq!(credentials_fault(&failing), Some(CredentialsFault::Failing));
    }
}
