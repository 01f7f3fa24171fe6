//! The failure of an SDK call: its kind, its status, and whether the request may have been sent.

use std::{
    any::type_name,
    error::Error,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::error::{CredentialsError, TokenError};
use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::{DateTime, DateTimeFormat},
};
use aws_sdk_sso::operation::get_role_credentials::GetRoleCredentialsError;
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};
use hyper_util::client::legacy;

use super::{
    credentials::{RoleNotAssumed, SourceHangs},
    network::{AnsweringProxy, ProxyFailure, proxy_fix},
    sources::SourceFailure,
};
use crate::error_chain::{causes, message_with_causes};

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

/// The headers by which an answer is one of AWS.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// The fix of a call without credentials to sign it.
pub(crate) const NO_CREDENTIALS: &str =
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the ECS task a task role";
/// The fix of a role that STS does not give.
pub(crate) const ROLE_NOT_ASSUMED: &str = "let the process's own credentials call sts:AssumeRole on the role, let the role's trust policy name them, and set the external_id that it demands";

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
    /// The service, such as `sqs`.
    pub service: &'static str,
    /// The HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// The difference between this machine's clock and the service's, if the service may have refused the call because
    /// of it. The SDK signs the next call of the same client by the service's clock.
    pub clock_error: Option<Duration>,
    /// The service's message, or else the chain of causes on one line.
    pub message: String,
    /// The fix, if it is one of the proxy or of the credentials.
    pub fix: Option<String>,
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
        let service = service_of::<E>();
        let (kind, message) = match code {
            Some(code) => {
                (FailureKind::Answered(code.to_owned()), error.message().unwrap_or("no message").to_owned())
            }
            None if is_timeout(error) => (FailureKind::TimedOut, without_answer(service, error)),
            None if let Some(cause) = cause_of(error) => (FailureKind::NoCredentials, unsigned(cause)),
            None => {
                let answer = error.raw_response().map(|answer| strange_answer(service, answer, error));
                (FailureKind::NoUsableAnswer, answer.unwrap_or_else(|| without_answer(service, error)))
            }
        };
        let fix = match kind {
            FailureKind::NoCredentials => credentials_fix(error),
            FailureKind::Answered(_) => None,
            FailureKind::TimedOut | FailureKind::NoUsableAnswer => proxy_fix(&message).map(str::to_owned),
        };
        Self { kind, send_state: SendState::of(error), service, status, clock_error, message, fix }
    }

    /// The failure of a call to STS or to SSO for credentials, if this error is one.
    pub(super) fn of_source(error: &(dyn Error + 'static)) -> Option<Self> {
        fn of<E>(error: &(dyn Error + 'static)) -> Option<CallFailure>
        where
            E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        {
            error.downcast_ref::<SdkError<E, HttpResponse>>().map(CallFailure::of)
        }
        of::<AssumeRoleError>(error)
            .or_else(|| of::<AssumeRoleWithWebIdentityError>(error))
            .or_else(|| of::<GetRoleCredentialsError>(error))
    }

    /// The failure as the cause of another.
    fn as_cause(&self) -> String {
        let Self { kind, service, status, message, .. } = self;
        match kind {
            FailureKind::Answered(code) => format!("{service} answers {code}: {message}"),
            FailureKind::NoCredentials => message.clone(),
            _ if status.is_some() => format!("{service} {message}"),
            _ => format!("{service} is not reached: {message}"),
        }
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
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "no credentials for aws: none in the environment, the shared files, a web identity, the ecs task or the ec2 instance".to_owned()
        }
        _ => format!("no credentials for aws: {}", source_reason(error)),
    }
}

/// The reason of a failed source of credentials on one line: what is said at each level, up to the call that failed.
pub(super) fn source_reason(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        if let Some(failure) = CallFailure::of_source(cause) {
            words.push(match cause_of::<CredentialsError>(cause) {
                Some(inner) => source_reason(inner),
                None => failure.as_cause(),
            });
            break;
        }
        let says_nothing = cause.is::<CredentialsError>() || cause.is::<TokenError>();
        if !says_nothing || cause.source().is_none() {
            words.push(cause.to_string());
        }
        if cause.is::<SourceFailure>() {
            break;
        }
    }
    words.dedup();
    let words = words.join(": ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The fix of a failure for want of credentials; `None` for another failure.
pub(crate) fn credentials_fix(error: &(dyn Error + 'static)) -> Option<String> {
    let error: &CredentialsError = cause_of(error)?;
    // The source of a role's own source is within, and the one to mend.
    if let Some(failure) = chain(error).filter_map(|cause| cause.downcast_ref::<SourceFailure>()).last() {
        return Some(failure.fix.clone());
    }
    if cause_of::<SourceHangs>(error).is_some() {
        return Some(SourceHangs::FIX.to_owned());
    }
    let is_of_role = cause_of::<RoleNotAssumed>(error).is_some();
    let fix = match chain(error).find_map(CallFailure::of_source) {
        Some(failure) if is_of_role => return Some(role_fix(&failure)),
        _ if is_of_role => ROLE_NOT_ASSUMED,
        _ => NO_CREDENTIALS,
    };
    Some(fix.to_owned())
}

/// The fix of a role that is not assumed because of this call to STS.
pub(super) fn role_fix(failure: &CallFailure) -> String {
    let fix = match &failure.kind {
        FailureKind::Answered(code) if refuses_credentials(code) => {
            "check the credentials that assume the role (AWS_PROFILE, AWS_ACCESS_KEY_ID), which may be wrong or out of date"
        }
        FailureKind::Answered(_) => ROLE_NOT_ASSUMED,
        FailureKind::NoCredentials => failure.fix.as_deref().unwrap_or(NO_CREDENTIALS),
        FailureKind::TimedOut | FailureKind::NoUsableAnswer => failure.fix.as_deref().unwrap_or(
            "check the region and the network: a private subnet needs a NAT gateway or a VPC endpoint of STS",
        ),
    };
    fix.to_owned()
}

/// The service that an error of the SDK is about, such as `s3`, by the crate of its type.
fn service_of<E>() -> &'static str {
    let of_sdk = type_name::<E>().strip_prefix("aws_sdk_").and_then(|name| name.split("::").next());
    of_sdk.unwrap_or("aws")
}

/// Says what an answer without an error code is, and through which proxy it came.
fn strange_answer<E>(service: &str, answer: &HttpResponse, error: &SdkError<E, HttpResponse>) -> String
where
    E: Error + 'static,
{
    let status = answer.status();
    let status = status.as_u16();
    if REQUEST_IDS.iter().any(|name| answer.headers().get(name).is_some()) {
        return format!("answered {status}: {}", message_with_causes(error));
    }
    match answer.extension::<AnsweringProxy>() {
        Some(proxy) => format!("answered {status} and not as {service} does, {proxy}"),
        None => format!("answered {status} and not as {service} does: it is another http server, or a proxy"),
    }
}

/// Says why there is no answer.
fn without_answer(service: &str, error: &(dyn Error + 'static)) -> String {
    match cause_of::<ProxyFailure>(error) {
        Some(failure) => message_with_causes(failure),
        None if is_unknown_host(error) => format!("the host of {service} is not known"),
        None => message_with_causes(error),
    }
}

/// True if a host has no address.
pub(crate) fn is_unknown_host(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string().contains("dns error"))
}

/// An error and its causes.
pub(super) fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}

/// Returns the first error of this type among an error and its causes.
pub(super) fn cause_of<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{error::ConnectorError, operation::receive_message::ReceiveMessageError};
    use aws_sdk_sts::error::ErrorMetadata;

    use super::*;
    use crate::aws::Role;

    type AssumeRoleCall = SdkError<AssumeRoleError, HttpResponse>;
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

    fn answer(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), "<html>".into())
    }

    fn sts_answered(code: Option<&str>, answer: HttpResponse) -> AssumeRoleCall {
        let mut metadata = ErrorMetadata::builder().message("not allowed");
        if let Some(code) = code {
            metadata = metadata.code(code);
        }
        AssumeRoleCall::service_error(AssumeRoleError::generic(metadata.build()), answer)
    }

    /// The failure of a call that is unsigned because its role is not assumed for this reason.
    fn not_assumed(cause: AssumeRoleCall) -> CallFailure {
        let source = CredentialsError::provider_error(cause);
        let role = Role::new("arn:aws:iam::111111111111:role/orders");
        CallFailure::of(&unsigned_by(CredentialsError::provider_error(RoleNotAssumed::new(&role, source))))
    }

    #[test]
    fn an_answer_of_another_server_has_its_status_and_its_proxy() {
        let direct = CallFailure::of(&sts_answered(None, answer(503)));
        assert_eq!(direct.message, "answered 503 and not as sts does: it is another http server, or a proxy");
        let mut proxied = answer(503);
        proxied.add_extension(AnsweringProxy::for_test("http://user:canary@proxy:3128"));
        let proxied = CallFailure::of(&sts_answered(None, proxied));
        assert_eq!(proxied.message, "answered 503 and not as sts does, through the proxy http://proxy:3128");
        assert!(proxied.fix.unwrap().contains("NO_PROXY"));
        let mut by_aws = answer(503);
        by_aws.headers_mut().insert("x-amzn-requestid", "1");
        let by_aws = CallFailure::of(&sts_answered(None, by_aws));
        assert!(!by_aws.message.contains("not as sts does"), "{}", by_aws.message);
    }

    #[test]
    fn a_role_that_is_not_assumed_says_why_and_has_the_fix_of_the_cause() {
        let CallFailure { message, fix, .. } = not_assumed(sts_answered(Some("AccessDenied"), answer(403)));
        assert_eq!(
            message,
            "no credentials for aws: the role arn:aws:iam::111111111111:role/orders is not assumed: sts answers AccessDenied: not allowed"
        );
        assert_eq!(fix.as_deref(), Some(ROLE_NOT_ASSUMED));
        let refused = not_assumed(sts_answered(Some("ExpiredToken"), answer(403)));
        assert!(refused.fix.unwrap().starts_with("check the credentials that assume the role"));
        let unknown = ConnectorError::io("dns error: no such name".into());
        let unknown = AssumeRoleCall::dispatch_failure(unknown);
        let CallFailure { message, fix, .. } = not_assumed(unknown);
        assert!(message.ends_with("sts is not reached: the host of sts is not known"), "{message}");
        assert!(fix.unwrap().contains("a VPC endpoint of STS"));
    }
}
