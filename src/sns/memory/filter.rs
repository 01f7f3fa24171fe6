//! Filter policies: which messages a subscription gets, by their attributes.
//!
//! The attributes of a policy must all match, each by one of its conditions: exact strings and numbers, `prefix`,
//! `suffix`, `equals-ignore-case`, `anything-but`, `numeric` and `exists`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fault::Fault;
use crate::message::AttributeValue;

/// A filter policy that was understood.
#[derive(Clone, Debug)]
pub(super) struct Filter(BTreeMap<String, Vec<Condition>>);

#[derive(Clone, Debug)]
enum Condition {
    Equals(Value),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Not(Vec<Condition>),
    Numeric(Vec<(Comparison, f64)>),
    Exists,
    Absent,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Filter {
    /// Reads a policy; an empty one is none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Fault> {
        if text.is_empty() {
            return Ok(None);
        }
        let policy: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| wrong("failed to parse JSON"))?;
        let mut conditions = BTreeMap::new();
        for (name, value) in policy {
            let Value::Array(alternatives) = value else {
                return Err(wrong(&format!("\"{name}\" must be an object or an array")));
            };
            let alternatives = alternatives.iter().map(Condition::parse).collect::<Result<Vec<_>, _>>()?;
            conditions.insert(name, alternatives);
        }
        Ok((!conditions.is_empty()).then_some(Self(conditions)))
    }

    /// Whether a message with these attributes is delivered.
    pub(super) fn takes(&self, attributes: &BTreeMap<String, AttributeValue>) -> bool {
        self.0.iter().all(|(name, conditions)| {
            let values = attributes.get(name).map(values_of);
            conditions.iter().any(|condition| condition.holds_for(values.as_deref()))
        })
    }
}

/// What an attribute is compared by: the elements of a `String.Array`, a number, or its text.
fn values_of(value: &AttributeValue) -> Vec<Value> {
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

fn wrong(reason: &str) -> Fault {
    Fault::invalid(format!("FilterPolicy: {reason}"))
}

impl Condition {
    fn parse(value: &Value) -> Result<Self, Fault> {
        let Value::Object(object) = value else { return Self::exact(value) };
        let mut entries = object.iter();
        let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
            return Err(wrong("Only one key allowed in match expression"));
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
            _ => Err(wrong(&format!("Unrecognized match type {operator}"))),
        }
    }

    fn exact(value: &Value) -> Result<Self, Fault> {
        match value {
            Value::Array(_) | Value::Object(_) => {
                Err(wrong("Match value must be String, number, true, false, or null"))
            }
            value => Ok(Self::Equals(value.clone())),
        }
    }

    /// Whether it holds for an attribute with these values, or for none.
    fn holds_for(&self, values: Option<&[Value]>) -> bool {
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

/// Numbers are compared to five decimal places, as SNS does.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.000_005
}

impl Comparison {
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

fn numeric(terms: &[Value]) -> Result<Vec<(Comparison, f64)>, Fault> {
    let term = |pair: &[Value]| {
        let comparison = match pair.first().and_then(Value::as_str)? {
            "=" => Comparison::Equal,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        Some((comparison, pair.get(1)?.as_f64()?))
    };
    let read: Option<Vec<_>> = terms.chunks(2).map(term).collect();
    read.filter(|terms| !terms.is_empty()).ok_or_else(|| wrong("Value of numeric must be comparisons"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(policy: &str, attributes: &[(&str, AttributeValue)]) -> bool {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Filter::parse(policy).unwrap().unwrap().takes(&attributes)
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::string(text)
    }

    #[test]
    fn each_condition_takes_what_it_says() {
        let array = AttributeValue { data_type: "String.Array".to_owned(), ..text(r#"["red", "blue"]"#) };
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
            ("3", AttributeValue::number("3.0"), true),
            ("3", text("3"), false),
            (r#"{"numeric": [">", 1, "<=", 5]}"#, AttributeValue::number("5"), true),
            (r#"{"numeric": [">", 1, "<=", 5]}"#, AttributeValue::number("1"), false),
        ] {
            let policy = format!(r#"{{"colour": [{condition}]}}"#);
            assert_eq!(takes(&policy, &[("colour", value.clone())]), taken, "{policy} {value:?}");
        }
    }

    #[test]
    fn all_attributes_of_a_policy_must_match() {
        let policy = r#"{"a": ["1"], "b": [{"exists": false}]}"#;
        assert!(takes(policy, &[("a", text("1"))]));
        assert!(!takes(policy, &[("a", text("1")), ("b", text("2"))]));
        assert!(!takes(policy, &[]));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for policy in [
            "{",
            "[]",
            r#"{"a": "x"}"#,
            r#"{"a": [["x"]]}"#,
            r#"{"a": [{"near": "x"}]}"#,
            r#"{"a": [{"numeric": ["~", 1]}]}"#,
        ] {
            assert!(Filter::parse(policy).is_err(), "{policy}");
        }
        assert!(Filter::parse("{}").unwrap().is_none());
    }
}
