//! Problems in settings: how every part reports them, and the rules that several parts share.
//!
//! A part validates its own settings with `validate() -> Vec<Problem>`, whose keys are relative to the part. The
//! configuration and the library's builders call the same function; the configuration adds where a value came from.

mod problem;
mod secret;

use std::{
    fmt::{self, Display},
    ops::RangeInclusive,
};

use url::Url;

use crate::duration::Span;

#[cfg(feature = "admin")]
pub(crate) use self::secret::Secret;
pub(crate) use self::{
    problem::within,
    secret::{HIDDEN, hide_setting, holds_secrets},
};
pub(crate) use self::{
    problem::{Problem, Problems, shortened},
    secret::hide,
};

/// The origin of a value from an environment variable.
pub(crate) fn of_variable(name: &str) -> String {
    format!("environment {name}")
}

/// Requires a whole number within a range.
pub(crate) fn in_range(key: &str, number: usize, range: &RangeInclusive<usize>) -> Option<Problem> {
    let problem = || {
        Problem::new(key, "out of range").with_value(number).with_allowed(format!(
            "a whole number from {} to {}",
            range.start(),
            range.end()
        ))
    };
    (!range.contains(&number)).then(problem)
}

/// Refuses a value, or an item of a list; the item is shown as it is, and so must hold no secret.
pub(crate) fn not_allowed(key: &str, item: impl Display, allowed: impl Into<String>) -> Problem {
    Problem::new(key, format!("not allowed: {item}")).with_allowed(allowed)
}

/// Requires whole seconds within a range, because SQS counts in them.
pub(crate) fn whole_seconds(key: &str, span: Span, range: &RangeInclusive<Span>) -> Option<Problem> {
    let is_whole = span.0.subsec_nanos() == 0;
    if is_whole && range.contains(&span) {
        return None;
    }
    let message = if is_whole { "out of range" } else { "SQS counts in whole seconds" };
    let allowed = format!("whole seconds from {} to {}", range.start(), range.end());
    Some(Problem::new(key, message).with_value(span).with_allowed(allowed))
}

/// Requires a duration that is no longer than `longest`.
pub(crate) fn at_most(key: &str, span: Span, longest: Span) -> Option<Problem> {
    let problem =
        || Problem::new(key, "too long").with_value(span).with_allowed(format!("at most {longest}"));
    (span > longest).then(problem)
}

/// Requires an `http` or `https` URL with a host, if there is a URL.
pub(crate) fn http_url(key: &str, url: Option<&str>) -> Option<Problem> {
    let url = url?;
    let message = match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => return None,
        Ok(_) => "not an http or https URL".to_owned(),
        Err(error) => format!("not a URL: {error}"),
    };
    Some(Problem::new(key, message).with_value(url).with_allowed("an http or https URL"))
}

/// True for a name that an environment variable can have.
pub(crate) fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Requires names that an environment variable can have.
pub(crate) fn variable_names(key: &str, names: &[String]) -> impl Iterator<Item = Problem> {
    let problem =
        move |name: &String| not_allowed(key, format!("{name:?}"), "names of environment variables");
    names.iter().filter(|name| !is_variable_name(name)).map(problem)
}

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

impl Display for Key {
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

    #[test]
    fn a_key_has_a_last_name_and_a_parent() {
        let key = Key::new(["queues", "a"]);
        assert_eq!(key.split_last(), Some(("a", &["queues".to_owned()][..])));
        assert_eq!(key.parent(), Some(Key::new(["queues"])));
        assert_eq!((Key::default().split_last(), Key::default().parent()), (None, None));
    }

    #[test]
    fn names_are_alike_if_the_environment_cannot_tell_them_apart() {
        assert!(are_alike("Dead-Orders", "dead_orders"));
        assert!(!are_alike("orders", "orders2"));
    }

    #[test]
    fn a_url_is_http_or_https_with_a_host() {
        let is_sound = |url| http_url("url", Some(url)).is_none();
        assert!(is_sound("http://localhost:4566/a") && is_sound("https://example.com"));
        assert!(http_url("url", None).is_none());
        for wrong in ["ftp://example.com", "unix:/run/socket", "example.com", "http://", ""] {
            assert!(!is_sound(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_variable_has_a_name_without_an_equals_sign() {
        let names = ["A", "", "A=B", "A\0"].map(str::to_owned);
        let problems: Vec<_> = variable_names("inherit", &names).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(is_variable_name("A") && !is_variable_name(""));
        assert!(problems[1].to_string().contains("A=B"), "{problems:?}");
    }
}
