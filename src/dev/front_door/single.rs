//! `POST /v1/messages`: the request's body as one message.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;

use super::{Door, Refusal, sending, traced::trace_header};
use crate::{
    message::{AttributeValue, OutgoingMessage},
    queue::md5,
};

/// The headers that become message attributes, with the attributes' names.
const ATTRIBUTE_HEADERS: [(&str, &str); 3] =
    [("traceparent", "traceparent"), ("tracestate", "tracestate"), ("x-request-id", "requestId")];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sent {
    message_id: String,
    md5_of_body: String,
}

pub(super) async fn send(
    State(queue): State<Door>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Sent>), Refusal> {
    let mut message = of_headers(&headers)?;
    message.body = text(body)?;
    let md5_of_body = md5::of_body(&message.body);
    let message_id = sending::send_one(&queue, message).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(Sent { message_id, md5_of_body })))
}

/// The body as text; an empty one is `{}`, as which API Gateway's templates see it (recorded against AWS).
fn text(body: Result<Bytes, BytesRejection>) -> Result<String, Refusal> {
    let body = whole(body)?;
    if body.is_empty() {
        return Ok("{}".to_owned());
    }
    String::from_utf8(body.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Refusal::bad("NotUtf8", format!("the body is not utf-8: byte {at} starts no character"))
            .with_hint("encode binary data as base64")
    })
}

/// The whole body, or why it could not be read.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Refusal::too_large("the request is too large")
        } else {
            Refusal::bad("UnreadableBody", "the request's body could not be read to its end")
        }
    })
}

/// A message without a body, with what the headers say of it.
fn of_headers(headers: &HeaderMap) -> Result<OutgoingMessage, Refusal> {
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

fn delay(text: &str) -> Result<Duration, Refusal> {
    text.parse().map(Duration::from_secs).map_err(|_| {
        Refusal::bad("InvalidHeader", format!("x-message-delay-seconds is not a number: {text:?}"))
            .with_hint("use whole seconds from 0 to 900")
    })
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let text = str::from_utf8(value.as_bytes());
    text.map(|text| Some(text.to_owned()))
        .map_err(|_| Refusal::bad("InvalidHeader", format!("the header {name} is not utf-8")))
}
