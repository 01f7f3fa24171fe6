//! JSON as the query protocol of SQS writes it for `Accept: application/json`, which API Gateway's integrations send.
//!
//! It is older than the JSON protocol: the result is within elements as in XML, lists have the names of the older API,
//! and a map is a list of pairs (the nesting and `messages` are recorded against AWS).

use serde_json::{Map, Value, json};

use super::error::RequestError;

/// The document of a result; an action that returns nothing has none.
pub(super) fn document(action: &str, result: Option<Value>, request_id: &str) -> Value {
    let mut response = Map::new();
    if let Some(result) = result {
        response.insert(format!("{action}Result"), renamed(result));
    }
    response.insert("ResponseMetadata".to_owned(), json!({ "RequestId": request_id }));
    Value::Object(Map::from_iter([(format!("{action}Response"), Value::Object(response))]))
}

/// The document of an error.
pub(super) fn error(error: &RequestError, request_id: &str) -> Value {
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
        assert_eq!(document("ReceiveMessage", Some(result), "id"), expected);
        let expected = json!({ "DeleteQueueResponse": { "ResponseMetadata": { "RequestId": "id" } } });
        assert_eq!(document("DeleteQueue", None, "id"), expected);
    }
}
