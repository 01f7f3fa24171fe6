//! The errors of the ingest API and their one JSON form.

use std::time::SystemTime;

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use longshore_listener::ForeignRequest;
use serde::Serialize;

use crate::{
    payload::{ObjectError, OffloadError},
    queue::{EntryError, QueueError, RetryClass},
};

/// The seconds after which a client should try a failing queue again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The codes of SQS for an error in the message.
const SENDER_CODES: [&str; 6] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidAttributeValue",
    "MissingParameter",
    "InvalidParameterCombination",
    "UnsupportedOperation",
];

/// The error of a request or of an entry that was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IngestError {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    hint: Option<&'static str>,
    allow: Option<HeaderValue>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl IngestError {
    fn new(status: StatusCode, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), hint: None, allow: None }
    }

    /// A request that cannot be sent as it is.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A message or a batch that is too large.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", message).with_hint(
            "a message, or a batch of them, holds at most 1 MiB, attributes included; a queue's payload.bucket takes \
             larger bodies",
        )
    }

    /// A request that is too large.
    pub(super) fn request_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "the request is too large")
            .with_hint("a request holds at most 10 MiB, as with API Gateway")
    }

    /// The complete HTTP response to a URL or headers that are too large for the server.
    pub(super) fn head_too_large() -> Bytes {
        let error =
            Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "the URL or the headers are too large")
                .with_hint("a URL holds at most 64 KiB; send larger messages with POST /v1/messages");
        let (status, body) = (error.status, serde_json::to_string(&error.body()).unwrap_or_default());
        let (date, length) = (httpdate::fmt_http_date(SystemTime::now()), body.len());
        Bytes::from(format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\ndate: {date}\r\n\r\n{body}"
        ))
    }

    /// A request that a foreign web page may have sent.
    pub(super) fn foreign(request: &ForeignRequest) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ForeignRequest", request.to_string())
            .with_hint("allow a host name by which clients reach the ingest API with --allow-host")
    }

    pub(super) fn unknown_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UnknownPath", "there is nothing at this path")
            .with_hint("send messages with POST /v1/messages or POST /v1/messages/batch")
    }

    /// A path that names no queue of `dev`.
    pub(super) fn unknown_queue(name: &str, names: &[&str]) -> Self {
        let message = format!("there is no queue {name:?}; there are: {}", names.join(", "));
        Self::new(StatusCode::NOT_FOUND, "UnknownQueue", message)
            .with_hint("use a name of a queue in longshore.toml, as longshore dev shows them at its start")
    }

    pub(super) fn wrong_method(allowed: &Method) -> Self {
        let message = format!("this path takes {allowed} only");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "WrongMethod", message);
        Self { allow: HeaderValue::from_str(allowed.as_str()).ok(), ..error }
    }

    /// Adds a hint.
    pub(super) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// True if the sender has to change something rather than wait.
    pub(super) fn is_sender_fault(&self) -> bool {
        self.status.is_client_error()
    }

    fn body(&self) -> ErrorBody<'_> {
        ErrorBody { error: ErrorFields { code: &self.code, message: &self.message, hint: self.hint } }
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

    /// An entry without a result, by which a queue breaks its contract.
    pub(super) fn no_answer() -> Self {
        Self::failing(
            RetryClass::Refused,
            "NoAnswer".to_owned(),
            "the queue did not answer for it".to_owned(),
        )
    }
}

/// The error of a whole call; the client does not get the details of an error without a response of SQS.
impl From<&QueueError> for IngestError {
    fn from(error: &QueueError) -> Self {
        match error.code() {
            Some(code) => {
                let text = error.to_string();
                let message = text.strip_prefix(code).and_then(|rest| rest.strip_prefix(": "));
                Self::answered(error.retry_class(), code, message.unwrap_or(&text))
            }
            None => Self::failing(
                error.retry_class(),
                "QueueUnavailable".to_owned(),
                "the queue could not be reached".to_owned(),
            ),
        }
    }
}

/// The error of storing bodies; the client does not get the details of what S3 said.
impl From<&OffloadError> for IngestError {
    fn from(error: &OffloadError) -> Self {
        let not_stored = |retry_class| {
            let message = "the bodies that are too large for sqs could not be stored".to_owned();
            Self::failing(retry_class, "PayloadNotStored".to_owned(), message)
        };
        match error {
            OffloadError::NoRoom(reason) => Self::too_large(reason.clone()),
            OffloadError::NotStored(ObjectError::Transient(_)) => not_stored(RetryClass::Transient),
            OffloadError::NotStored(_) => not_stored(RetryClass::Refused),
        }
    }
}

/// The error of one entry.
impl From<&EntryError> for IngestError {
    fn from(error: &EntryError) -> Self {
        Self::answered(error.retry_class, &error.code, &error.message)
    }
}

impl IntoResponse for IngestError {
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
    fn the_status_of_a_queues_error_shows_the_party_at_fault() {
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
            assert_eq!(IngestError::from(&error).status, status, "{error}");
        }
    }

    #[test]
    fn a_code_loses_its_prefix_and_its_repetition() {
        let error = QueueError::answered("AWS.SimpleQueueService.NonExistentQueue", "it is not there");
        let error = IngestError::from(&error);
        assert_eq!((error.code.as_str(), error.message.as_str()), ("NonExistentQueue", "it is not there"));
    }
}
