//! The form of the file: queues and topics by their names, with AWS's names for attributes.

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::Deserialize;
use toml::{Spanned, Value};

use super::Mistake;
use crate::message::StringMap;

/// Attributes by AWS's names; a table or an array becomes JSON.
pub(super) type DeclaredAttributes = BTreeMap<String, Spanned<Value>>;

/// The content of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Declarations {
    #[serde(default)]
    pub(super) queues: BTreeMap<String, Spanned<DeclaredQueue>>,
    #[serde(default)]
    pub(super) topics: BTreeMap<String, Spanned<DeclaredTopic>>,
}

/// `[queues.NAME]`; a name that ends in `.fifo` makes a FIFO queue that deduplicates by content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredQueue {
    #[serde(default)]
    pub(super) attributes: DeclaredAttributes,
    #[serde(default)]
    pub(super) tags: StringMap,
    pub(super) dead_letter_queue: Option<Spanned<String>>,
    pub(super) max_receives: Option<Spanned<NonZeroU32>>,
}

/// `[topics.NAME]`; a name that ends in `.fifo` makes a FIFO topic that deduplicates by content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredTopic {
    #[serde(default)]
    pub(super) attributes: DeclaredAttributes,
    #[serde(default)]
    pub(super) tags: StringMap,
    #[serde(default)]
    pub(super) subscriptions: Vec<DeclaredSubscription>,
}

/// `[[topics.NAME.subscriptions]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeclaredSubscription {
    pub(super) queue: Spanned<String>,
    #[serde(default)]
    pub(super) attributes: DeclaredAttributes,
}

impl Declarations {
    /// Parses the file.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let is_form = ["unknown field", "missing field", "invalid"];
            let hint = if is_form.iter().any(|start| error.message().starts_with(start)) {
                "declare [queues.NAME] and [topics.NAME] with attributes and tags as docs/emulator.md shows"
            } else {
                "correct the TOML; a name with a dot is quoted, as in [queues.\"orders.fifo\"]"
            };
            Mistake::new(offset, error.message(), hint)
        })
    }
}

/// An attribute in the spelling of AWS: a text, a number or `true`, or JSON.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Table(_) => serde_json::to_string(value).unwrap_or_default(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(time) => time.to_string(),
    }
}
