//! JSON: the parameters of the JSON protocol, within the bounds of every request, and the answers of the query protocol.
//!
//! The query protocol of SQS answers in JSON to `Accept: application/json`, which API Gateway's integrations send. That form
//! is older than the JSON protocol: the result is within elements as in XML, lists have the names of the older API, and a
//! map is a list of pairs (the nesting and `messages` are recorded against AWS).

use serde::de::DeserializeOwned;
use serde_json::{Error, Map, Value, error::Category, json};

use super::error::RequestError;
use crate::limits::{PARAMETER_DEPTH, PARAMETERS};

/// Decodes a body; an empty one is an empty object. The error is the message for the client.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = if body.is_empty() { b"{}" } else { body };
    check_bounds(body)?;
    serde_json::from_slice(body).map_err(|error| message(&error))
}

/// Checks the number of values and their nesting.
///
/// An element of two bytes may become a structure of hundreds, so the size of the body alone is no bound for its memory.
fn check_bounds(body: &[u8]) -> Result<(), String> {
    let (mut values, mut depth) = (0, 0_usize);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_in_string,
            b'"' => is_in_string = !is_in_string,
            _ if is_in_string => {}
            b'{' | b'[' => (values, depth) = (values + 1, depth + 1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > PARAMETERS {
            return Err(format!("more than {PARAMETERS} values"));
        }
        if depth > PARAMETER_DEPTH {
            return Err(format!("values nested deeper than {PARAMETER_DEPTH} levels"));
        }
    }
    Ok(())
}

/// The beginnings of messages that quote names of fields, which are the protocol's, and no values.
const SAFE: [&str; 3] = ["missing field", "unknown field", "duplicate field"];

/// The message for an error in a client's JSON; it quotes no values, which may be secret, and names no types.
fn message(error: &Error) -> String {
    let text = error.to_string();
    let is_safe = error.classify() != Category::Data || SAFE.iter().any(|start| text.starts_with(start));
    if is_safe {
        return text;
    }
    format!("a value of another type than expected at line {} column {}", error.line(), error.column())
}

/// The document of a result; an action that returns nothing has none.
pub(super) fn query_document(action: &str, result: Option<Value>, request_id: &str) -> Value {
    let mut response = Map::new();
    if let Some(result) = result {
        response.insert(format!("{action}Result"), renamed(result));
    }
    response.insert("ResponseMetadata".to_owned(), json!({ "RequestId": request_id }));
    Value::Object(Map::from_iter([(format!("{action}Response"), Value::Object(response))]))
}

/// The document of an error.
pub(super) fn query_error(error: &RequestError, request_id: &str) -> Value {
    let (kind, code, message) = (error.error_type().name(), error.code(), error.query_message());
    json!({ "Error": { "Type": kind, "Code": code, "Message": message }, "RequestId": request_id })
}

fn renamed(value: Value) -> Value {
    match value {
        Value::Object(members) => members.into_iter().map(|(name, value)| member(&name, value)).collect(),
        Value::Array(elements) => elements.into_iter().map(renamed).collect(),
        scalar => scalar,
    }
}

fn member(name: &str, value: Value) -> (String, Value) {
    match (name, value) {
        ("Messages", messages) => ("messages".to_owned(), renamed(messages)),
        ("QueueUrls", urls) => ("queueUrls".to_owned(), urls),
        ("Attributes" | "MessageAttributes", Value::Object(map)) => (name.to_owned(), pairs(map, "Name")),
        ("Tags", Value::Object(map)) => (name.to_owned(), pairs(map, "Key")),
        (_, value) => (name.to_owned(), renamed(value)),
    }
}

fn pairs(map: Map<String, Value>, key_name: &str) -> Value {
    map.into_iter().map(|(key, value)| json!({ key_name: key, "Value": value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::{Deserialize, de::IgnoredAny};

    #[test]
    fn json_is_decoded_up_to_its_bounds_and_refused_beyond() {
        let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        // Each element counts for itself and, except one, for its comma.
        for (within, beyond) in [
            (many(PARAMETERS / 2), many(PARAMETERS / 2 + 1)),
            (deep(PARAMETER_DEPTH), deep(PARAMETER_DEPTH + 1)),
        ] {
            assert_eq!(decode::<IgnoredAny>(within.as_bytes()).map(drop), Ok(()));
            let refused = decode::<IgnoredAny>(beyond.as_bytes()).map(drop).unwrap_err();
            assert!(refused.contains("more than") || refused.contains("deeper than"), "{refused}");
        }
    }

    #[test]
    fn a_string_counts_as_one_value_whatever_is_in_it() {
        let text = r#"{["\\,"#.repeat(10_000);
        let body = serde_json::to_vec(&text).unwrap();
        assert_eq!(decode::<String>(&body), Ok(text));
    }

    proptest! {
        #[test]
        fn whatever_is_within_the_bounds_is_decoded_as_json(body in r#"[\[\]{}",:\\a0]{0,30}"#) {
            let expected = serde_json::from_str::<Value>(&body).ok();
            if check_bounds(body.as_bytes()).is_ok() && !body.is_empty() {
                prop_assert_eq!(decode::<Value>(body.as_bytes()).ok(), expected);
            }
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
            let message = message(&serde_json::from_str::<Numbered>(json).unwrap_err());
            assert!(
                message.starts_with(expected) && !message.contains("secret") && !message.contains("Numbered"),
                "{message}"
            );
        }
    }

    #[test]
    fn lists_and_maps_have_the_form_of_the_older_api() {
        let result = json!({
            "Messages": [{ "Body": "a\r\"b\"", "Attributes": { "SenderId": "x" } }], "QueueUrls": ["u"], "Tags": { "k": "v" },
        });
        let expected = json!({ "ReceiveMessageResponse": {
            "ReceiveMessageResult": {
                "messages": [{ "Body": "a\r\"b\"", "Attributes": [{ "Name": "SenderId", "Value": "x" }] }],
                "queueUrls": ["u"],
                "Tags": [{ "Key": "k", "Value": "v" }],
            },
            "ResponseMetadata": { "RequestId": "id" },
        } });
        assert_eq!(query_document("ReceiveMessage", Some(result), "id"), expected);
        let expected = json!({ "DeleteQueueResponse": { "ResponseMetadata": { "RequestId": "id" } } });
        assert_eq!(query_document("DeleteQueue", None, "id"), expected);
    }
}
