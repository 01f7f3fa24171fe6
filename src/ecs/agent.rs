//! The agent's protocol: a task's protection from scale-in (protocols of ECS, `task-protection/v1`).

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use hyper::Method;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{http::call, surroundings::below};
use crate::error_chain::message_with_causes;

/// The agent of ECS, or something that keeps its promises.
///
/// # Contract
///
/// - `Ok` means that ECS has done as it was asked.
/// - No call retries by itself, and none waits for ever.
/// - Asking for a protection that is there already moves its expiry.
/// - Futures may be dropped; the wish may then be fulfilled or not.
pub trait Agent: Send + Sync + 'static {
    /// Protects the task, or ends its protection.
    fn set(&self, wish: Wish) -> BoxFuture<'_, Result<Protection, AgentError>>;

    /// Asks whether the task is protected, which changes nothing.
    fn state(&self) -> BoxFuture<'_, Result<Protection, AgentError>>;
}

/// What is asked of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Protection for so many minutes from now on, 1 to 2,880.
    Protect {
        /// The minutes.
        minutes: u32,
    },
    /// No protection any more.
    Release,
}

impl Wish {
    /// Protection for this long; ECS counts in minutes.
    pub(super) fn protect_for(expiry: Duration) -> Self {
        let minutes = u32::try_from(expiry.as_secs() / 60).unwrap_or(u32::MAX);
        Self::Protect { minutes: minutes.clamp(1, 2_880) }
    }
}

/// Whether a task is protected, as ECS says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Protection {
    /// `ProtectionEnabled`.
    pub protection_enabled: bool,
}

/// Why the agent has not done as it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// `TASK_NOT_VALID`: the task belongs to no service, so nothing scales it in.
    #[error("the task belongs to no service: {0}")]
    Standalone(String),
    /// `DEPLOYMENT_BLOCKED`: protected tasks keep a deployment from ending, and ECS protects no more of them.
    #[error("a deployment waits for protected tasks: {0}")]
    DeploymentBlocked(String),
    /// ECS refuses for another reason.
    #[error("ecs refuses: {reason}: {detail}")]
    Refused {
        /// ECS's code, such as `AccessDeniedException`.
        reason: String,
        /// Its words.
        detail: String,
    },
    /// There was no answer, or none that can be read.
    #[error("no usable answer from the ecs agent: {0}")]
    Broken(String),
}

impl AgentError {
    fn of_failure(Failure { reason, detail }: Failure) -> Self {
        match reason.as_str() {
            "TASK_NOT_VALID" => Self::Standalone(detail),
            "DEPLOYMENT_BLOCKED" => Self::DeploymentBlocked(detail),
            _ => Self::Refused { reason, detail },
        }
    }

    /// Whether the task role lacks the permission.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.starts_with("AccessDenied"))
    }
}

/// The request; a field more is a 400.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ask {
    protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_minutes: Option<u32>,
}

impl From<Wish> for Ask {
    fn from(wish: Wish) -> Self {
        let expires_in_minutes = match wish {
            Wish::Protect { minutes } => Some(minutes),
            Wish::Release => None,
        };
        Self { protection_enabled: expires_in_minutes.is_some(), expires_in_minutes }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Protection(Protection),
    Failure(Failure),
    Error(Refusal),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an answer; a `requestID` stands beside an `error`.
fn read(body: &[u8]) -> Option<Answer> {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    fields.retain(|name, value| name != "requestID" && !value.is_null());
    serde_json::from_value(fields.into()).ok()
}

/// The agent that ECS runs beside every task.
#[derive(Clone, Debug)]
pub struct HttpAgent {
    state: String,
}

impl HttpAgent {
    /// The agent at `ECS_AGENT_URI`; nothing is reached yet.
    pub fn new(agent: &Url) -> Self {
        Self { state: below(agent, "/task-protection/v1/state") }
    }

    async fn ask(&self, method: Method, body: String) -> Result<Protection, AgentError> {
        let answered = call(method, &self.state, body).await;
        let (status, body) = answered.map_err(|fault| AgentError::Broken(message_with_causes(&*fault)))?;
        match read(&body) {
            Some(Answer::Protection(protection)) if status.is_success() => Ok(protection),
            Some(Answer::Failure(failure)) => Err(AgentError::of_failure(failure)),
            Some(Answer::Error(Refusal { code, message })) => {
                Err(AgentError::Refused { reason: code, detail: message })
            }
            _ => Err(AgentError::Broken(format!("status {status}"))),
        }
    }
}

impl Agent for HttpAgent {
    fn set(&self, wish: Wish) -> BoxFuture<'_, Result<Protection, AgentError>> {
        async move {
            let body = serde_json::to_string(&Ask::from(wish));
            self.ask(Method::PUT, body.map_err(|error| AgentError::Broken(error.to_string()))?).await
        }
        .boxed()
    }

    fn state(&self) -> BoxFuture<'_, Result<Protection, AgentError>> {
        self.ask(Method::GET, String::new()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(wish: Wish) -> String {
        serde_json::to_string(&Ask::from(wish)).unwrap()
    }

    #[test]
    fn a_wish_has_exactly_the_agents_fields() {
        let minutes = |seconds| asked(Wish::protect_for(Duration::from_secs(seconds)));
        assert_eq!(minutes(600), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":10}"#);
        assert_eq!(minutes(1), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":1}"#);
        assert_eq!(minutes(u64::MAX), r#"{"ProtectionEnabled":true,"ExpiresInMinutes":2880}"#);
        assert_eq!(asked(Wish::Release), r#"{"ProtectionEnabled":false}"#);
    }

    #[test]
    fn each_form_of_answer_is_read() {
        let done = r#"{"protection":{"ExpirationDate":"2026-01-01T00:00:00Z","ProtectionEnabled":true,"TaskArn":"arn"}}"#;
        assert!(matches!(read(done.as_bytes()), Some(Answer::Protection(held)) if held.protection_enabled));
        let failed = r#"{"failure":{"Arn":"arn","Reason":"DEPLOYMENT_BLOCKED","Detail":"later"}}"#;
        let Some(Answer::Failure(failure)) = read(failed.as_bytes()) else { panic!("not a failure") };
        assert_eq!(AgentError::of_failure(failure), AgentError::DeploymentBlocked("later".to_owned()));
        let refused =
            r#"{"requestID":"1","error":{"Arn":"arn","Code":"AccessDeniedException","Message":"no"}}"#;
        assert!(
            matches!(read(refused.as_bytes()), Some(Answer::Error(no)) if no.code == "AccessDeniedException")
        );
        assert!(read(b"<html>").is_none() && read(b"{}").is_none());
    }
}
