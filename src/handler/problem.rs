//! What a handler's settings have wrong.

use std::fmt;

/// One value of a handler's settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting's key.
    pub key: &'static str,
    /// The value it has, without secrets.
    pub value: String,
    /// What would be allowed.
    pub allowed: &'static str,
}

impl Problem {
    pub(super) fn new(key: &'static str, value: impl Into<String>, allowed: &'static str) -> Self {
        Self { key, value: value.into(), allowed }
    }

    /// Several of them in one line.
    pub(super) fn list(problems: &[Self]) -> String {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, allowed } = self;
        write!(formatter, "not allowed for {key}: {value}, hint: use {allowed}")
    }
}
