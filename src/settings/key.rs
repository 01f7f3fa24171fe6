//! The key of a setting: its path, such as `queues.orders.retry.max`.

use std::fmt;

/// The path of a setting; displayed with dots, and with quotes where TOML needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Vec<String>);

impl Key {
    /// The path made of these names.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(str::to_owned).collect())
    }

    /// The path one step further down.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.push(name.to_owned());
        Self(names)
    }

    /// The path further down by a dotted rest of plain names.
    #[must_use]
    pub fn descend(&self, rest: &str) -> Self {
        rest.split('.').fold(self.clone(), |key, name| key.child(name))
    }

    /// This path followed by another one.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The names on the path.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The last name and the path that leads to it; `None` for the empty path.
    pub(crate) fn split_last(&self) -> Option<(&str, &[String])> {
        self.0.split_last().map(|(last, rest)| (last.as_str(), rest))
    }

    /// The path of the table this one is in; `None` for the empty path.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.split_last().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// True if this path is `other` or lies beneath it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(".")?;
            }
            formatter.write_str(&quoted(name))?;
        }
        Ok(())
    }
}

/// A name as TOML writes it in a key: bare where it can be.
pub(crate) fn quoted(name: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    format!("{name:?}")
}

/// True if two names are the same in the environment, which has neither lower case nor `-`.
pub(crate) fn are_alike(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.to_lowercase().replace('-', "_");
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_dot_is_quoted() {
        assert_eq!(Key::new(["queues", "orders.fifo", "url"]).to_string(), "queues.\"orders.fifo\".url");
    }

    #[test]
    fn a_key_is_within_itself_and_its_parents_only() {
        let key = Key::new(["queues", "a", "url"]);
        assert!(key.is_within(&key) && key.is_within(&Key::new(["queues"])));
        assert!(!Key::new(["queues"]).is_within(&key) && !key.is_within(&Key::new(["queues", "b"])));
    }
}
