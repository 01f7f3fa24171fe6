//! What the server answers instead of a result: codes, words and status.

use axum::http::StatusCode;

use super::{asked::Protocol, xml::Namespace};
use crate::{
    queue::memory::{Code, Fault},
    sns,
};

/// A request that is refused, by the account or before the account is asked; displayed in SQS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The account refuses.
    #[error("{}", .0.message)]
    Fault(#[from] Fault),
    /// The topics refuse.
    #[error("{}", .0.message)]
    Topic(#[from] sns::memory::Fault),
    /// There is no such action.
    #[error("The action {0} is not valid for this endpoint.")]
    UnknownAction(String),
    /// The request names no action at all.
    #[error("The request must contain the parameter Action.")]
    NoAction,
    /// The queue's URL is not one.
    #[error("The address {0} is not valid for this endpoint.")]
    Address(String),
    /// The body is not what the protocol says.
    #[error("{0}")]
    Malformed(String),
    /// The body is larger than any request of SQS.
    #[error("The request must not be larger than {limit} bytes.")]
    TooLarge {
        /// The largest body that is read.
        limit: usize,
    },
}

/// Whom SQS blames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    Sender,
    Receiver,
}

impl Blame {
    /// The word of the query protocol and of `x-amzn-query-error`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sender => "Sender",
            Self::Receiver => "Receiver",
        }
    }
}

/// The names that the service model of SQS knows.
const MODEL: &str = "com.amazonaws.sqs#";
/// The names that the service model of SNS knows.
const SNS_MODEL: &str = "com.amazonaws.sns#";
/// The names that the framework below SQS knows, recorded against AWS.
const FRAMEWORK: &str = "com.amazon.coral.service#";

impl Refusal {
    /// A value that SQS does not take, in these words.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Fault::new(Code::InvalidParameterValue, message).into()
    }

    /// A queue that is not there.
    pub(super) fn no_queue() -> Self {
        Fault::new(Code::QueueDoesNotExist, "The specified queue does not exist.").into()
    }

    /// The JSON protocol's `__type`.
    pub(super) fn json_type(&self) -> String {
        let (namespace, shape) = match self {
            Self::Fault(fault) => (namespace(fault.code), fault.code.shape()),
            Self::Topic(fault) => (SNS_MODEL, fault.code.as_str()),
            Self::UnknownAction(_) | Self::NoAction => (FRAMEWORK, "UnknownOperationException"),
            Self::Address(_) => (MODEL, "InvalidAddress"),
            Self::Malformed(_) => (FRAMEWORK, "SerializationException"),
            Self::TooLarge { .. } => (FRAMEWORK, "RequestEntityTooLargeException"),
        };
        [namespace, shape].concat()
    }

    /// The code of the query protocol, which the SDKs show for both protocols.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.code.query(),
            Self::Topic(fault) => fault.code.as_str(),
            Self::UnknownAction(_) => "InvalidAction",
            Self::NoAction => "MissingAction",
            Self::Address(_) => "InvalidAddress",
            Self::Malformed(_) => "SerializationException",
            Self::TooLarge { .. } => "RequestEntityTooLarge",
        }
    }

    /// The HTTP status: 400 for whatever the sender did wrong in the JSON protocol, as the API reference says of
    /// every error, while the query protocol's codes have statuses of their own.
    pub(super) const fn status(&self, protocol: Protocol) -> StatusCode {
        match (self, protocol) {
            (Self::Fault(Fault { code: Code::InternalError, .. }), _) => StatusCode::INTERNAL_SERVER_ERROR,
            (Self::TooLarge { .. }, _) => StatusCode::PAYLOAD_TOO_LARGE,
            (
                Self::Address(_) | Self::Topic(sns::memory::Fault { code: sns::memory::Code::NotFound, .. }),
                _,
            ) => StatusCode::NOT_FOUND,
            (Self::Fault(fault), Protocol::Query) => query_status(fault.code),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whose refusal it is.
    pub(super) const fn namespace(&self) -> Namespace {
        match self {
            Self::Topic(_) => Namespace::Sns,
            _ => Namespace::Sqs,
        }
    }

    /// Whom SQS blames: the sender of everything but its own failures.
    pub(super) fn blame(&self) -> Blame {
        if self.status(Protocol::Json).is_server_error() { Blame::Receiver } else { Blame::Sender }
    }

    /// The words of the query protocol, which differ in one recorded case.
    pub(super) fn query_message(&self) -> String {
        match self {
            Self::Fault(Fault { code: Code::QueueDoesNotExist, .. }) => {
                "The specified queue does not exist for this wsdl version.".to_owned()
            }
            _ => self.to_string(),
        }
    }
}

const fn namespace(code: Code) -> &'static str {
    match code {
        Code::InternalError | Code::InvalidParameterValue | Code::MissingParameter => FRAMEWORK,
        _ => MODEL,
    }
}

const fn query_status(code: Code) -> StatusCode {
    match code {
        Code::OverLimit | Code::PurgeQueueInProgress => StatusCode::FORBIDDEN,
        Code::ReceiptHandleIsInvalid | Code::ResourceNotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code) -> Refusal {
        Fault::new(code, "why").into()
    }

    #[test]
    fn each_refusal_has_its_codes_and_its_status() {
        for (refusal, json_type, code, status) in [
            (
                refused(Code::QueueDoesNotExist),
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
                400,
            ),
            (
                refused(Code::PurgeQueueInProgress),
                "com.amazonaws.sqs#PurgeQueueInProgress",
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                403,
            ),
            (
                refused(Code::InvalidParameterValue),
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
                400,
            ),
            (
                refused(Code::ReceiptHandleIsInvalid),
                "com.amazonaws.sqs#ReceiptHandleIsInvalid",
                "ReceiptHandleIsInvalid",
                404,
            ),
            (
                Refusal::UnknownAction("Frobnicate".to_owned()),
                "com.amazon.coral.service#UnknownOperationException",
                "InvalidAction",
                400,
            ),
            (
                Refusal::TooLarge { limit: 1 },
                "com.amazon.coral.service#RequestEntityTooLargeException",
                "RequestEntityTooLarge",
                413,
            ),
        ] {
            assert_eq!(refusal.json_type(), json_type);
            let in_query = refusal.status(Protocol::Query).as_u16();
            assert_eq!((refusal.code(), in_query), (code, status), "{json_type}");
            let in_json = refusal.status(Protocol::Json).as_u16();
            assert_eq!(in_json, if status == 413 { 413 } else { 400 }, "{json_type}");
        }
    }

    #[test]
    fn only_our_own_failures_are_not_the_senders_fault() {
        assert_eq!(refused(Code::QueueDoesNotExist).blame(), Blame::Sender);
        assert_eq!(refused(Code::InternalError).blame(), Blame::Receiver);
    }

    #[test]
    fn the_query_protocol_has_its_own_words_for_a_missing_queue() {
        let refusal = refused(Code::QueueDoesNotExist);
        assert_eq!(refusal.to_string(), "why");
        assert!(refusal.query_message().ends_with("for this wsdl version."));
    }
}
