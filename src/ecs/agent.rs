//! The ECS agent: the protocol of task protection, and the HTTP request that it takes.

use std::{error::Error, fmt, io, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error_chain::message_with_causes;

/// The time limit of a request, which includes the agent's own call to AWS.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The largest answer that is read: the metadata of a task describe every container.
const ANSWER_BYTES: usize = 1024 * 1024;

/// The ECS agent's task protection endpoint.
///
/// # Contract
///
/// - `Ok` means that ECS has granted the request.
/// - No call retries by itself, and each ends within its own time limit.
/// - A request for protection while the task is protected moves the expiry.
/// - Futures may be dropped; the request may then have taken effect or not.
pub(crate) trait Agent: Send + Sync + 'static {
    /// Protects the task, or releases its protection.
    fn set(&self, request: ProtectionRequest) -> BoxFuture<'_, Result<ProtectionReport, AgentError>>;

    /// Reads the task's protection, without changing it.
    fn state(&self) -> BoxFuture<'_, Result<ProtectionReport, AgentError>>;
}

/// A request to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtectionRequest {
    /// Protection for this many minutes from now on, 1 to 2,880.
    Protect {
        /// The minutes.
        minutes: u32,
    },
    /// The end of the protection.
    Release,
}

impl fmt::Display for ProtectionRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protect { minutes } => write!(formatter, "protect for {minutes} min"),
            Self::Release => formatter.write_str("release"),
        }
    }
}

impl ProtectionRequest {
    /// A request for protection of at least this duration, as far as ECS grants it: it counts in minutes, up to 48 hours.
    pub(super) fn protect_for(lifetime: Duration) -> Self {
        let minutes = u32::try_from(lifetime.as_secs().div_ceil(60)).unwrap_or(u32::MAX);
        Self::Protect { minutes: minutes.clamp(1, 2_880) }
    }
}

/// The task's protection as ECS reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ProtectionReport {
    /// True while the task is protected: `ProtectionEnabled`.
    pub protection_enabled: bool,
}

/// The failure of a request to the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// `TASK_NOT_VALID`: the task belongs to no service, so nothing scales it in.
    #[error("the task belongs to no service: {0}")]
    Standalone(String),
    /// `DEPLOYMENT_BLOCKED`: a deployment waits for protected tasks, of which the service has more than it wants tasks.
    #[error("a deployment waits for protected tasks: {0}")]
    DeploymentBlocked(String),
    /// ECS refused for another reason.
    #[error("ecs refuses: {reason}: {detail}")]
    Refused {
        /// ECS's code, such as `AccessDeniedException`.
        reason: String,
        /// ECS's message.
        detail: String,
    },
    /// The address of the agent is not an HTTP URL.
    #[error("not an http url of the ecs agent: {0}")]
    Address(String),
    /// There was no answer, or an unreadable one.
    #[error("no usable answer from the ecs agent: {0}")]
    NoAnswer(String),
}

impl AgentError {
    fn of_failure(AgentFailure { reason, detail }: AgentFailure) -> Self {
        match reason.as_str() {
            "TASK_NOT_VALID" => Self::Standalone(detail),
            "DEPLOYMENT_BLOCKED" => Self::DeploymentBlocked(detail),
            _ => Self::Refused { reason, detail },
        }
    }

    /// True when the task role lacks the permission.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.starts_with("AccessDenied"))
    }
}

/// The request's body; the agent answers an unknown field with status 400.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProtectionBody {
    protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_minutes: Option<u32>,
}

impl From<ProtectionRequest> for ProtectionBody {
    fn from(request: ProtectionRequest) -> Self {
        let expires_in_minutes = match request {
            ProtectionRequest::Protect { minutes } => Some(minutes),
            ProtectionRequest::Release => None,
        };
        Self { protection_enabled: expires_in_minutes.is_some(), expires_in_minutes }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum AgentAnswer {
    Protection(ProtectionReport),
    Failure(AgentFailure),
    Error(AgentRefusal),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentFailure {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentRefusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Parses an answer; beside `error` stands a `requestID`.
fn parse(body: &[u8]) -> Option<AgentAnswer> {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    fields.retain(|name, value| name != "requestID" && !value.is_null());
    serde_json::from_value(fields.into()).ok()
}

/// The agent that ECS runs beside every task, over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpAgent {
    state: String,
}

impl HttpAgent {
    /// The agent at this URL, the value of `ECS_AGENT_URI`; sends nothing yet.
    pub(super) fn at(url: &str) -> Result<Self, AgentError> {
        Ok(Self::new(&http_address(url)?))
    }

    pub(crate) fn new(agent: &Url) -> Self {
        Self { state: below(agent, "/task-protection/v1/state") }
    }

    async fn request(&self, method: Method, body: String) -> Result<ProtectionReport, AgentError> {
        let answered = http_request(method, &self.state, body).await;
        let (status, body) = answered.map_err(|fault| AgentError::NoAnswer(message_with_causes(&*fault)))?;
        match parse(&body) {
            Some(AgentAnswer::Protection(protection)) if status.is_success() => Ok(protection),
            Some(AgentAnswer::Failure(failure)) => Err(AgentError::of_failure(failure)),
            Some(AgentAnswer::Error(AgentRefusal { code, message })) => {
                Err(AgentError::Refused { reason: code, detail: message })
            }
            _ => Err(AgentError::NoAnswer(format!("status {status}"))),
        }
    }
}

impl Agent for HttpAgent {
    fn set(&self, request: ProtectionRequest) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        async move {
            let body = serde_json::to_string(&ProtectionBody::from(request));
            self.request(Method::PUT, body.map_err(|error| AgentError::NoAnswer(error.to_string()))?).await
        }
        .boxed()
    }

    fn state(&self) -> BoxFuture<'_, Result<ProtectionReport, AgentError>> {
        self.request(Method::GET, String::new()).boxed()
    }
}

/// The failure of an HTTP request.
pub(super) type RequestError = Box<dyn Error + Send + Sync>;

/// Sends one request and reads the answer of any status, within the time limit.
pub(super) async fn http_request(
    method: Method,
    url: &str,
    body: String,
) -> Result<(StatusCode, Bytes), RequestError> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answered = async {
        // A client per request: requests are minutes apart, and an idle connection would be closed by then.
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await?;
        Ok((status, body.to_bytes()))
    };
    let late = |_| {
        let limit = humantime::format_duration(REQUEST_LIMIT);
        io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit}"))
    };
    tokio::time::timeout(REQUEST_LIMIT, answered).await.map_err(late)?
}

/// The address of an endpoint of the agent, which is an HTTP URL.
pub(super) fn http_address(url: &str) -> Result<Url, AgentError> {
    let parsed = Url::parse(url).ok().filter(|url| url.scheme() == "http" && url.has_host());
    parsed.ok_or_else(|| AgentError::Address(url.to_owned()))
}

/// A URL below one that the agent gave.
pub(super) fn below(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../tests/fuzz/ecs.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn body(request: ProtectionRequest) -> String {
        serde_json::to_string(&ProtectionBody::from(request)).unwrap()
    }

    #[test]
    fn a_request_has_exactly_the_agents_fields() {
        let minutes = |seconds| body(ProtectionRequest::protect_for(Duration::from_secs(seconds)));
        assert_eq!(minutes(600), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":10}"#);
        assert_eq!(minutes(1), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":1}"#);
        assert_eq!(minutes(61), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":2}"#);
        assert_eq!(minutes(u64::MAX), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":2880}"#);
        assert_eq!(body(ProtectionRequest::Release), r#"{"ProtectionEnabled":false}"#);
    }

    #[test]
    fn each_form_of_answer_is_parsed() {
        let done = r#"{"protection":{"ExpirationDate":"2026-01-01T00:00:00Z","ProtectionEnabled":true,"TaskArn":"arn"}}"#;
        assert!(
            matches!(parse(done.as_bytes()), Some(AgentAnswer::Protection(held)) if held.protection_enabled)
        );
        let failed = r#"{"failure":{"Arn":"arn","Reason":"DEPLOYMENT_BLOCKED","Detail":"later"}}"#;
        let Some(AgentAnswer::Failure(failure)) = parse(failed.as_bytes()) else { panic!("not a failure") };
        assert_eq!(AgentError::of_failure(failure), AgentError::DeploymentBlocked("later".to_owned()));
        let refused =
            r#"{"requestID":"1","error":{"Arn":"arn","Code":"AccessDeniedException","Message":"no"}}"#;
        assert!(
            matches!(parse(refused.as_bytes()), Some(AgentAnswer::Error(no)) if no.code == "AccessDeniedException")
        );
        assert!(parse(b"<html>").is_none() && parse(b"{}").is_none());
    }
}
