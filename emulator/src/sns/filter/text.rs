//! The text of a filter policy as SNS reads it: from the beginning to the end, with a position for each error.
//!
//! SNS removes white space before it reads a policy, and names positions as its parser does: behind the value that it
//! has just read, or behind the first character of one that it has not read to its end (recorded against AWS).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// The most characters of a policy that an error quotes.
const QUOTED: usize = 500;

/// A value of a policy, and the columns of its place.
#[derive(Debug)]
pub(super) struct PolicyValue {
    pub(super) content: PolicyContent,
    /// The column behind its first character, of a number and the like behind its last.
    pub(super) begin: usize,
    /// The column behind its last character.
    pub(super) end: usize,
}

/// The content of a value.
#[derive(Debug)]
pub(super) enum PolicyContent {
    /// An object, in the order of its text.
    Object(Vec<(String, PolicyValue)>),
    /// An array.
    Array(Vec<PolicyValue>),
    /// Any other value.
    Scalar(Value),
}

/// The reason for which SNS refuses a policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PolicyProblem {
    reason: String,
    column: Option<usize>,
}

impl PolicyProblem {
    /// A reason at a column.
    pub(super) fn at(column: usize, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), column: Some(column) }
    }

    /// The reason with the text of the policy.
    pub(super) fn in_text(self, text: &str) -> String {
        let Self { reason, column } = self;
        let Some(column) = column else { return reason };
        let quoted: String = text.chars().take(QUOTED).collect();
        let truncated = match text.chars().count().saturating_sub(QUOTED) {
            0 => String::new(),
            left => format!("[truncated {left} chars]"),
        };
        format!("{reason}\n at [Source: (String)\"{quoted}\"{truncated}; line: 1, column: {column}]")
    }
}

/// A reason without a place.
impl From<String> for PolicyProblem {
    fn from(reason: String) -> Self {
        Self { reason, column: None }
    }
}

impl PolicyValue {
    /// Parses a policy, which is an object; returns its text without white space, too.
    pub(super) fn parse(text: &str) -> serde_json::Result<(Vec<(String, PolicyValue)>, String)> {
        let mut policy: Self = serde_json::from_str(text)?;
        let mut compact = CompactText { text: String::new(), column: 1 };
        policy.write(&mut compact);
        let members = policy.into_members().ok_or_else(|| serde_json::Error::custom("it is no object"))?;
        Ok((members, compact.text))
    }

    /// The members of an object.
    pub(super) fn into_members(self) -> Option<Vec<(String, PolicyValue)>> {
        if let PolicyContent::Object(members) = self.content { Some(members) } else { None }
    }

    /// The text of a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        if let PolicyContent::Scalar(value) = &self.content { value.as_str() } else { None }
    }

    /// The value of a number.
    pub(super) fn as_f64(&self) -> Option<f64> {
        if let PolicyContent::Scalar(value) = &self.content { value.as_f64() } else { None }
    }

    /// Writes the value and notes its place.
    fn write(&mut self, compact: &mut CompactText) {
        match &mut self.content {
            PolicyContent::Object(members) => {
                self.begin = compact.push("{");
                for (position, (name, value)) in members.iter_mut().enumerate() {
                    compact.separate(position);
                    compact.push(&Value::from(name.as_str()).to_string());
                    compact.push(":");
                    value.write(compact);
                }
                self.end = compact.push("}");
            }
            PolicyContent::Array(values) => {
                self.begin = compact.push("[");
                for (position, value) in values.iter_mut().enumerate() {
                    compact.separate(position);
                    value.write(compact);
                }
                self.end = compact.push("]");
            }
            PolicyContent::Scalar(value) => {
                self.begin = compact.column + 1;
                self.end = compact.push(&value.to_string());
                if !value.is_string() {
                    self.begin = self.end;
                }
            }
        }
    }
}

/// Shows a value in an error: a scalar as JSON, the others by their first character.
impl fmt::Display for PolicyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.content {
            PolicyContent::Object(_) => formatter.write_str("{"),
            PolicyContent::Array(_) => formatter.write_str("["),
            PolicyContent::Scalar(value) => value.fmt(formatter),
        }
    }
}

/// A text that is written, and the column behind it.
struct CompactText {
    text: String,
    column: usize,
}

impl CompactText {
    fn push(&mut self, text: &str) -> usize {
        self.text.push_str(text);
        self.column += text.encode_utf16().count();
        self.column
    }

    fn separate(&mut self, position: usize) {
        if position > 0 {
            self.push(",");
        }
    }
}

impl<'de> Deserialize<'de> for PolicyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = deserializer.deserialize_any(ContentVisitor)?;
        Ok(Self { content, begin: 0, end: 0 })
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = PolicyContent;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of a policy")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyContent, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(PolicyContent::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<PolicyContent, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element()? {
            values.push(value);
        }
        Ok(PolicyContent::Array(values))
    }

    fn visit_str<E>(self, text: &str) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(text.into()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(value.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(number.into()))
    }

    fn visit_unit<E>(self) -> Result<PolicyContent, E> {
        Ok(PolicyContent::Scalar(Value::Null))
    }
}
