//! Conditions on a message: its attributes, the fields of its JSON body, and its group; pure.

use std::{cell::OnceCell, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor, value::SeqAccessDeserializer},
};
use serde_json::Value;

use crate::message::Message;

/// Conditions, all of which a message must meet; none are met by every message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct Conditions {
    /// Message attributes by name, each with the values that it may have.
    pub attribute: BTreeMap<String, Patterns>,
    /// Fields of a JSON body, each with the values that it may have: `type`, `order.state` for a field of an inner object, or a JSON pointer such as `/items/0/kind`. A number or `true` is compared as JSON writes it.
    pub json: BTreeMap<String, Patterns>,
    /// The message groups (`MessageGroupId`).
    pub group: Patterns,
}

/// The values that meet a condition: one, or a list; one that ends in `*` stands for all that begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Patterns(Vec<String>);

impl Patterns {
    fn allow(&self, value: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => value.starts_with(beginning),
            None => value == pattern,
        })
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, value: impl Into<String>) {
        self.0.push(value.into());
    }

    /// True if there is no value that would meet the condition.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for Patterns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Patterns".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        })
    }
}

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Patterns;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Patterns, E> {
                Ok(Patterns(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Patterns, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(items)).map(Patterns)
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

/// A message whose body is parsed at most once.
pub(super) struct RoutedMessage<'a> {
    message: &'a Message,
    json: OnceCell<Option<Value>>,
}

impl<'a> RoutedMessage<'a> {
    pub(super) fn new(message: &'a Message) -> Self {
        Self { message, json: OnceCell::new() }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.message.attributes.get(name)?.text()
    }

    /// The value at a path in the body, as text.
    fn field(&self, path: &str) -> Option<String> {
        let body = self.json.get_or_init(|| serde_json::from_str(&self.message.body).ok()).as_ref()?;
        match value_at(body, path)? {
            Value::String(text) => Some(text.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            plain => Some(plain.to_string()),
        }
    }
}

/// The value at a JSON pointer or a dotted path; a name at the top may have dots in it.
fn value_at<'a>(body: &'a Value, path: &str) -> Option<&'a Value> {
    if path.starts_with('/') {
        return body.pointer(path);
    }
    let inner = || path.split('.').try_fold(body, |value, name| value.get(name));
    body.get(path).or_else(inner)
}

impl Conditions {
    /// True if there is no condition.
    pub(super) fn are_none(&self) -> bool {
        self.attribute.is_empty() && self.json.is_empty() && self.group.is_empty()
    }

    /// True if a message that is no longer on its way meets them all.
    pub(crate) fn meet(&self, message: &Message) -> bool {
        self.are_met_by(&RoutedMessage::new(message))
    }

    /// True if the message meets them all.
    pub(super) fn are_met_by(&self, message: &RoutedMessage<'_>) -> bool {
        let is_allowed =
            |patterns: &Patterns, value: Option<&str>| value.is_some_and(|value| patterns.allow(value));
        let group = message.message.system.group_id.as_deref();
        (self.group.is_empty() || is_allowed(&self.group, group))
            && self.attribute.iter().all(|(name, patterns)| is_allowed(patterns, message.attribute(name)))
            && self.json.iter().all(|(path, patterns)| is_allowed(patterns, message.field(path).as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AttributeValue;

    fn met(conditions: Value, body: &str) -> bool {
        let conditions: Conditions = serde_json::from_value(conditions).unwrap();
        let mut message = Message::new("m", body);
        message.attributes.insert("kind".to_owned(), AttributeValue::string("refund.partial"));
        message.attributes.insert("size".to_owned(), AttributeValue::number("3"));
        message.attributes.insert("raw".to_owned(), AttributeValue::binary([1]));
        message.system.group_id = Some("tenant-7".to_owned());
        conditions.are_met_by(&RoutedMessage::new(&message))
    }

    #[test]
    fn an_attribute_has_one_of_the_values_or_begins_so() {
        for (value, is_met) in [
            (serde_json::json!("refund.partial"), true),
            (serde_json::json!("refund"), false),
            (serde_json::json!("refund.*"), true),
            (serde_json::json!(["order", "refund.partial"]), true),
            (serde_json::json!([]), false),
            (serde_json::json!("*"), true),
        ] {
            assert_eq!(met(serde_json::json!({"attribute": {"kind": value}}), ""), is_met, "{value}");
        }
        assert!(met(serde_json::json!({"attribute": {"size": "3"}}), ""));
        assert!(!met(serde_json::json!({"attribute": {"raw": "*"}}), ""), "binary values are not compared");
        assert!(!met(serde_json::json!({"attribute": {"other": "*"}}), ""));
    }

    #[test]
    fn a_field_is_named_by_its_path_or_a_pointer() {
        let body = r#"{"detail-type": "Order Placed", "order": {"state": "new", "total": 12.50, "paid": true},
            "items": [{"kind": "book"}], "a.b": "dotted", "none": null}"#;
        for (path, value, is_met) in [
            ("detail-type", "Order Placed", true),
            ("detail-type", "Order*", true),
            ("order.state", "new", true),
            ("order.state", "old", false),
            ("order.paid", "true", true),
            ("order.total", "12.5", true),
            ("/items/0/kind", "book", true),
            ("a.b", "dotted", true),
            ("none", "*", false),
            ("order", "*", false),
            ("missing", "*", false),
        ] {
            assert_eq!(met(serde_json::json!({"json": {path: value}}), body), is_met, "{path} = {value}");
        }
        assert!(!met(serde_json::json!({"json": {"a": "*"}}), "no JSON"));
    }

    #[test]
    fn all_conditions_must_be_met_and_none_always_are() {
        assert!(met(serde_json::json!({}), ""));
        let both = |group: &str| serde_json::json!({"group": group, "attribute": {"kind": "refund*"}});
        assert!(met(both("tenant-*"), "") && !met(both("tenant-8"), ""));
    }
}
