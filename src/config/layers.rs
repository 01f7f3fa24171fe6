//! The layers of the configuration, each value with its origin, merged by the `config` crate.
//!
//! A layer is a [`Source`] of that crate, because its own sources lowercase keys, convert values and have no line
//! numbers. All settings are in one table beneath the root, because the crate reads dots in names at the root as paths.

use std::fmt;

use config::{ConfigError, Map, Source, Value, ValueKind};
use serde_json::Value as Json;

use crate::settings::Key;

/// The origin of a value that no source sets.
pub(super) const DEFAULT: &str = "default";
/// The name of the table that holds all settings.
const ROOT: &str = "settings";

/// The origin of a value from a flag, given with its dashes.
pub(super) fn of_flag(flag: &str) -> String {
    format!("flag {flag}")
}

/// The settings of one source, or of several that are merged: tables and values, each with its origin.
#[derive(Clone)]
pub(super) struct Layer(Value);

impl fmt::Debug for Layer {
    /// Hides the values, which may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layer").finish_non_exhaustive()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(Map::from_iter([(ROOT.to_owned(), self.0.clone())]))
    }
}

impl Default for Layer {
    fn default() -> Self {
        Self(table(DEFAULT))
    }
}

impl From<Value> for Layer {
    fn from(table: Value) -> Self {
        Self(table)
    }
}

impl Layer {
    /// Merges layers: a later one is stronger, value by value.
    pub(super) fn merged(layers: &[&Self]) -> Result<Self, ConfigError> {
        let builder = layers
            .iter()
            .fold(config::Config::builder(), |builder, layer| builder.add_source((*layer).clone()));
        let ValueKind::Table(mut root) = builder.build()?.cache.kind else { return Ok(Self::default()) };
        let mut merged = root.remove(ROOT).map_or_else(Self::default, Self);
        // The crate keeps the origins of values only; a table has that of the weakest layer it is in.
        for layer in layers.iter().rev() {
            keep_origins(&mut merged.0, &layer.0);
        }
        Ok(merged)
    }

    /// The table or the value at this key.
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        key.names().iter().try_fold(&self.0, |value, name| entry(value, name))
    }

    /// The names in the table at this key; none where no table is.
    pub(super) fn names(&self, key: &Key) -> Vec<&str> {
        self.get(key).map(entries).unwrap_or_default().into_iter().map(|(name, _)| name).collect()
    }

    /// The entries of the whole layer.
    pub(super) fn root(&self) -> &Value {
        &self.0
    }

    /// Sets a value, and makes the tables that lead to it.
    pub(super) fn set(&mut self, key: &Key, value: &Json, origin: &str) {
        self.put(key, of_json(value, origin));
    }

    /// Puts a table or a value at this key, and makes the tables that lead to it.
    pub(super) fn put(&mut self, key: &Key, value: Value) {
        let origin = origin_of(&value);
        let mut target = &mut self.0;
        for name in key.names() {
            if entries_mut(target).is_none() {
                *target = table(&origin);
            }
            let Some(entries) = entries_mut(target) else { return };
            target = entries.entry(name.clone()).or_insert_with(|| table(&origin));
        }
        *target = value;
    }

    /// Removes the table or value at this key; false if there is none.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some((last, rest)) = key.split_last() else { return false };
        let parent = rest.iter().try_fold(&mut self.0, |value, name| entries_mut(value)?.get_mut(name));
        parent.and_then(|value| entries_mut(value)?.remove(last)).is_some()
    }

    /// Every table and every value, each before those beneath it.
    pub(super) fn nodes(&self) -> Vec<(Key, &Value)> {
        let mut nodes = Vec::new();
        collect_nodes(&self.0, &Key::default(), &mut nodes);
        nodes
    }

    /// The bare values, without their origins.
    pub(super) fn json(&self) -> Json {
        json(&self.0)
    }
}

fn collect_nodes<'a>(value: &'a Value, at: &Key, nodes: &mut Vec<(Key, &'a Value)>) {
    for (name, value) in entries(value) {
        let key = at.child(name);
        nodes.push((key.clone(), value));
        collect_nodes(value, &key, nodes);
    }
}

fn keep_origins(merged: &mut Value, layer: &Value) {
    if !is_table(layer) || !is_table(merged) {
        return;
    }
    let ValueKind::Table(entries) = std::mem::take(&mut merged.kind) else { return };
    *merged = Value::new(Some(&origin_of(layer)), ValueKind::Table(entries));
    for (name, inner) in self::entries(layer) {
        if let Some(merged) = entries_mut(merged).and_then(|entries| entries.get_mut(name)) {
            keep_origins(merged, inner);
        }
    }
}

fn table(origin: &str) -> Value {
    Value::new(Some(&origin.to_owned()), ValueKind::Table(Map::new()))
}

fn entries_mut(value: &mut Value) -> Option<&mut Map<String, Value>> {
    match &mut value.kind {
        ValueKind::Table(entries) => Some(entries),
        _ => None,
    }
}

/// The entries of a table by name; none of a value.
pub(super) fn entries(value: &Value) -> Vec<(&str, &Value)> {
    let ValueKind::Table(entries) = &value.kind else { return Vec::new() };
    let mut entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), value)).collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    entries
}

/// The entry of this name in a table.
pub(super) fn entry<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match &value.kind {
        ValueKind::Table(entries) => entries.get(name),
        _ => None,
    }
}

/// True for a table.
pub(super) fn is_table(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Table(_))
}

/// The origin of a table or a value.
pub(super) fn origin_of(value: &Value) -> String {
    value.origin().unwrap_or(DEFAULT).to_owned()
}

/// A JSON value with one origin.
pub(super) fn of_json(value: &Json, origin: &str) -> Value {
    let inner = |value: &Json| of_json(value, origin);
    let kind = match value {
        Json::Null => ValueKind::Nil,
        Json::Bool(truth) => ValueKind::Boolean(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ValueKind::I64(number),
            (None, Some(number)) => ValueKind::U64(number),
            (None, None) => ValueKind::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => ValueKind::String(text.clone()),
        Json::Array(items) => ValueKind::Array(items.iter().map(inner).collect()),
        Json::Object(fields) => {
            ValueKind::Table(fields.iter().map(|(name, value)| (name.clone(), inner(value))).collect())
        }
    };
    Value::new(Some(&origin.to_owned()), kind)
}

/// The bare JSON of a table or a value.
pub(super) fn json(value: &Value) -> Json {
    match &value.kind {
        ValueKind::Nil => Json::Null,
        ValueKind::Boolean(truth) => (*truth).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::U64(number) => (*number).into(),
        // No source produces numbers of this size.
        ValueKind::I128(number) => number.to_string().into(),
        ValueKind::U128(number) => number.to_string().into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::String(text) => text.as_str().into(),
        ValueKind::Array(items) => items.iter().map(json).collect(),
        ValueKind::Table(_) => {
            entries(value).into_iter().map(|(name, value)| (name.to_owned(), json(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json as literal;

    use super::*;

    fn layer(values: &[(&str, &str, &str)]) -> Layer {
        let mut layer = Layer::default();
        for (key, value, origin) in values {
            layer.set(&Key::default().descend(key), &Json::from(*value), origin);
        }
        layer
    }

    fn origin(layer: &Layer, key: &str) -> String {
        layer.get(&Key::default().descend(key)).map(origin_of).unwrap()
    }

    #[test]
    fn a_later_layer_is_stronger_value_by_value_and_origins_are_kept() {
        let file = layer(&[("drain.limit", "1s", "file"), ("log.filter", "a", "file")]);
        let flags = layer(&[("drain.limit", "2s", "flag"), ("admin.listen", "x", "flag")]);
        let merged = Layer::merged(&[&file, &flags]).unwrap();
        let expected = literal!({"drain": {"limit": "2s"}, "log": {"filter": "a"}, "admin": {"listen": "x"}});
        assert_eq!(merged.json(), expected);
        assert_eq!(
            ["drain.limit", "log.filter", "drain", "admin"].map(|key| origin(&merged, key)),
            ["flag", "file", "file", "flag"]
        );
    }

    #[test]
    fn names_keep_their_case_and_their_dots() {
        let mut layer = Layer::default();
        for key in [Key::new(["a.b"]), Key::new(["Queues", "orders.FIFO", "url"])] {
            layer.set(&key, &"u".into(), "file");
        }
        let merged = Layer::merged(&[&layer]).unwrap();
        assert_eq!(merged.json(), literal!({"a.b": "u", "Queues": {"orders.FIFO": {"url": "u"}}}));
    }

    #[test]
    fn a_table_over_a_value_replaces_it() {
        let merged =
            Layer::merged(&[&layer(&[("log", "text", "a")]), &layer(&[("log.format", "json", "b")])]);
        assert_eq!(merged.unwrap().json(), literal!({"log": {"format": "json"}}));
    }

    #[test]
    fn a_value_can_be_removed_once() {
        let key = Key::new(["drain", "limit"]);
        let mut layer = layer(&[("drain.limit", "1s", "file")]);
        assert!(layer.remove(&key) && !layer.remove(&key));
        assert!(!layer.remove(&Key::default()));
    }

    #[test]
    fn json_of_every_kind_survives_the_conversion() {
        let value = literal!({"a": [1, -2, 1.5, true, null, u64::MAX], "b": {"c": "text"}});
        assert_eq!(json(&of_json(&value, "x")), value);
    }
}
