//! The two older shapes, in which the message is a parameter of the query.
//!
//! A URL beyond 64 KiB is a 413 before it gets here; API Gateway takes 10 KiB.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use serde::Serialize;
use uuid::Uuid;

use super::{Door, Refusal, query, sending, traced::trace_header};
use crate::{message::OutgoingMessage, queue::md5};

#[derive(Serialize)]
pub(super) struct Done {
    done: bool,
}

/// `GET /queue?message=…`
pub(super) async fn queue(
    State(queue): State<Door>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Done>, Refusal> {
    let body = parameter(query.as_deref(), "message")?;
    sending::send_one(&queue, message(body, &headers)).await?;
    Ok(Json(Done { done: true }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
    send_message_response: SendMessageResponse,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageResponse {
    response_metadata: ResponseMetadata,
    send_message_result: SendMessageResult,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResponseMetadata {
    request_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageResult {
    #[serde(rename = "MD5OfMessageAttributes")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    message_id: String,
    sequence_number: Option<String>,
}

/// `GET /v1/send?MessageBody=…`
pub(super) async fn send(
    State(queue): State<Door>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    let body = parameter(query.as_deref(), "MessageBody")?;
    let md5_of_message_body = md5::of_body(&body);
    let message_id = sending::send_one(&queue, message(body, &headers)).await?.to_string();
    Ok(Json(Answer {
        send_message_response: SendMessageResponse {
            response_metadata: ResponseMetadata { request_id: Uuid::new_v4().to_string() },
            send_message_result: SendMessageResult {
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

fn parameter(query: Option<&str>, name: &str) -> Result<String, Refusal> {
    let value = query.and_then(|query| query::parameter(query, name));
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Err(Refusal::bad("MissingParameter", format!("the query has no {name}"))
            .with_hint("give the message in the query, percent-encoded"));
    };
    String::from_utf8(value)
        .map_err(|_| Refusal::bad("NotUtf8", format!("the query's {name} is not utf-8 once decoded")))
}
