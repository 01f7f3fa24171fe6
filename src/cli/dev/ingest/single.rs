//! The routes that send one message: the body of a POST, or a parameter of the query.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    IngestTarget,
    error::IngestError,
    sending::{self, trace_header},
};
use crate::{
    md5,
    message::{AttributeValue, OutgoingMessage},
};

/// The headers that become message attributes, with the names of the attributes.
const ATTRIBUTE_HEADERS: [(&str, &str); 3] =
    [("traceparent", "traceparent"), ("tracestate", "tracestate"), ("x-request-id", "requestId")];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendResponse {
    message_id: String,
    md5_of_body: String,
}

/// `POST /v1/messages`.
pub(super) async fn send(
    target: IngestTarget,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<SendResponse>), IngestError> {
    let mut message = of_headers(&headers)?;
    message.body = text(body)?;
    let md5_of_body = md5::of_body(&message.body);
    let message_id = sending::send_one(&target, message).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(SendResponse { message_id, md5_of_body })))
}

/// The body as text; an empty one is `{}`, as in API Gateway's templates (recorded against AWS).
fn text(body: Result<Bytes, BytesRejection>) -> Result<String, IngestError> {
    let body = read_body(body)?;
    if body.is_empty() {
        return Ok("{}".to_owned());
    }
    String::from_utf8(body.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        IngestError::bad("NotUtf8", format!("the body is not utf-8: byte {at} starts no character"))
            .with_hint("encode binary data as base64")
    })
}

/// The body, or the error of reading it.
pub(super) fn read_body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, IngestError> {
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            IngestError::request_too_large()
        } else {
            IngestError::bad("UnreadableBody", "the request's body could not be read to its end")
        }
    })
}

/// A message without a body, of the request's headers.
fn of_headers(headers: &HeaderMap) -> Result<OutgoingMessage, IngestError> {
    let mut message = OutgoingMessage {
        delay: header(headers, "x-message-delay-seconds")?.as_deref().map(delay).transpose()?,
        group_id: header(headers, "x-message-group-id")?,
        deduplication_id: header(headers, "x-message-deduplication-id")?,
        trace_header: Some(trace_header(headers)),
        ..OutgoingMessage::default()
    };
    for (name, attribute) in ATTRIBUTE_HEADERS {
        if let Some(value) = header(headers, name)? {
            message.attributes.insert(attribute.to_owned(), AttributeValue::string(value));
        }
    }
    Ok(message)
}

fn delay(text: &str) -> Result<Duration, IngestError> {
    text.parse().map(Duration::from_secs).map_err(|_| {
        IngestError::bad("InvalidHeader", format!("x-message-delay-seconds is not a number: {text}"))
            .with_hint("use whole seconds from 0 to 900")
    })
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<String>, IngestError> {
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = str::from_utf8(value.as_bytes());
    text.map(|text| Some(text.to_owned()))
        .map_err(|_| IngestError::bad("InvalidHeader", format!("the header {name} is not utf-8")))
}

#[derive(Serialize)]
pub(super) struct DoneResponse {
    done: bool,
}

/// `GET /queue?message=…`
pub(super) async fn send_by_queue_route(
    target: IngestTarget,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<DoneResponse>, IngestError> {
    let body = parameter(query.as_deref(), "message")?;
    sending::send_one(&target, message(body, &headers)).await?;
    Ok(Json(DoneResponse { done: true }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SqsSendResponse {
    send_message_response: SqsSendMessageResponse,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsSendMessageResponse {
    response_metadata: SqsResponseMetadata,
    send_message_result: SqsSendMessageResult,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsResponseMetadata {
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsSendMessageResult {
    #[serde(rename = "MD5OfMessageAttributes")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    message_id: String,
    sequence_number: Option<String>,
}

/// `GET /v1/send?MessageBody=…`
pub(super) async fn send_by_query(
    target: IngestTarget,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<SqsSendResponse>, IngestError> {
    let body = parameter(query.as_deref(), "MessageBody")?;
    let md5_of_message_body = md5::of_body(&body);
    let message_id = sending::send_one(&target, message(body, &headers)).await?.to_string();
    Ok(Json(SqsSendResponse {
        send_message_response: SqsSendMessageResponse {
            response_metadata: SqsResponseMetadata { request_id: Uuid::new_v4().to_string() },
            send_message_result: SqsSendMessageResult {
                md5_of_message_attributes: None,
                md5_of_message_body,
                message_id,
                sequence_number: None,
            },
        },
    }))
}

fn message(body: String, headers: &HeaderMap) -> OutgoingMessage {
    OutgoingMessage { trace_header: Some(trace_header(headers)), ..OutgoingMessage::new(body) }
}

fn parameter(query: Option<&str>, name: &str) -> Result<String, IngestError> {
    let value = query.and_then(|query| query_parameter(query, name));
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(IngestError::bad("MissingParameter", format!("the query has no {name}"))
            .with_hint("give the message in the query, percent-encoded"));
    };
    String::from_utf8(value)
        .map_err(|_| IngestError::bad("NotUtf8", format!("the query's {name} is not utf-8 once decoded")))
}

/// The last value of a parameter, decoded to bytes as API Gateway does: `+` is a space, `%` and two digits a byte.
///
/// Unlike the usual decoders it does not replace invalid UTF-8, so that the caller can refuse it.
fn query_parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.rev().find(|(key, _)| decode(key) == name.as_bytes()).map(|(_, value)| decode(value))
}

/// Decodes a key or value; a `%` without two hexadecimal digits is literal.
fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', &[high, low, ref after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(digit(high) << 4 | digit(low));
                rest = after;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => hex.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded::byte_serialize;

    use super::*;

    fn text(query: &str) -> Option<String> {
        query_parameter(query, "message").map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_plus_is_a_space_and_a_percent_a_byte() {
        assert_eq!(text("message=a+b%2Bc%26d%20%25").unwrap(), "a b+c&d %");
        assert_eq!(text("other=1&message=%F0%9F%9A%A2").unwrap(), "🚢");
        assert_eq!(text("%6Dessage=named").unwrap(), "named");
    }

    #[test]
    fn the_last_of_several_values_counts() {
        assert_eq!(text("message=first&message=last").unwrap(), "last");
    }

    #[test]
    fn a_missing_parameter_is_not_an_empty_one() {
        assert_eq!(text("messages=1&essage=2"), None);
        assert_eq!(text("message").unwrap(), "");
    }

    #[test]
    fn a_percent_that_starts_no_byte_stands_for_itself() {
        assert_eq!(text("message=100%&x=1").unwrap(), "100%");
        assert_eq!(text("message=%zz%4").unwrap(), "%zz%4");
    }

    proptest! {
        #[test]
        fn an_encoded_value_reads_back_the_same(bytes: Vec<u8>) {
            let query = format!("message={}", byte_serialize(&bytes).collect::<String>());
            prop_assert_eq!(query_parameter(&query, "message"), Some(bytes));
        }

        #[test]
        fn no_query_panics(query in ".*") {
            query_parameter(&query, "message");
        }
    }
}
