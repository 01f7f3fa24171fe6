//! The error of a request: its codes, message and HTTP status in both protocols.

use axum::http::StatusCode;
use longshore_listener::ForeignRequest;

use super::{request::WireProtocol, xml::XmlNamespace};
use crate::{
    sns::{SnsApiError, SnsErrorCode},
    sqs::{SqsApiError, SqsErrorCode},
};

/// The error of a request, of the account or of the server; `Display` is the message of SQS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    /// An error of SQS.
    #[error("{}", .0.message)]
    Sqs(#[from] SqsApiError),
    /// An error of SNS.
    #[error("{}", .0.message)]
    Sns(#[from] SnsApiError),
    /// There is no such action.
    #[error("The action {0} is not valid for this endpoint.")]
    UnknownAction(String),
    /// The request names no action.
    #[error("The request must contain the parameter Action.")]
    NoAction,
    /// The URL is not that of a queue.
    #[error("The address {0} is not valid for this endpoint.")]
    Address(String),
    /// The body does not follow the protocol.
    #[error("{0}")]
    Malformed(String),
    /// The body is larger than any request of SQS.
    #[error("The request must not be larger than {limit} bytes.")]
    TooLarge {
        /// The largest body that is read.
        limit: usize,
    },
    /// The data directory cannot be written, so that a restart would not know of the call.
    #[error("{0}, hint: free space for the data directory and call again")]
    NotWritten(String),
    /// A web page of another origin may have sent the request.
    #[error("Refused, because {0}. Allow a host name with --allow-host or EmulatorBuilder::allow_host.")]
    Foreign(#[from] ForeignRequest),
}

/// The party at fault, as the query protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorType {
    Sender,
    Receiver,
}

impl ErrorType {
    /// The value in the query protocol and in `x-amzn-query-error`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sender => "Sender",
            Self::Receiver => "Receiver",
        }
    }
}

/// The namespace of the service model of SQS.
const MODEL: &str = "com.amazonaws.sqs#";
/// The namespace of the service model of SNS.
const SNS_MODEL: &str = "com.amazonaws.sns#";
/// The namespace of AWS's service framework (recorded against AWS).
const FRAMEWORK: &str = "com.amazon.coral.service#";

impl RequestError {
    /// `InvalidParameterValue` with a message.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        SqsApiError::new(SqsErrorCode::InvalidParameterValue, message).into()
    }

    /// The error for a missing queue.
    pub(super) fn no_queue() -> Self {
        SqsApiError::new(SqsErrorCode::QueueDoesNotExist, "The specified queue does not exist.").into()
    }

    /// The JSON protocol's `__type`.
    pub(super) fn json_type(&self) -> String {
        let (namespace, shape) = match self {
            Self::Sqs(error) => (namespace(error.code), error.code.shape()),
            Self::Sns(error) => (SNS_MODEL, error.code.as_str()),
            Self::UnknownAction(_) | Self::NoAction => (FRAMEWORK, "UnknownOperationException"),
            Self::Address(_) => (MODEL, "InvalidAddress"),
            Self::Malformed(_) => (FRAMEWORK, "SerializationException"),
            Self::TooLarge { .. } => (FRAMEWORK, "RequestEntityTooLargeException"),
            Self::NotWritten(_) => (FRAMEWORK, "InternalFailure"),
            Self::Foreign(_) => (FRAMEWORK, "AccessDeniedException"),
        };
        [namespace, shape].concat()
    }

    /// The code of the query protocol, which the SDKs show for both protocols.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Sqs(error) => error.code.query(),
            Self::Sns(error) => error.code.as_str(),
            Self::UnknownAction(_) => "InvalidAction",
            Self::NoAction => "MissingAction",
            Self::Address(_) => "InvalidAddress",
            Self::Malformed(_) => "SerializationException",
            Self::TooLarge { .. } => "RequestEntityTooLarge",
            Self::NotWritten(_) => "InternalFailure",
            Self::Foreign(_) => "AccessDenied",
        }
    }

    /// The HTTP status: 400 for most errors of the sender in the JSON protocol; the codes of the query protocol have
    /// statuses of their own.
    pub(super) const fn status(&self, protocol: WireProtocol) -> StatusCode {
        match (self, protocol) {
            (Self::NotWritten(_) | Self::Sqs(SqsApiError { code: SqsErrorCode::InternalError, .. }), _) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            (Self::TooLarge { .. }, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Self::Foreign(_), _) => StatusCode::FORBIDDEN,
            (Self::Address(_) | Self::Sns(SnsApiError { code: SnsErrorCode::NotFound, .. }), _) => {
                StatusCode::NOT_FOUND
            }
            (Self::Sns(SnsApiError { code: SnsErrorCode::Throttled, .. }), _) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            // Recorded against AWS.
            (Self::Sqs(SqsApiError { code: SqsErrorCode::ResourceNotFound, .. }), _)
            | (Self::NoAction, WireProtocol::Query | WireProtocol::QueryJson) => StatusCode::NOT_FOUND,
            (Self::Sqs(SqsApiError { code: SqsErrorCode::PurgeQueueInProgress, .. }), _) => {
                StatusCode::FORBIDDEN
            }
            (Self::Sqs(error), WireProtocol::Query | WireProtocol::QueryJson) => query_status(error.code),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The XML namespace of the service.
    pub(super) const fn namespace(&self) -> XmlNamespace {
        match self {
            Self::Sns(_) => XmlNamespace::Sns,
            _ => XmlNamespace::Sqs,
        }
    }

    /// The party at fault: the sender, except for failures of the server.
    pub(super) fn error_type(&self) -> ErrorType {
        if self.status(WireProtocol::Json).is_server_error() {
            ErrorType::Receiver
        } else {
            ErrorType::Sender
        }
    }

    /// The message in the query protocol, which differs in one recorded case.
    pub(super) fn query_message(&self) -> String {
        match self {
            Self::Sqs(SqsApiError { code: SqsErrorCode::QueueDoesNotExist, .. }) => {
                "The specified queue does not exist for this wsdl version.".to_owned()
            }
            _ => self.to_string(),
        }
    }
}

const fn namespace(code: SqsErrorCode) -> &'static str {
    match code {
        SqsErrorCode::InternalError
        | SqsErrorCode::InvalidParameterValue
        | SqsErrorCode::MissingParameter => FRAMEWORK,
        _ => MODEL,
    }
}

const fn query_status(code: SqsErrorCode) -> StatusCode {
    match code {
        SqsErrorCode::OverLimit => StatusCode::FORBIDDEN,
        SqsErrorCode::ReceiptHandleIsInvalid => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: SqsErrorCode) -> RequestError {
        SqsApiError::new(code, "why").into()
    }

    #[test]
    fn each_error_has_its_codes_and_its_status() {
        for (error, json_type, code, status) in [
            (
                failed(SqsErrorCode::QueueDoesNotExist),
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
                400,
            ),
            (
                failed(SqsErrorCode::PurgeQueueInProgress),
                "com.amazonaws.sqs#PurgeQueueInProgress",
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                403,
            ),
            (
                failed(SqsErrorCode::InvalidParameterValue),
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
                400,
            ),
            (
                failed(SqsErrorCode::ReceiptHandleIsInvalid),
                "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                "ReceiptHandleIsInvalid",
                404,
            ),
            (
                RequestError::UnknownAction("Frobnicate".to_owned()),
                "com.amazon.coral.service#UnknownOperationException",
                "InvalidAction",
                400,
            ),
            (
                RequestError::TooLarge { limit: 1 },
                "com.amazon.coral.service#RequestEntityTooLargeException",
                "RequestEntityTooLarge",
                413,
            ),
        ] {
            assert_eq!(error.json_type(), json_type);
            let in_query = error.status(WireProtocol::Query).as_u16();
            assert_eq!((error.code(), in_query), (code, status), "{json_type}");
            let in_json = error.status(WireProtocol::Json).as_u16();
            assert_eq!(in_json, if status == 404 { 400 } else { status }, "{json_type}");
        }
    }

    #[test]
    fn only_failures_of_the_server_are_not_the_senders_fault() {
        assert_eq!(failed(SqsErrorCode::QueueDoesNotExist).error_type(), ErrorType::Sender);
        assert_eq!(failed(SqsErrorCode::InternalError).error_type(), ErrorType::Receiver);
    }

    #[test]
    fn the_query_protocol_has_its_own_message_for_a_missing_queue() {
        let error = failed(SqsErrorCode::QueueDoesNotExist);
        assert_eq!(error.to_string(), "why");
        assert!(error.query_message().ends_with("for this wsdl version."));
    }
}
