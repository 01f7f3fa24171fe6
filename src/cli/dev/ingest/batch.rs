//! `POST /v1/messages/batch`: one to ten messages, each with its own result.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use serde_json::{error::Category, value::RawValue};

use super::{
    IngestTarget,
    error::IngestError,
    sending::{self, trace_header},
    single,
};
use crate::{
    message::{AttributeValue, MessageId, OutgoingMessage},
    queue::limits,
};

/// The results of the entries, in their order.
#[derive(Default, Serialize)]
pub(super) struct BatchResponse {
    successful: Vec<SentEntry>,
    failed: Vec<FailedEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentEntry {
    id: String,
    message_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedEntry {
    id: String,
    code: String,
    message: String,
    sender_fault: bool,
}

/// Responds with 202 if all entries were sent, else with 207.
pub(super) async fn send(
    target: IngestTarget,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<BatchResponse>), IngestError> {
    let mut entries = read_entries(&single::read_body(body)?)?;
    let trace_header = trace_header(&headers);
    for IngestEntry { message, .. } in &mut entries {
        message.trace_header = Some(trace_header.clone());
    }
    sending::check_size(&target, "batch", entries.iter().map(|entry| &entry.message))?;
    let response = send_checked(&target, entries).await?;
    let status = if response.failed.is_empty() { StatusCode::ACCEPTED } else { StatusCode::MULTI_STATUS };
    Ok((status, Json(response)))
}

/// Sends the entries that SQS accepts, so that one that it refuses does not fail the others.
async fn send_checked(
    target: &IngestTarget,
    entries: Vec<IngestEntry>,
) -> Result<BatchResponse, IngestError> {
    let checks: Vec<_> = entries.iter().map(|entry| sending::check(&entry.message)).collect();
    let (ids, messages): (Vec<_>, Vec<_>) =
        entries.into_iter().map(|entry| (entry.id, entry.message)).unzip();
    let sendable: Vec<_> = messages
        .into_iter()
        .zip(&checks)
        .filter(|(_, check)| check.is_ok())
        .map(|(message, _)| message)
        .collect();
    let results = if sendable.is_empty() { Vec::new() } else { sending::send_many(target, sendable).await? };
    let mut results = results.into_iter();
    let mut response = BatchResponse::default();
    for (id, check) in ids.into_iter().zip(checks) {
        let result = check.and_then(|()| results.next().unwrap_or_else(|| Err(IngestError::no_answer())));
        response.add(id, result);
    }
    Ok(response)
}

impl BatchResponse {
    fn add(&mut self, id: String, result: Result<MessageId, IngestError>) {
        match result {
            Ok(message_id) => self.successful.push(SentEntry { id, message_id: message_id.to_string() }),
            Err(error) => {
                let sender_fault = error.is_sender_fault();
                self.failed.push(FailedEntry { id, code: error.code, message: error.message, sender_fault });
            }
        }
    }
}

/// One entry: its message, and the id of its result.
#[derive(Debug)]
struct IngestEntry {
    id: String,
    message: OutgoingMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EntryJson {
    id: Option<String>,
    body: Box<RawValue>,
    group_id: Option<String>,
    deduplication_id: Option<String>,
    delay_seconds: Option<u64>,
    #[serde(default)]
    attributes: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchJson<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

/// Reads the entries of `[…]` or `{"entries": […]}`; `Err` if the request as a whole is invalid.
fn read_entries(body: &[u8]) -> Result<Vec<IngestEntry>, IngestError> {
    let entries = elements(body)?;
    match entries.len() {
        0 => {
            return Err(
                IngestError::bad("EmptyBatch", "the batch has no entries").with_hint("send 1 to 10 entries")
            );
        }
        1..=limits::BATCH_ENTRIES => {}
        many => {
            let message = format!("the batch has too many entries: {many}");
            return Err(IngestError::bad("TooManyEntries", message).with_hint("send 1 to 10 entries"));
        }
    }
    let mut read = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        read.push(IngestEntry::read(index, entry)?);
    }
    check_ids(&read)?;
    Ok(read)
}

fn elements(body: &[u8]) -> Result<Vec<&RawValue>, IngestError> {
    let is_wrapped = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let elements = if is_wrapped {
        serde_json::from_slice(body).map(|BatchJson { entries }| entries)
    } else {
        serde_json::from_slice(body)
    };
    elements.map_err(|error| {
        IngestError::bad(
            "InvalidJson",
            format!("the batch is not the expected json: {}", json_message(&error)),
        )
        .with_hint("send [{\"body\": …}, …] or {\"entries\": [{\"body\": …}, …]}")
    })
}

impl IngestEntry {
    fn read(index: usize, entry: &RawValue) -> Result<Self, IngestError> {
        let invalid = |error| {
            IngestError::bad("InvalidEntry", format!("entry {index} is not valid: {}", json_message(&error)))
        };
        let raw: EntryJson = serde_json::from_str(entry.get()).map_err(invalid)?;
        let attributes = raw.attributes.into_iter().map(|(name, value)| Ok((name, attribute(&value)?)));
        let message = OutgoingMessage {
            body: text(&raw.body).map_err(invalid)?,
            attributes: attributes.collect::<serde_json::Result<_>>().map_err(invalid)?,
            delay: raw.delay_seconds.map(Duration::from_secs),
            group_id: raw.group_id,
            deduplication_id: raw.deduplication_id,
            trace_header: None,
        };
        Ok(Self { id: raw.id.unwrap_or_else(|| index.to_string()), message })
    }
}

/// The body of a JSON value: the characters of a string, any other JSON exactly as it was written.
fn text(body: &RawValue) -> serde_json::Result<String> {
    if body.get().starts_with('"') { serde_json::from_str(body.get()) } else { Ok(body.get().to_owned()) }
}

/// The attribute of a JSON value: a string, or a number exactly as it was written.
fn attribute(value: &RawValue) -> serde_json::Result<AttributeValue> {
    if value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Ok(AttributeValue::number(value.get()));
    }
    serde_json::from_str::<String>(value.get()).map(AttributeValue::string)
}

fn check_ids(entries: &[IngestEntry]) -> Result<(), IngestError> {
    let mut seen = HashSet::new();
    for IngestEntry { id, .. } in entries {
        let has_valid_characters =
            id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !has_valid_characters || !(1..=limits::ENTRY_ID_CHARS).contains(&id.len()) {
            return Err(IngestError::bad(
                "InvalidEntryId",
                format!("an entry's id is not one that SQS takes: {id}"),
            )
            .with_hint("use 1 to 80 letters, digits, hyphens and underscores"));
        }
        if !seen.insert(id) {
            return Err(IngestError::bad(
                "EntryIdsNotDistinct",
                format!("two entries have the same id: {id}"),
            )
            .with_hint("an entry without an id has its position, from 0 on, for an id"));
        }
    }
    Ok(())
}

/// The beginnings of messages that quote names of fields, which are the protocol's, and no values.
const SAFE: [&str; 3] = ["missing field", "unknown field", "duplicate field"];

/// The message for an error in a client's JSON; it quotes no values, which may be secret, and names no types.
fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let is_safe = error.classify() != Category::Data || SAFE.iter().any(|start| text.starts_with(start));
    if is_safe {
        return text;
    }
    format!("a value of another type than expected at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bodies(json: &str) -> Vec<String> {
        read_entries(json.as_bytes()).unwrap().into_iter().map(|entry| entry.message.body).collect()
    }

    fn code(json: &str) -> String {
        read_entries(json.as_bytes()).unwrap_err().code
    }

    #[test]
    fn a_string_is_its_characters_and_any_other_json_stays_as_written() {
        let json = r#"[{"body": "a\n\"b\" \ud83d\udea2"}, {"body": {"n": 1.50,  "big": 123456789012345678901234567890}},
            {"body": null}, {"body": [ ]}, {"body": 1e3}]"#;
        let expected =
            ["a\n\"b\" 🚢", r#"{"n": 1.50,  "big": 123456789012345678901234567890}"#, "null", "[ ]", "1e3"];
        assert_eq!(bodies(json), expected);
    }

    #[test]
    fn entries_come_bare_or_wrapped() {
        assert_eq!(bodies(r#" {"entries": [{"body": "x"}]}"#), bodies(r#"[{"body": "x"}]"#));
    }

    #[test]
    fn an_entry_has_the_fields_of_its_json() {
        let json = r#"[{"id": "a-1", "body": "x", "groupId": "g", "deduplicationId": "d", "delaySeconds": 9,
            "attributes": {"name": "text", "count": 1.50}}]"#;
        let IngestEntry { id, message } = read_entries(json.as_bytes()).unwrap().remove(0);
        assert_eq!((id.as_str(), message.group_id.as_deref()), ("a-1", Some("g")));
        assert_eq!(message.deduplication_id.as_deref(), Some("d"));
        assert_eq!(message.delay, Some(Duration::from_secs(9)));
        assert_eq!(message.attributes["name"], AttributeValue::string("text"));
        assert_eq!(message.attributes["count"], AttributeValue::number("1.50"));
    }

    #[test]
    fn an_entry_without_an_id_has_its_position() {
        let entries = read_entries(br#"[{"body": "x"}, {"body": "y"}]"#).unwrap();
        assert_eq!(entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["0", "1"]);
    }

    #[test]
    fn a_batch_that_is_bad_as_a_whole_is_refused_as_a_whole() {
        let eleven = format!("[{}]", [r#"{"body": "x"}"#; 11].join(","));
        for (json, expected) in [
            ("", "InvalidJson"),
            ("nonsense", "InvalidJson"),
            ("\"text\"", "InvalidJson"),
            ("{}", "InvalidJson"),
            ("[]", "EmptyBatch"),
            (&eleven, "TooManyEntries"),
            ("[1]", "InvalidEntry"),
            ("[{}]", "InvalidEntry"),
            (r#"[{"body": "x", "boby": 1}]"#, "InvalidEntry"),
            (r#"[{"body": "\ud800"}]"#, "InvalidEntry"),
            (r#"[{"body": "x", "delaySeconds": -1}]"#, "InvalidEntry"),
            (r#"[{"body": "x", "attributes": {"a": true}}]"#, "InvalidEntry"),
            (r#"[{"body": "x", "id": "a b"}]"#, "InvalidEntryId"),
            (r#"[{"body": "x", "id": "1"}, {"body": "y"}]"#, "EntryIdsNotDistinct"),
        ] {
            assert_eq!(code(json), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_string_comes_out_identical(body: String) {
            let json = serde_json::json!([{ "body": body }]).to_string();
            prop_assert_eq!(bodies(&json), [body]);
        }

        #[test]
        fn no_request_panics(body: Vec<u8>) {
            drop(read_entries(&body));
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Numbered {
        #[expect(dead_code, reason = "only its parsing is of interest")]
        number: u8,
    }

    #[test]
    fn values_and_types_are_not_quoted() {
        for (json, expected) in [
            (r#"{"number": "secret"}"#, "a value of another type"),
            (r#"["secret"]"#, "a value of another type"),
            (r"{}", "missing field `number`"),
            (r#"{"nummer": 1}"#, "unknown field `nummer`"),
            (r#"{"number": secret}"#, "expected value at line 1"),
        ] {
            let message = json_message(&serde_json::from_str::<Numbered>(json).unwrap_err());
            assert!(
                message.starts_with(expected) && !message.contains("secret") && !message.contains("Numbered"),
                "{message}"
            );
        }
    }
}
