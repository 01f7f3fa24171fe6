//! What is wrong with a configuration, in words for the person who can put it right.

use std::fmt;

use serde_json::Value;

use super::{
    key::Key,
    secret::{HIDDEN, hide, holds_secrets, names_a_secret},
    tree::Origin,
};

/// How much of a value is shown.
const VALUE_CHARS: usize = 200;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What is wrong, in a few words.
    pub what: String,
    /// The setting, unless no single setting is at fault.
    pub key: Option<Key>,
    /// The value it was given, as it was written.
    pub value: Option<Value>,
    /// Where it was given.
    pub origin: Option<Origin>,
    /// What would be right.
    pub allowed: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The setting that was probably meant instead.
    pub(super) meant: Option<Key>,
}

impl Problem {
    /// A problem of no single setting.
    pub(super) fn elsewhere(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            key: None,
            value: None,
            origin: None,
            allowed: None,
            hint: None,
            meant: None,
        }
    }

    /// A problem of one setting.
    pub(super) fn of(key: Key, what: impl Into<String>) -> Self {
        Self { key: Some(key), ..Self::elsewhere(what) }
    }

    /// Adds the value and its origin.
    pub(super) fn given(mut self, value: Value, origin: Origin) -> Self {
        self.value = Some(value);
        self.from(origin)
    }

    /// Adds the origin alone, where the value is told already.
    pub(super) fn from(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Adds what would be right.
    pub(super) fn allowed(mut self, allowed: Option<String>) -> Self {
        self.allowed = allowed;
        self
    }

    /// Adds the setting that was probably meant.
    pub(super) fn meant(mut self, key: Key) -> Self {
        self.meant = Some(key);
        self
    }

    /// Whether this problem is why a setting is not as it should be, so that saying so again helps nobody.
    pub(super) fn explains(&self, setting: &Key) -> bool {
        let touches = |key: &Key| key.is_within(setting) || setting.is_within(key);
        self.key.as_ref().is_some_and(touches) || self.meant.as_ref() == Some(setting)
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.value) {
            (Some(key), Some(value)) if !value.is_object() => {
                write!(formatter, "{key} = {}: {}", shown(key, value), hide(&self.what))?;
            }
            (Some(key), _) => write!(formatter, "{key}: {}", hide(&self.what))?,
            (None, _) => formatter.write_str(&hide(&self.what))?,
        }
        if let Some(origin) = &self.origin {
            write!(formatter, "\n    from: {origin}")?;
        }
        if let Some(allowed) = &self.allowed {
            write!(formatter, "\n    allowed: {allowed}")?;
        }
        match &self.hint {
            Some(hint) => write!(formatter, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A value as people may see it: without secrets, and not endless.
fn shown(key: &Key, value: &Value) -> String {
    let names = key.names();
    let is_inside = names.windows(2).any(|tables| holds_secrets(&tables[0], &tables[1]));
    if is_inside || names.last().is_some_and(|name| names_a_secret(name)) {
        return HIDDEN.to_owned();
    }
    let text = hide(&value.to_string());
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => formatter.write_str("the configuration has a problem")?,
            count => write!(formatter, "the configuration has {count} problems")?,
        }
        for problem in &self.0 {
            write!(formatter, "\n\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(key: &str, value: impl Into<Value>) -> String {
        Problem::of(Key::default().descend(key), "unknown key")
            .given(value.into(), Origin::Default)
            .to_string()
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_shown() {
        let told_of_env = told("queues.q.handler.env.DB", "hunter2");
        assert!(told_of_env.starts_with("queues.q.handler.env.DB = ***"), "{told_of_env}");
        assert_eq!(told("aws.secret_key", "hunter2"), "aws.secret_key = ***: unknown key\n    from: default");
        assert!(!told("aws.url", "http://me:hunter2@h").contains("hunter2"));
    }

    #[test]
    fn an_endless_value_is_cut_short() {
        assert!(told("a", "é".repeat(10_000)).chars().count() < 300);
    }
}
