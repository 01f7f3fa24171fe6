//! Filter policies, which select messages for a subscription by their attributes or by their body.
//!
//! Every key of a policy must match one of its conditions: exact strings and numbers, `prefix`, `suffix`,
//! `equals-ignore-case`, `anything-but`, `numeric`, `cidr` and `exists`. `$or` gives alternatives.

mod condition;
mod policy;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use self::condition::FilterCondition;
use crate::message::MessageAttributeValue;

/// `FilterPolicyScope`: the part of a message that a policy is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FilterScope {
    /// The attributes of the message.
    #[default]
    MessageAttributes,
    /// The body, a JSON object.
    MessageBody,
}

/// A parsed filter policy.
#[derive(Clone, Debug)]
pub(super) struct FilterPolicy {
    scope: FilterScope,
    /// The alternatives that `$or` makes; each has its conditions by dotted paths.
    alternatives: Vec<BTreeMap<String, Vec<FilterCondition>>>,
}

/// The values of a message at one path.
#[derive(Debug, Default)]
struct FoundValues {
    values: Vec<Value>,
    /// True if the path is missing, in the message or in an element of an array on its way.
    is_absent: bool,
}

impl FilterPolicy {
    /// Returns true if a message with these attributes and this body is delivered.
    pub(super) fn matches(&self, attributes: &BTreeMap<String, MessageAttributeValue>, text: &str) -> bool {
        match self.scope {
            FilterScope::MessageAttributes => self.any(|name| of_attribute(attributes.get(name))),
            FilterScope::MessageBody => match serde_json::from_str(text) {
                Ok(body @ Value::Object(_)) => self.any(|path| find_in_body(&body, path)),
                _ => false,
            },
        }
    }

    fn any(&self, find: impl Fn(&str) -> FoundValues) -> bool {
        self.alternatives.iter().any(|conditions| {
            conditions.iter().all(|(path, conditions)| {
                let found = find(path);
                conditions.iter().any(|condition| condition.matches(&found))
            })
        })
    }
}

/// The values of an attribute: the elements of a `String.Array`, a number, or the text.
fn of_attribute(attribute: Option<&MessageAttributeValue>) -> FoundValues {
    let Some(attribute) = attribute else { return FoundValues { values: Vec::new(), is_absent: true } };
    let text = attribute.text().unwrap_or_default();
    let values = match attribute.data_type.as_str() {
        "String.Array" => match serde_json::from_str(text) {
            Ok(Value::Array(elements)) => elements,
            other => other.into_iter().collect(),
        },
        number if number.starts_with("Number") => serde_json::from_str(text).into_iter().collect(),
        _ => vec![Value::String(text.to_owned())],
    };
    FoundValues { values, is_absent: false }
}

/// The values at a dotted path, through every element of the arrays on its way.
///
/// A name with dots is the same as names nested in each other (recorded against AWS).
fn find_in_body(body: &Value, path: &str) -> FoundValues {
    let mut found = FoundValues::default();
    collect(body, path, &mut found);
    found
}

/// Collects what a value has at the rest of the path, which is empty at its end.
fn collect(value: &Value, path: &str, found: &mut FoundValues) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            for element in elements {
                collect(element, path, found);
            }
        }
        Value::Object(members) if !path.is_empty() => {
            let mut is_found = false;
            for (name, member) in members {
                if let Some(rest) = behind(name, path) {
                    is_found = true;
                    collect(member, rest, found);
                }
            }
            found.is_absent |= !is_found;
        }
        Value::Array(_) | Value::Object(_) => found.is_absent = true,
        _ if !path.is_empty() => found.is_absent = true,
        scalar => found.values.push(scalar.clone()),
    }
}

/// The part of the path behind a name at its beginning.
fn behind<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(policy: &str, attributes: &[(&str, MessageAttributeValue)]) -> bool {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let policy = FilterPolicy::parse(policy, FilterScope::MessageAttributes).unwrap().unwrap();
        policy.matches(&attributes, "")
    }

    fn body_matches(policy: &str, body: &str) -> bool {
        let policy = FilterPolicy::parse(policy, FilterScope::MessageBody).unwrap().unwrap();
        policy.matches(&BTreeMap::new(), body)
    }

    fn text(text: &str) -> MessageAttributeValue {
        MessageAttributeValue::string(text)
    }

    #[test]
    fn each_condition_matches_its_values() {
        let array =
            MessageAttributeValue { data_type: "String.Array".to_owned(), ..text(r#"["red", "blue"]"#) };
        for (condition, value, taken) in [
            (r#""red""#, text("red"), true),
            (r#""red", "blue""#, text("blue"), true),
            (r#""red""#, text("reddish"), false),
            (r#""red""#, array, true),
            (r#"{"prefix": "re"}"#, text("red"), true),
            (r#"{"suffix": "ed"}"#, text("blue"), false),
            (r#"{"equals-ignore-case": "RED"}"#, text("red"), true),
            (r#"{"anything-but": ["red"]}"#, text("red"), false),
            (r#"{"anything-but": {"prefix": "b"}}"#, text("red"), true),
            (r#"{"exists": true}"#, text("x"), true),
            (r#"{"exists": false}"#, text("x"), false),
            ("3", MessageAttributeValue::number("3.0"), true),
            ("3", text("3"), false),
            (r#"{"numeric": [">", 1, "<=", 5]}"#, MessageAttributeValue::number("5"), true),
            (r#"{"numeric": [">", 1, "<=", 5]}"#, MessageAttributeValue::number("1"), false),
            (r#"{"cidr": "10.0.0.0/24"}"#, text("10.0.0.255"), true),
            (r#"{"cidr": "10.0.0.0/24"}"#, text("10.0.1.0"), false),
            (r#"{"cidr": "2001:db8::/32"}"#, text("2001:db8::1"), true),
        ] {
            let policy = format!(r#"{{"colour": [{condition}]}}"#);
            assert_eq!(matches(&policy, &[("colour", value.clone())]), taken, "{policy} {value:?}");
        }
    }

    #[test]
    fn all_attributes_of_a_policy_must_match() {
        let policy = r#"{"a": ["1"], "b": [{"exists": false}]}"#;
        assert!(matches(policy, &[("a", text("1"))]));
        assert!(!matches(policy, &[("a", text("1")), ("b", text("2"))]));
        assert!(!matches(policy, &[]));
    }

    #[test]
    fn one_alternative_of_or_must_match() {
        let policy = r#"{"$or": [{"a": ["1"]}, {"b": ["2"]}], "c": ["3"]}"#;
        assert!(matches(policy, &[("b", text("2")), ("c", text("3"))]));
        assert!(!matches(policy, &[("b", text("2"))]));
        assert!(!matches(policy, &[("b", text("3")), ("c", text("3"))]));
    }

    #[test]
    fn a_body_is_compared_by_paths_through_objects_and_arrays() {
        for (policy, body, taken) in [
            (r#"{"a": {"b": ["x"]}}"#, r#"{"a": {"b": "x"}}"#, true),
            (r#"{"a.b": ["x"]}"#, r#"{"a": {"b": "x"}}"#, true),
            (r#"{"a": {"b": ["x"]}}"#, r#"{"a.b": "x"}"#, true),
            (r#"{"a": {"b": ["x"]}}"#, r#"{"a": [{"b": "y"}, {"b": "x"}]}"#, true),
            (r#"{"a": ["x"]}"#, r#"{"a": ["y", "x"]}"#, true),
            (r#"{"a": ["x"]}"#, r#"{"a": {"b": "x"}}"#, false),
            (r#"{"a": [{"exists": false}]}"#, r#"{"a": []}"#, true),
            (r#"{"a": [null]}"#, r#"{"a": null}"#, true),
            (r#"{"a": [null]}"#, r#"{"b": null}"#, false),
            (r#"{"a": [300]}"#, r#"{"a": 300.0}"#, true),
            (r#"{"a": ["x"]}"#, r#"["a"]"#, false),
            (r#"{"a": ["x"]}"#, "a", false),
        ] {
            assert_eq!(body_matches(policy, body), taken, "{policy} {body}");
        }
    }

    #[test]
    fn an_array_of_many_objects_takes_no_longer_than_its_length() {
        let elements = vec![r#"{"k": 1}"#; 2_000].join(",");
        let arrays: Vec<_> = ["a", "b", "c", "d"].map(|key| format!(r#""{key}": [{elements}]"#)).to_vec();
        let policy = r#"{"a": {"k": [1]}, "b": {"k": [1]}, "c": {"k": [1]}, "d": {"k": [2]}}"#;
        assert!(!body_matches(policy, &format!("{{{}}}", arrays.join(","))));
    }

    fn refusal(policy: &str) -> String {
        FilterPolicy::parse(policy, FilterScope::MessageAttributes).unwrap_err()
    }

    #[test]
    fn an_error_names_its_place_in_the_text_without_white_space() {
        for (policy, column, reason) in [
            (r#"{"key": [["value"]]}"#, 10, "Match value must be String, number, true, false, or null"),
            (r#"{"key": [{"wrong-operator": true}]}"#, 31, "Unrecognized match type wrong-operator"),
            (r#"{"key": [{"suffix": "v", "prefix": "w"}]}"#, 33, "Only one key allowed in match expression"),
            (r#"{"key": []}"#, 10, "Empty arrays are not allowed"),
            (r#"{"key": [{"suffix": 100}]}"#, 22, "suffix match pattern must be a string"),
            (r#"{"key": [{"suffix": null}]}"#, 23, "suffix match pattern must be a string"),
            (r#"{"key": [{"suffix": ["a", "b"]}]}"#, 20, "suffix match pattern must be a string"),
            (r#"{"key": {"suffix": "v", "prefix": "v"}}"#, 19, "\"suffix\" must be an object or an array"),
            (r#"{"key": [{"cidr": ["bad"]}]}"#, 18, "prefix match pattern must be a string"),
            (r#"{"key": [{"exists": "no"}]}"#, 20, "exists match pattern must be either true or false."),
            (
                r#"{"key": [{"anything-but": {"suffix": "x"}}]}"#,
                36,
                "Unsupported anything-but pattern: suffix",
            ),
            (
                r#"{"key": [{"anything-but": {"prefix": false}}]}"#,
                40,
                "prefix match pattern must be a string",
            ),
            (r#"{"key": [{"numeric": []}]}"#, 22, "Invalid member in numeric match: ]"),
            (r#"{"key": [{"numeric": [1, "<="]}]}"#, 22, "Invalid member in numeric match: 1"),
            (r#"{"key": [{"numeric": ["operator"]}]}"#, 32, "Unrecognized numeric range operator: operator"),
            (r#"{"key": [{"numeric": ["=", "000"]}]}"#, 26, "Value of equals must be numeric"),
            (r#"{"key": [{"numeric": [">="]}]}"#, 26, "Value of >= must be numeric"),
            (r#"{"key": [{"numeric": ["<", 100, ">", 10]}]}"#, 30, "Too many elements in numeric expression"),
            (r#"{"key": [{"numeric": [">=", 1, ">", 2]}]}"#, 31, "Bad numeric range operator: >"),
            (r#"{"key": [{"numeric": [">", 3, "<", 1]}]}"#, 33, "Bottom must be less than top"),
            (r#"{"key": [{"numeric": [">", 20, "<="]}]}"#, 33, "Value of <= must be numeric"),
            (r#"{"key": [{"numeric": [">", 20, 30]}]}"#, 30, "Bad value in numeric range: 30"),
            (r#"{"key": [{"numeric": [">", 20, "test"]}]}"#, 34, "Bad numeric range operator: test"),
            (
                r#"{"key": [{"numeric": [">", 2, "<", 3, "<", 5]}]}"#,
                34,
                "Too many terms in numeric range expression",
            ),
        ] {
            let compact = policy.replace(' ', "");
            let place = format!("\n at [Source: (String)\"{compact}\"; line: 1, column: {column}]");
            assert_eq!(refusal(policy), format!("FilterPolicy: {reason}{place}"));
        }
        let long = refusal(&format!(r#"{{"key": [], "more": ["{}"]}}"#, "x".repeat(500)));
        assert!(long.ends_with("xxx\"[truncated 22 chars]; line: 1, column: 10]"), "{long}");
    }

    #[test]
    fn the_first_error_in_the_text_is_the_one_that_is_named() {
        for (policy, reason) in [
            (r#"{"b": [{"near": 1}], "a": "x"}"#, "Unrecognized match type near"),
            (r#"{"b": "x", "a": [{"near": 1}]}"#, "\"b\" must be"),
            (r#"{"a": [{"suffix": 1, "prefix": "x"}]}"#, "suffix match pattern"),
        ] {
            assert!(refusal(policy).starts_with(&format!("FilterPolicy: {reason}")), "{policy}");
        }
    }

    #[test]
    fn a_policy_beyond_the_limits_is_refused_without_a_place() {
        let many: Vec<_> = (0..6).map(|key| format!(r#""{key}": ["x"]"#)).collect();
        let many = format!("{{{}}}", many.join(","));
        let values: Vec<_> = (0..13).map(|value| value.to_string()).collect();
        let complex = format!(r#"{{"a": [{0}], "b": [{0}]}}"#, values.join(","));
        for (policy, reason) in [
            ("{", "failed to parse JSON"),
            ("[]", "failed to parse JSON"),
            (r#"{"a": [{"cidr": "10.0.0.0"}]}"#, "Malformed CIDR, one '/' required"),
            (r#"{"a": [{"cidr": "10.0.0.0/x"}]}"#, "Malformed CIDR, mask bits must be an integer"),
            (r#"{"a": [{"cidr": "x/24"}]}"#, "Nonstandard IP address: x"),
            (&many, "Filter policy can not have more than 5 keys"),
            (&complex, "Filter policy is too complex"),
        ] {
            let error = refusal(policy);
            let has_place = error.contains("Source");
            assert!(error.starts_with(&format!("FilterPolicy: {reason}")) && !has_place, "{policy}: {error}");
        }
        assert!(FilterPolicy::parse("{}", FilterScope::MessageBody).unwrap().is_none());
        let nested = FilterPolicy::parse(r#"{"a": {"b": ["x"]}}"#, FilterScope::MessageAttributes);
        assert_eq!(
            nested.unwrap_err(),
            "Filter policy scope MessageAttributes does not support nested filter policy"
        );
    }
}
