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
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use super::Refusal;
use crate::{
    dev::json,
    message::{AttributeValue, OutgoingMessage},
    queue::limits,
};
use serde_json::{Error, error::Category};

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

/// One entry with the id that its result is known by.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) message: OutgoingMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawEntry {
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
struct Wrapped<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

/// Reads the entries of `[…]` or `{"entries": […]}`; `Err` when the request as a whole is bad.
pub(super) fn read(body: &[u8]) -> Result<Vec<Entry>, Refusal> {
    let entries = elements(body)?;
    match entries.len() {
        0 => {
            return Err(
                Refusal::bad("EmptyBatch", "the batch has no entries").with_hint("send 1 to 10 entries")
            );
        }
        1..=limits::BATCH_ENTRIES => {}
        many => {
            let message = format!("the batch has too many entries: {many}");
            return Err(Refusal::bad("TooManyEntries", message).with_hint("send 1 to 10 entries"));
        }
    }
    let mut read = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        read.push(Entry::read(index, entry)?);
    }
    check_ids(&read)?;
    Ok(read)
}

fn elements(body: &[u8]) -> Result<Vec<&RawValue>, Refusal> {
    let is_wrapped = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let elements = if is_wrapped {
        serde_json::from_slice(body).map(|Wrapped { entries }| entries)
    } else {
        serde_json::from_slice(body)
    };
    elements.map_err(|error| {
        Refusal::bad("InvalidJson", format!("the batch is not the expected json: {}", json::words(&error)))
            .with_hint("send [{\"body\": …}, …] or {\"entries\": [{\"body\": …}, …]}")
    })
}

impl Entry {
    fn read(index: usize, entry: &RawValue) -> Result<Self, Refusal> {
        let invalid = |error| {
            Refusal::bad("InvalidEntry", format!("entry {index} is not valid: {}", json::words(&error)))
        };
        let raw: RawEntry = serde_json::from_str(entry.get()).map_err(invalid)?;
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

/// The body that a JSON value means: a string is its characters, anything else its JSON exactly as written.
fn text(body: &RawValue) -> serde_json::Result<String> {
    if body.get().starts_with('"') { serde_json::from_str(body.get()) } else { Ok(body.get().to_owned()) }
}

/// The attribute that a JSON value means: a string, or a number exactly as written.
fn attribute(value: &RawValue) -> serde_json::Result<AttributeValue> {
    if value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Ok(AttributeValue::number(value.get()));
    }
    serde_json::from_str::<String>(value.get()).map(AttributeValue::string)
}

fn check_ids(entries: &[Entry]) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for Entry { id, .. } in entries {
        let is_spelled_well = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_spelled_well || !(1..=limits::ENTRY_ID_CHARS).contains(&id.len()) {
            return Err(Refusal::bad(
                "InvalidEntryId",
                format!("an entry's id is not one that SQS takes: {id:?}"),
            )
            .with_hint("use 1 to 80 letters, digits, hyphens and underscores"));
        }
        if !seen.insert(id) {
            return Err(Refusal::bad("EntryIdsNotDistinct", format!("two entries have the same id: {id}"))
                .with_hint("an entry without an id has its position, from 0 on, for an id"));
        }
    }
    Ok(())
}

/// Fields may be named, since their names are the protocol's; values may be large, or secret.
const SAFE: [&str; 3] = ["missing field", "unknown field", "duplicate field"];

/// The words for an error.
pub(super) fn words(error: &Error) -> String {
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
        read(json.as_bytes()).unwrap().into_iter().map(|entry| entry.message.body).collect()
    }

    fn code(json: &str) -> String {
        read(json.as_bytes()).unwrap_err().code
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
    fn an_entry_carries_what_it_was_given() {
        let json = r#"[{"id": "a-1", "body": "x", "groupId": "g", "deduplicationId": "d", "delaySeconds": 9,
            "attributes": {"name": "text", "count": 1.50}}]"#;
        let Entry { id, message } = read(json.as_bytes()).unwrap().remove(0);
        assert_eq!((id.as_str(), message.group_id.as_deref()), ("a-1", Some("g")));
        assert_eq!(message.deduplication_id.as_deref(), Some("d"));
        assert_eq!(message.delay, Some(Duration::from_secs(9)));
        assert_eq!(message.attributes["name"], AttributeValue::string("text"));
        assert_eq!(message.attributes["count"], AttributeValue::number("1.50"));
    }

    #[test]
    fn an_entry_without_an_id_has_its_position() {
        let entries = read(br#"[{"body": "x"}, {"body": "y"}]"#).unwrap();
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
            drop(read(&body));
        }
    }

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[expect(dead_code, reason = "only its reading is of interest")]
        number: u8,
    }

    #[test]
    fn values_and_types_are_not_quoted() {
        for (json, wanted) in [
            (r#"{"number": "secret"}"#, "a value of another type"),
            (r#"["secret"]"#, "a value of another type"),
            (r"{}", "missing field `number`"),
            (r#"{"nummer": 1}"#, "unknown field `nummer`"),
            (r#"{"number": secret}"#, "expected value at line 1"),
        ] {
            let words = words(&serde_json::from_str::<Form>(json).unwrap_err());
            assert!(
                words.starts_with(wanted) && !words.contains("secret") && !words.contains("Form"),
                "{words}"
            );
        }
    }
}
