//! `POST /v1/messages/batch`: one to ten messages with a result each.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;

use super::{
    Door, Refusal,
    entry::{self, Entry},
    sending, single,
    traced::trace_header,
};
use crate::{message::MessageId, queue::limits};

/// The result of each entry, in the order of the entries.
#[derive(Default, Serialize)]
pub(super) struct Results {
    successful: Vec<Successful>,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Successful {
    id: String,
    message_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed {
    id: String,
    code: String,
    message: String,
    sender_fault: bool,
}

/// Answers 202 when every entry was sent, and 207 when some were not, or none.
pub(super) async fn send(
    State(queue): State<Door>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Results>), Refusal> {
    let mut entries = entry::read(&single::whole(body)?)?;
    let trace_header = trace_header(&headers);
    for Entry { message, .. } in &mut entries {
        message.trace_header = Some(trace_header.clone());
    }
    check_size(&entries)?;
    let results = send_checked(&queue, entries).await?;
    let status = if results.failed.is_empty() { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok((status, Json(results)))
}

fn check_size(entries: &[Entry]) -> Result<(), Refusal> {
    let size_bytes: usize = entries.iter().map(|entry| entry.message.size_bytes()).sum();
    if size_bytes > limits::MESSAGE_BYTES {
        return Err(Refusal::too_large(format!("the batch is too large: {size_bytes} bytes")));
    }
    Ok(())
}

/// Sends the entries that SQS would take, so that one it would not take cannot fail the others.
async fn send_checked(queue: &Door, entries: Vec<Entry>) -> Result<Results, Refusal> {
    let checks: Vec<_> = entries.iter().map(|entry| sending::check(&entry.message)).collect();
    let (ids, messages): (Vec<_>, Vec<_>) =
        entries.into_iter().map(|entry| (entry.id, entry.message)).unzip();
    let sendable: Vec<_> = messages
        .into_iter()
        .zip(&checks)
        .filter(|(_, check)| check.is_ok())
        .map(|(message, _)| message)
        .collect();
    let answers = if sendable.is_empty() { Vec::new() } else { sending::send_many(queue, &sendable).await? };
    let mut answers = answers.into_iter();
    let mut results = Results::default();
    for (id, check) in ids.into_iter().zip(checks) {
        let answer = check.and_then(|()| answers.next().unwrap_or_else(|| Err(Refusal::no_answer())));
        results.add(id, answer);
    }
    Ok(results)
}

impl Results {
    fn add(&mut self, id: String, answer: Result<MessageId, Refusal>) {
        match answer {
            Ok(message_id) => self.successful.push(Successful { id, message_id: message_id.to_string() }),
            Err(refusal) => {
                let sender_fault = refusal.is_senders_fault();
                self.failed.push(Failed { id, code: refusal.code, message: refusal.message, sender_fault });
            }
        }
    }
}
