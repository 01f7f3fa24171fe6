//! Filter policies, which select messages for a subscription by their attributes.
//!
//! Every attribute of a policy must match one of its conditions: exact strings and numbers, `prefix`,
//! `suffix`, `equals-ignore-case`, `anything-but`, `numeric` and `exists`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::SnsApiError;
use crate::message::MessageAttributeValue;
/// A parsed filter policy.
#[derive(Clone, Debug)]
pub(super) struct FilterPolicy(BTreeMap<String, Vec<FilterCondition>>);

#[derive(Clone, Debug)]
enum FilterCondition {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Not(Vec<FilterCondition>),
    Numeric(Vec<(NumericComparison, f64)>),
    Exists,
    Absent,
}

#[derive(Clone, Copy, Debug)]
enum NumericComparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl FilterPolicy {
    /// Parses a policy; an empty one is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, SnsApiError> {
        if text.is_empty() {
            return Ok(None);
        }
        let policy: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| invalid("failed to parse JSON"))?;
        let mut conditions = BTreeMap::new();
        for (name, value) in policy {
            let Value::Array(alternatives) = value else {
                return Err(invalid(&format!("\"{name}\" must be an object or an array")));
            };
            let alternatives =
                alternatives.iter().map(FilterCondition::parse).collect::<Result<Vec<_>, _>>()?;
            conditions.insert(name, alternatives);
        }
        Ok((!conditions.is_empty()).then_some(Self(conditions)))
    }

    /// Returns true if a message with these attributes is delivered.
    pub(super) fn matches(&self, attributes: &BTreeMap<String, MessageAttributeValue>) -> bool {
        self.0.iter().all(|(name, conditions)| {
            let values = attributes.get(name).map(values_of);
            conditions.iter().any(|condition| condition.matches_any(values.as_deref()))
        })
    }
}

/// The values that conditions are compared with: the elements of a `String.Array`, a number, or the text.
fn values_of(value: &MessageAttributeValue) -> Vec<Value> {
    let Some(text) = value.text() else { return Vec::new() };
    let parsed = || serde_json::from_str(text).ok();
    match value.data_type.as_str() {
        "String.Array" => match parsed() {
            Some(Value::Array(elements)) => elements,
            other => other.into_iter().collect(),
        },
        number if number.starts_with("Number") => parsed().into_iter().collect(),
        _ => vec![Value::String(text.to_owned())],
    }
}

fn invalid(reason: &str) -> SnsApiError {
    SnsApiError::invalid(format!("FilterPolicy: {reason}"))
}

impl FilterCondition {
    fn parse(value: &Value) -> Result<Self, SnsApiError> {
        let Value::Object(object) = value else { return Self::exact(value) };
        let mut entries = object.iter();
        let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
            return Err(invalid("Only one key allowed in match expression"));
        };
        match (operator.as_str(), operand) {
            ("prefix", Value::String(text)) => Ok(Self::Prefix(text.clone())),
            ("suffix", Value::String(text)) => Ok(Self::Suffix(text.clone())),
            ("equals-ignore-case", Value::String(text)) => Ok(Self::IgnoreCase(text.to_lowercase())),
            ("exists", Value::Bool(true)) => Ok(Self::Exists),
            ("exists", Value::Bool(false)) => Ok(Self::Absent),
            ("anything-but", Value::Array(values)) => {
                Ok(Self::Not(values.iter().map(Self::exact).collect::<Result<_, _>>()?))
            }
            ("anything-but", operand) => Ok(Self::Not(vec![Self::parse(operand)?])),
            ("numeric", Value::Array(terms)) => numeric(terms).map(Self::Numeric),
            _ => Err(invalid(&format!("Unrecognized match type {operator}"))),
        }
    }

    fn exact(value: &Value) -> Result<Self, SnsApiError> {
        match value {
            Value::Array(_) | Value::Object(_) => {
                Err(invalid("Match value must be String, number, true, false, or null"))
            }
            value => Ok(Self::Equals(value.clone())),
        }
    }

    /// Returns true if the condition holds for an attribute with these values, or for its absence.
    fn matches_any(&self, values: Option<&[Value]>) -> bool {
        match (self, values) {
            (Self::Absent, values) => values.is_none(),
            (_, None) => false,
            (Self::Exists, Some(_)) => true,
            (_, Some(values)) => values.iter().any(|value| self.holds(value)),
        }
    }

    fn holds(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(number)) => is_same(wanted, number),
                _ => wanted == value,
            },
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::IgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == *wanted),
            Self::Not(conditions) => !conditions.iter().any(|condition| condition.holds(value)),
            Self::Numeric(terms) => value.as_f64().is_some_and(|number| {
                terms.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            Self::Exists | Self::Absent => false,
        }
    }
}

/// Compares numbers to five decimal places, as SNS does.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.000_005
}

impl NumericComparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => is_same(number, bound),
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

fn numeric(terms: &[Value]) -> Result<Vec<(NumericComparison, f64)>, SnsApiError> {
    let term = |pair: &[Value]| {
        let comparison = match pair.first().and_then(Value::as_str)? {
            "=" => NumericComparison::Equal,
            "<" => NumericComparison::Less,
            "<=" => NumericComparison::LessOrEqual,
            ">" => NumericComparison::Greater,
            ">=" => NumericComparison::GreaterOrEqual,
            _ => return None,
        };
        Some((comparison, pair.get(1)?.as_f64()?))
    };
    let read: Option<Vec<_>> = terms.chunks(2).map(term).collect();
    read.filter(|terms| !terms.is_empty()).ok_or_else(|| invalid("Value of numeric must be comparisons"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(policy: &str, attributes: &[(&str, MessageAttributeValue)]) -> bool {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        FilterPolicy::parse(policy).unwrap().unwrap().matches(&attributes)
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
    fn an_invalid_policy_is_refused() {
        for policy in [
            "{",
            "[]",
            r#"{"a": "x"}"#,
            r#"{"a": [["x"]]}"#,
            r#"{"a": [{"near": "x"}]}"#,
            r#"{"a": [{"numeric": ["~", 1]}]}"#,
        ] {
            assert!(FilterPolicy::parse(policy).is_err(), "{policy}");
        }
        assert!(FilterPolicy::parse("{}").unwrap().is_none());
    }
}
