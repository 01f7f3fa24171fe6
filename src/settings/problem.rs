//! One problem in settings, with everything that a person needs to fix it.

use std::fmt;

use serde_json::Value;

use super::{
    Key,
    secret::{HIDDEN, hide, hide_setting, holds_secrets, names_a_secret},
};

/// The longest part of a value that is shown.
const VALUE_CHARS: usize = 200;

/// One problem in settings.
///
/// Displayed as the key, its value and the message, and on further lines the origin, what is allowed and a hint.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    key: Option<Key>,
    message: String,
    value: Option<Value>,
    origin: Option<String>,
    allowed: Option<String>,
    hint: Option<String>,
    meant: Option<Key>,
}

impl Problem {
    /// A problem of the setting at a dotted path of plain names.
    pub(crate) fn new(key: &str, message: impl Into<String>) -> Self {
        Self::of(Key::default().descend(key), message)
    }

    /// A problem of one setting.
    pub(crate) fn of(key: Key, message: impl Into<String>) -> Self {
        Self { key: Some(key), ..Self::general(message) }
    }

    /// A problem of no single setting.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self {
            key: None,
            message: message.into(),
            value: None,
            origin: None,
            allowed: None,
            hint: None,
            meant: None,
        }
    }

    /// Adds the value.
    #[must_use]
    pub(crate) fn with_value(mut self, value: impl Into<Value>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// Adds the origin of the value, such as `longshore.toml, line 3`.
    #[must_use]
    pub(crate) fn with_origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds what is allowed.
    #[must_use]
    pub(crate) fn with_allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the setting that was probably meant.
    #[must_use]
    pub(crate) fn with_meant(mut self, key: Key) -> Self {
        self.meant = Some(key);
        self
    }

    /// Replaces the message.
    #[must_use]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Puts the key beneath that of the part's table.
    #[must_use]
    pub(crate) fn beneath(mut self, table: &Key) -> Self {
        self.key = self.key.map(|key| table.join(&key));
        self.meant = self.meant.map(|key| table.join(&key));
        self
    }

    /// The setting; `None` if no single setting is at fault.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// The message of the problem.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The origin of the value, such as `longshore.toml, line 3`.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The description of the allowed values.
    pub fn allowed(&self) -> Option<&str> {
        self.allowed.as_deref()
    }

    /// The advice on what to do.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// True if this problem is the reason why a setting is wrong, so that a second problem about it helps nobody.
    pub(crate) fn explains(&self, setting: &Key) -> bool {
        let touches = |key: &Key| key.is_within(setting) || setting.is_within(key);
        self.key.as_ref().is_some_and(touches) || self.meant.as_ref() == Some(setting)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = hide(&self.message);
        match (&self.key, &self.value) {
            (Some(key), Some(value)) if !value.is_object() => {
                write!(formatter, "{key} = {}: {message}", shown(key, value))?;
            }
            (Some(key), _) => write!(formatter, "{key}: {message}")?,
            (None, _) => formatter.write_str(&message)?,
        }
        for (label, text) in [("from", &self.origin), ("allowed", &self.allowed), ("hint", &self.hint)] {
            if let Some(text) = text {
                write!(formatter, "\n    {label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// A value without secrets, cut if it is very long.
fn shown(key: &Key, value: &Value) -> String {
    let names = key.names();
    let is_inside = names.windows(2).any(|tables| holds_secrets(&tables[0], &tables[1]));
    if is_inside || names.last().is_some_and(|name| names_a_secret(name)) {
        return HIDDEN.to_owned();
    }
    let name = names.last().map_or("", String::as_str);
    let text = hide_setting(name, value.clone()).to_string();
    shortened(&text, VALUE_CHARS)
}

/// The first characters of a text, and `…` if there are more.
pub(crate) fn shortened(text: &str, most_chars: usize) -> String {
    match text.char_indices().nth(most_chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Puts problems beneath the table at a dotted path of plain names.
pub(crate) fn within(table: &str, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    let table = Key::default().descend(table);
    problems.into_iter().map(move |problem| problem.beneath(&table))
}

/// All problems of some settings; displayed as a block for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Refuses settings in which problems were found.
    pub(crate) fn refuse(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }

    /// All of them in one line, for an answer over HTTP.
    #[cfg(feature = "admin")]
    pub(crate) fn in_one_line(&self) -> String {
        let line = |problem: &Problem| {
            let text = problem.to_string();
            text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => formatter.write_str("a problem")?,
            count => write!(formatter, "{count} problems")?,
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

    fn shown_as(key: &str, value: impl Into<Value>) -> String {
        Problem::new(key, "unknown key").with_value(value).with_origin("default").to_string()
    }

    #[test]
    fn a_secret_in_the_wrong_table_is_not_shown() {
        let of_env = shown_as("queues.q.handler.env.DB", "hunter2");
        assert!(of_env.starts_with("queues.q.handler.env.DB = ***"), "{of_env}");
        let of_aws = shown_as("aws.secret_key", "hunter2");
        assert_eq!(of_aws, "aws.secret_key = ***: unknown key\n    from: default");
        assert!(!shown_as("aws.url", "http://me:hunter2@h").contains("hunter2"));
    }

    #[test]
    fn all_parts_are_printed_and_can_be_read() {
        let problem = Problem::new("queues.q.url", "no URL")
            .with_value("orders")
            .with_origin("longshore.toml, line 3")
            .with_allowed("a URL")
            .with_hint("copy it from the console");
        assert_eq!(
            problem.to_string(),
            "queues.q.url = \"orders\": no URL\n    from: longshore.toml, line 3\n    allowed: a URL\n    hint: \
             copy it from the console"
        );
        assert_eq!(problem.message(), "no URL");
        assert_eq!(problem.origin(), Some("longshore.toml, line 3"));
        assert_eq!((problem.allowed(), problem.hint()), (Some("a URL"), Some("copy it from the console")));
        let bare = Problem::general("no queue").with_message("no queues");
        assert_eq!(bare.to_string(), "no queues");
        assert_eq!((bare.key(), bare.origin(), bare.allowed(), bare.hint()), (None, None, None, None));
        assert_eq!(
            Problem::new("queues", "empty").with_value(serde_json::json!({})).to_string(),
            "queues: empty"
        );
    }

    #[test]
    fn problems_are_counted_and_none_is_none() {
        assert_eq!(Problems::refuse(Vec::new()), Ok(()));
        let (one, other) = (Problem::general("one"), Problem::general("other"));
        let refused = Problems::refuse(vec![one.clone()]).unwrap_err();
        assert_eq!(refused.to_string(), "a problem\n\n  one");
        assert_eq!(Problems(vec![one, other]).to_string(), "2 problems\n\n  one\n\n  other");
    }

    #[test]
    fn a_problem_explains_its_setting_and_what_is_in_it_or_around_it() {
        let problem =
            Problem::new("queues.q.retry", "no table").with_meant(Key::new(["queues", "q", "redo"]));
        let explains = |setting: &[&str]| problem.explains(&Key::new(setting.iter().copied()));
        assert!(explains(&["queues", "q", "retry"]));
        assert!(explains(&["queues", "q", "retry", "max"]));
        assert!(explains(&["queues", "q"]));
        assert!(explains(&["queues", "q", "redo"]));
        assert!(!explains(&["queues", "q", "url"]));
        assert!(!explains(&["queues", "q", "redo", "max"]));
        assert!(!Problem::general("no queue").explains(&Key::new(["queues"])));
    }

    #[test]
    fn a_long_value_is_cut_and_a_short_one_is_not() {
        let shown = |chars: usize| shown_as("a", "x".repeat(chars));
        // With its two quotes.
        assert!(shown(VALUE_CHARS - 2).contains("x\": unknown"));
        assert!(shown(VALUE_CHARS - 1).contains("x…: unknown"));
    }

    #[test]
    fn an_endless_value_is_cut_short() {
        assert!(shown_as("a", "é".repeat(10_000)).chars().count() < 300);
    }

    #[test]
    fn problems_of_a_part_are_put_beneath_its_table() {
        let problem = Problem::new("max", "too long").with_meant(Key::new(["min"]));
        let moved: Vec<_> = within("queues.retry", vec![problem]).collect();
        assert_eq!(moved[0].key(), Some(&Key::new(["queues", "retry", "max"])));
        assert!(moved[0].explains(&Key::new(["queues", "retry", "min"])));
    }
}
