//! Settings as they were written, each with where it came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::settings::Key;
use serde_json::Value;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The command itself, such as `dev`.
    Command(&'static str),
    /// The file, at this line.
    File(PathBuf, usize),
    /// The environment variable.
    Environment(String),
    /// The flag, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Command(command) => write!(formatter, "default of {command}"),
            Self::File(path, line) => write!(formatter, "{}, line {line}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// A table or a value, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    Table(BTreeMap<String, Node>),
    Value(Value),
}

impl Node {
    /// A table with nothing in it.
    pub(super) fn table(origin: Origin) -> Self {
        Self { origin, content: Content::Table(BTreeMap::new()) }
    }

    /// The entries, if this is a table.
    pub(super) fn entries(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.content {
            Content::Table(entries) => Some(entries),
            Content::Value(_) => None,
        }
    }

    fn entries_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        match &mut self.content {
            Content::Table(entries) => Some(entries),
            Content::Value(_) => None,
        }
    }

    /// What stands at this key.
    pub(super) fn get(&self, key: &Key) -> Option<&Self> {
        key.names().iter().try_fold(self, |node, name| node.entries()?.get(name))
    }

    /// Sets a value over whatever stood there, making the tables that lead to it.
    pub(super) fn set(&mut self, key: &Key, value: Value, origin: &Origin) {
        self.put(key, Self { origin: origin.clone(), content: Content::Value(value) });
    }

    /// Puts a node over whatever stood there, making the tables that lead to it.
    pub(super) fn put(&mut self, key: &Key, node: Self) {
        let mut place = self;
        for name in key.names() {
            if place.entries().is_none() {
                *place = Self::table(node.origin.clone());
            }
            let Some(entries) = place.entries_mut() else { return };
            place = entries.entry(name.clone()).or_insert_with(|| Self::table(node.origin.clone()));
        }
        *place = node;
    }

    /// Takes out what stands at this key; false when nothing did.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some((last, rest)) = key.split_last() else { return false };
        let parent = rest.iter().try_fold(self, |node, name| node.entries_mut()?.get_mut(name));
        parent.and_then(|node| node.entries_mut()?.remove(last)).is_some()
    }

    /// Every value and every table beneath this node, each before what lies beneath it.
    pub(super) fn nodes(&self) -> Vec<(Key, &Self)> {
        let mut nodes = Vec::new();
        self.collect_nodes(&Key::default(), &mut nodes);
        nodes
    }

    fn collect_nodes<'a>(&'a self, at: &Key, nodes: &mut Vec<(Key, &'a Self)>) {
        for (name, node) in self.entries().into_iter().flatten() {
            let key = at.child(name);
            nodes.push((key.clone(), node));
            node.collect_nodes(&key, nodes);
        }
    }

    /// The bare values, without their origins.
    pub(super) fn to_value(&self) -> Value {
        match &self.content {
            Content::Value(value) => value.clone(),
            Content::Table(entries) => {
                entries.iter().map(|(name, node)| (name.clone(), node.to_value())).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_value_wins_and_brings_its_origin() {
        let key = Key::new(["drain", "limit"]);
        let mut tree = Node::table(Origin::Default);
        tree.set(&key, "1s".into(), &Origin::Flag("--drain-limit"));
        tree.set(&key, "2s".into(), &Origin::Environment("X".to_owned()));
        assert_eq!(tree.get(&key).unwrap().origin, Origin::Environment("X".to_owned()));
        assert_eq!(tree.to_value(), serde_json::json!({"drain": {"limit": "2s"}}));
    }

    #[test]
    fn a_table_over_a_value_replaces_it() {
        let mut tree = Node::table(Origin::Default);
        tree.set(&Key::new(["log"]), "text".into(), &Origin::Default);
        tree.set(&Key::new(["log", "format"]), "json".into(), &Origin::Default);
        assert_eq!(tree.to_value(), serde_json::json!({"log": {"format": "json"}}));
    }

    #[test]
    fn what_was_removed_is_gone_once() {
        let key = Key::new(["drain", "limit"]);
        let mut tree = Node::table(Origin::Default);
        tree.set(&key, "1s".into(), &Origin::Default);
        assert!(tree.remove(&key) && !tree.remove(&key));
        assert!(!tree.remove(&Key::default()));
    }
}
