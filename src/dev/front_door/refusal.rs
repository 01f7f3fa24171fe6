//! The one shape of every error that the front door answers.

use std::time::SystemTime;

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;

use crate::queue::{EntryError, QueueError, RetryClass};

/// How many seconds a client is asked to wait before it tries a failing queue again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The codes by which SQS blames the message that it was sent.
const SENDER_CODES: [&str; 6] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidAttributeValue",
    "MissingParameter",
    "InvalidParameterCombination",
    "UnsupportedOperation",
];

/// A request, or an entry of one, that was not sent; `{"error": {"code", "message", "hint"?}}` to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    hint: Option<&'static str>,
    allow: Option<HeaderValue>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl Refusal {
    fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), hint: None, allow: None }
    }

    /// A request that cannot be sent as it is.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// More than a message, a batch or a request may hold.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", message)
            .with_hint("a message, or a batch of them, holds at most 1 MiB, attributes included")
    }

    /// The whole answer to a URL or headers too large for the server, as it goes over the wire.
    pub(super) fn head_too_large() -> Bytes {
        let refusal =
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "the URL or the headers are too large")
                .with_hint("a URL holds at most 64 KiB; send larger messages with POST /v1/messages");
        let (status, body) = (refusal.status, serde_json::to_string(&refusal.body()).unwrap_or_default());
        let (date, length) = (httpdate::fmt_http_date(SystemTime::now()), body.len());
        Bytes::from(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\ndate: {date}\r\n\r\n{body}"
        ))
    }

    pub(super) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UnknownPath", "there is nothing at this path")
            .with_hint("send messages with POST /v1/messages or POST /v1/messages/batch")
    }

    pub(super) fn wrong_method(allowed: &Method) -> Self {
        let message = format!("this path takes {allowed} only");
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "WrongMethod", message);
        Self { allow: HeaderValue::from_str(allowed.as_str()).ok(), ..refusal }
    }

    /// Says what to do about it.
    pub(super) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Whether the sender has to change something, rather than wait.
    pub(super) fn is_senders_fault(&self) -> bool {
        self.status.is_client_error()
    }

    fn body(&self) -> Body<'_> {
        Body { error: Error { code: &self.code, message: &self.message, hint: self.hint } }
    }

    fn failing(retry_class: RetryClass, code: String, message: String) -> Self {
        let status = match retry_class {
            RetryClass::Transient => StatusCode::SERVICE_UNAVAILABLE,
            RetryClass::Refused | RetryClass::LeaseLost => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, code, message)
    }

    fn answered(retry_class: RetryClass, code: &str, message: &str) -> Self {
        let short = code.rsplit(['.', '#']).next().unwrap_or(code);
        match short {
            "BatchRequestTooLong" => Self::too_large(message),
            _ if SENDER_CODES.contains(&short) && retry_class == RetryClass::Refused => {
                Self::new(StatusCode::BAD_REQUEST, short, message)
            }
            _ => Self::failing(retry_class, short.to_owned(), message.to_owned()),
        }
    }

    /// A queue that broke its contract by not answering for an entry.
    pub(super) fn no_answer() -> Self {
        Self::failing(
            RetryClass::Refused,
            "NoAnswer".to_owned(),
            "the queue did not answer for it".to_owned(),
        )
    }
}

/// What the queue said of the whole call; an error without an answer keeps its details to our side.
impl From<&QueueError> for Refusal {
    fn from(error: &QueueError) -> Self {
        match error.code() {
            Some(code) => {
                let words = error.to_string();
                let message = words.strip_prefix(code).and_then(|rest| rest.strip_prefix(": "));
                Self::answered(error.retry_class(), code, message.unwrap_or(&words))
            }
            None => Self::failing(
                error.retry_class(),
                "QueueUnavailable".to_owned(),
                "the queue could not be reached".to_owned(),
            ),
        }
    }
}

/// What the queue said of one entry.
impl From<&EntryError> for Refusal {
    fn from(error: &EntryError) -> Self {
        Self::answered(error.retry_class, &error.code, &error.message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(allow) = self.allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        if self.status.is_server_error() {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queues_failure_is_blamed_on_whom_it_belongs_to() {
        for (error, status) in [
            (QueueError::answered("InvalidMessageContents", "no"), StatusCode::BAD_REQUEST),
            (
                QueueError::answered("AWS.SimpleQueueService.BatchRequestTooLong", "no"),
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            (QueueError::answered("RequestThrottled", "slow"), StatusCode::SERVICE_UNAVAILABLE),
            (QueueError::answered("AccessDenied", "no"), StatusCode::BAD_GATEWAY),
            (QueueError::answered("AWS.SimpleQueueService.NonExistentQueue", "no"), StatusCode::BAD_GATEWAY),
            (QueueError::new(RetryClass::Transient, "connection refused"), StatusCode::SERVICE_UNAVAILABLE),
        ] {
            assert_eq!(Refusal::from(&error).status, status, "{error}");
        }
    }

    #[test]
    fn a_code_loses_its_prefix_and_its_repetition() {
        let error = QueueError::answered("AWS.SimpleQueueService.NonExistentQueue", "it is not there");
        let refusal = Refusal::from(&error);
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("NonExistentQueue", "it is not there")
        );
    }
}
