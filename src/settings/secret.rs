//! Hides credentials in text and settings that are shown or logged.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The replacement of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Words in the name of a query parameter that make its value a secret.
const SECRET_WORDS: [&str; 10] =
    ["token", "secret", "key", "sig", "password", "passwd", "passphrase", "pwd", "auth", "credential"];

/// The setting with a program and its arguments.
const COMMAND: &str = "command";

/// The options whose value is a user and a password, as those of curl.
const USER_OPTIONS: [&str; 4] = ["-u", "-U", "--user", "--proxy-user"];

/// Words before a credential in a header.
const CREDENTIAL_SCHEMES: [&str; 3] = ["bearer", "basic", "token"];

/// The tables whose values often are secrets: a program's environment variables, and the headers of requests.
const SECRET_TABLES: [[&str; 2]; 2] = [["handler", "env"], ["handler", "headers"]];

/// The length from which a query value is taken for a token, whatever its name.
const TOKEN_CHARS: usize = 20;

/// A secret of the settings, which no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares with another text, in a time that shows nothing but the length.
    pub(crate) fn is(&self, text: &str) -> bool {
        let differs =
            self.0.bytes().zip(text.bytes()).fold(0, |differs, (own, other)| differs | (own ^ other));
        self.0.len() == text.len() && differs == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

/// Hides secrets in the URLs of a text: `user:password@`, and query values that look like tokens.
///
/// Works on any text, so that malformed URLs in error messages, and parts of URLs, are hidden too.
pub(crate) fn hide(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let (url, remaining) = after.split_at(url_end(after));
        shown.push_str(&hide_in_words(before));
        shown.push_str("://");
        shown.push_str(&hide_in_url(url));
        rest = remaining;
    }
    shown.push_str(&hide_in_words(rest));
    shown
}

/// Hides secrets in the value of a setting by its name.
///
/// A URL is hidden up to its last `@`, however malformed it is. In a command, the values of options and variables whose
/// names say that they are secrets are hidden.
pub(crate) fn hide_setting(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if name == COMMAND => hide_in_command(&[text]).concat().into(),
        Value::String(text) if is_url_setting(name) => hide_in_url_setting(&text).into(),
        Value::String(text) => hide(&text).into(),
        Value::Array(items) if name == COMMAND && items.iter().all(Value::is_string) => {
            let arguments: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            hide_in_command(&arguments).into()
        }
        Value::Array(items) => items.into_iter().map(|item| hide_setting(name, item)).collect(),
        value => value,
    }
}

fn is_url_setting(name: &str) -> bool {
    ["url", "urls"].iter().any(|ending| name == *ending || name.ends_with(&format!("_{ending}")))
}

fn hide_in_url_setting(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((_, after)) if scheme.is_empty() => hide(&format!("{HIDDEN}@{after}")),
        Some((_, after)) => hide(&format!("{scheme}://{HIDDEN}@{after}")),
        None => hide(text),
    }
}

/// Hides secrets in a program's arguments, each of which may be a script of several words.
fn hide_in_command(arguments: &[impl AsRef<str>]) -> Vec<String> {
    let mut next = NextWord::Shown;
    let shown = |argument: &str| match next {
        NextWord::Hidden | NextWord::User => next.shown(argument),
        NextWord::Shown | NextWord::Assigned => hide(&hide_in_argument(argument, &mut next)),
    };
    arguments.iter().map(AsRef::as_ref).map(shown).collect()
}

fn hide_in_argument(argument: &str, next: &mut NextWord) -> String {
    let is_between = |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | ';');
    let (mut shown, mut rest) = (String::new(), argument);
    while !rest.is_empty() {
        let (between, after) = rest.split_at(rest.find(|letter| !is_between(letter)).unwrap_or(rest.len()));
        let quote =
            between.chars().last().filter(|last| matches!(last, '"' | '\'') && *next == NextWord::Hidden);
        let end = quote.map_or_else(|| after.find(is_between), |quote| after.find(quote));
        let (word, remaining) = after.split_at(end.unwrap_or(after.len()));
        shown.push_str(between);
        if !word.is_empty() {
            shown.push_str(&next.shown(word));
        }
        rest = remaining;
    }
    shown
}

/// The way to show the next word of a command, by the words before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextWord {
    Shown,
    /// It is hidden if this one assigns it: the word before names a secret.
    Assigned,
    Hidden,
    /// It is a user, a colon and a password.
    User,
}

impl NextWord {
    /// Returns the word without secrets.
    fn shown(&mut self, word: &str) -> String {
        match std::mem::replace(self, Self::Shown) {
            Self::Hidden if CREDENTIAL_SCHEMES.contains(&word.to_lowercase().as_str()) => {
                *self = Self::Hidden;
            }
            Self::Hidden => return HIDDEN.to_owned(),
            Self::User => return hide_after_colon(word),
            Self::Assigned if matches!(word, ":" | "=") => *self = Self::Hidden,
            Self::Assigned | Self::Shown => match word.split_once(['=', ':']) {
                Some((name, value)) if is_assigned(name, value) => {
                    return format!("{}{HIDDEN}", &word[..=name.len()]);
                }
                _ => *self = Self::after(word),
            },
        }
        word.to_owned()
    }

    /// The way to show the word after one that is shown.
    fn after(word: &str) -> Self {
        if USER_OPTIONS.contains(&word) {
            Self::User
        } else if !names_a_secret(word) {
            Self::Shown
        } else if word.starts_with('-') || word.ends_with([':', '=']) {
            Self::Hidden
        } else {
            Self::Assigned
        }
    }
}

/// True for a name and a value as in `--password=value`, `PASSWORD=value` and `"password":value`.
fn is_assigned(name: &str, value: &str) -> bool {
    !value.is_empty() && !value.starts_with("//") && names_a_secret(name)
}

fn hide_after_colon(user: &str) -> String {
    user.split_once(':').map_or_else(|| user.to_owned(), |(name, _)| format!("{name}:{HIDDEN}"))
}

/// The end of a URL in a text, of which `after` is what follows `://`.
///
/// A malformed password may have quotes in it, or, if what stands before it cannot be a port, white space.
fn url_end(after: &str) -> usize {
    let scope = after.find("://").map_or(after, |next| &after[..next]);
    let word = scope.split(char::is_whitespace).next().unwrap_or_default();
    let in_words = || has_no_port(&word[..host_end(word)]).then(|| scope.rfind('@')).flatten();
    let host = word.rfind('@').or_else(in_words).map_or(0, |at| at + 1);
    after[host..].find(ends_a_url).map_or(after.len(), |end| host + end)
}

/// True if what follows the host's colon cannot be a port.
fn has_no_port(authority: &str) -> bool {
    let is_no_port = |port: &str| !port.is_empty() && !port.ends_with(']') && port.parse::<u16>().is_err();
    authority.rsplit_once(':').is_some_and(|(_, port)| is_no_port(port))
}

/// Hides in text that may hold parts of a URL: the text before an `@`, and the values of a query.
fn hide_in_words(text: &str) -> String {
    text.split_inclusive(ends_a_url).map(hide_in_word).collect()
}

fn hide_in_word(word: &str) -> String {
    let (before, query) = match word.split_once('?') {
        Some((before, query)) => (before, format!("?{}", hide_in_query(query))),
        None => (word, String::new()),
    };
    match before.rsplit_once('@') {
        Some((_, after)) => format!("{HIDDEN}@{after}{query}"),
        None => format!("{before}{query}"),
    }
}

/// True if a value of this name is probably a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// True if every value of this table, inside a table named `outer`, may be a secret whatever its name.
pub(crate) fn holds_secrets(outer: &str, table: &str) -> bool {
    SECRET_TABLES.contains(&[outer, table])
}

fn ends_a_url(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '`' | ',' | '<' | '>')
}

/// Hides in the part of a URL after its scheme.
fn hide_in_url(url: &str) -> String {
    let (authority, path) = url.split_at(authority_end(url));
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None if has_no_port(authority) => hide_after_colon(authority),
        None => authority.to_owned(),
    };
    match path.split_once('?') {
        Some((path, query)) => format!("{authority}{path}?{}", hide_in_query(query)),
        None => format!("{authority}{path}"),
    }
}

/// The end of the user, password and host; a malformed password with a raw `/` in it is hidden, too.
fn authority_end(url: &str) -> usize {
    let end = host_end(url);
    let (authority, path) = url.split_at(end);
    match path.rfind('@') {
        Some(at) if has_no_port(authority) => end + at + 1 + host_end(&path[at + 1..]),
        _ => end,
    }
}

fn host_end(text: &str) -> usize {
    text.find(['/', '?', '#']).unwrap_or(text.len())
}

fn hide_in_query(query: &str) -> String {
    let parameters: Vec<String> = query.split('&').map(hide_parameter).collect();
    parameters.join("&")
}

fn hide_parameter(parameter: &str) -> String {
    let (name, value) = parameter.split_once('=').unwrap_or(("", parameter));
    let is_secret = names_a_secret(name) || value.len() >= TOKEN_CHARS;
    match (is_secret, name) {
        (false, _) => parameter.to_owned(),
        (true, "") => HIDDEN.to_owned(),
        (true, name) => format!("{name}={HIDDEN}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_secret_is_compared_and_never_shown() {
        let secret = Secret::new("hunter2hunter2");
        assert!(secret.is("hunter2hunter2"));
        for other in ["hunter2hunter3", "hunter2", "hunter2hunter2!", ""] {
            assert!(!secret.is(other), "{other}");
        }
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reveal(), "hunter2hunter2");
        // Two differences do not cancel each other out.
        assert!(!Secret::new("aa").is("bb"));
    }

    #[test]
    fn passwords_and_tokens_are_hidden_and_the_rest_is_shown() {
        for (text, shown) in [
            ("http://user:pa/ss@host/p", "http://***@host/p"),
            ("http://host:80/@scope", "http://host:80/@scope"),
            ("http://user:pass@host:80/p", "http://***@host:80/p"),
            ("http://h/?page=2&api_key=k#f", "http://h/?page=2&api_key=***"),
            ("http://h/?abcdefghijklmnopqrstuvwxyz", "http://h/?***"),
            ("bad url \"http://u:p@:x/\", try http://ok/", "bad url \"http://***@:x/\", try http://ok/"),
            ("no url at all, is it? no", "no url at all, is it? no"),
            ("http://u:pw@ bad host:1/?token=t", "http://***@ bad host:1/?token=***"),
            ("//u:pw@h/ and u:pw@h", "***@h/ and ***@h"),
            ("http://u:p w@h/ ok", "http://***@h/ ok"),
            ("\"http://u:p\"w,x@h/\" ok", "\"http://***@h/\" ok"),
            ("redis://:hunter2", "redis://:***"),
            ("http://[::1]:80/ and http://[::1]/", "http://[::1]:80/ and http://[::1]/"),
            ("http://a/,http://u:p@h/", "http://a/,http://***@h/"),
            ("http://u:p\"@h/ ok", "http://***@h/ ok"),
            ("http://u:p@h/a b@c", "http://***@h/a ***@c"),
            ("http://u:pa/ss@host/p?token=t&page=2", "http://***@host/p?token=***&page=2"),
            ("http://u:pa/s@s@host?page=2", "http://***@host?page=2"),
            ("http://u:p@h:99999/@scope/p", "http://***@scope/p"),
            ("http://h/?q=abcdefghijklmnopqrs", "http://h/?q=abcdefghijklmnopqrs"),
            ("http://h/?q=abcdefghijklmnopqrst", "http://h/?q=***"),
        ] {
            assert_eq!(hide(text), shown);
        }
    }

    #[test]
    fn a_malformed_url_of_a_setting_is_hidden_up_to_its_last_at() {
        for (text, shown) in [
            ("http://u:12/34@h/", "http://***@h/"),
            ("http:/u:p@h/", "***@h/"),
            ("u:p w@h", "***@h"),
            ("http://u:p@q?x#y@h/?token=t", "http://***@h/?token=***"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ] {
            for name in ["url", "endpoint_url"] {
                assert_eq!(hide_setting(name, text.into()), Value::from(shown));
            }
            assert_eq!(hide_setting("urls", vec![text].into()), Value::from(vec![shown]));
        }
    }

    #[test]
    fn an_at_in_the_text_of_another_setting_hides_the_word_before_it_only() {
        let text = "a b@c, http://127.0.0.1/ and http://u:p@h/";
        assert_eq!(
            hide_setting("description", text.into()),
            Value::from("a ***@c, http://127.0.0.1/ and http://***@h/")
        );
    }

    #[test]
    fn secrets_in_the_arguments_of_a_command_are_hidden() {
        for (arguments, shown) in [
            (vec!["job", "--password=hunter2", "--fast"], vec!["job", "--password=***", "--fast"]),
            (vec!["job", "--api-key", "hunter 2", "x"], vec!["job", "--api-key", "***", "x"]),
            (vec!["psql", "postgres://app:hunter2@db/orders"], vec!["psql", "postgres://***@db/orders"]),
            (vec!["curl", "-u", "app:hunter2", "h"], vec!["curl", "-u", "app:***", "h"]),
            (
                vec!["sh", "-c", "DB_PASSWORD='hunter 2' job; curl -H 'Authorization: Bearer hunter2' h"],
                vec!["sh", "-c", "DB_PASSWORD='***' job; curl -H 'Authorization: Bearer ***' h"],
            ),
            (vec!["sh", "-c", "print token bucket rate"], vec!["sh", "-c", "print token bucket rate"]),
            (vec!["job", r#"{"password": "hunter2"}"#], vec!["job", r#"{"password": "***"}"#]),
            (
                vec!["python3", "-m", "awslambdaric", "app.handler"],
                vec!["python3", "-m", "awslambdaric", "app.handler"],
            ),
        ] {
            assert_eq!(hide_setting(COMMAND, arguments.into()), Value::from(shown));
        }
        assert_eq!(hide_setting(COMMAND, "job --token=x".into()), Value::from("job --token=***"));
    }

    proptest! {
        #[test]
        fn an_option_for_a_secret_never_shows_it(name in "[a-z-]{0,5}(password|token|secret)", secret in "[A-Z0-9]{8}") {
            for arguments in [
                vec![format!("--{name}={secret}")],
                vec![format!("--{name}"), secret.clone()],
                vec![format!("env {name}={secret} job")],
            ] {
                prop_assert!(!hide_setting(COMMAND, arguments.into()).to_string().contains(&secret));
            }
        }

        #[test]
        fn a_password_of_any_characters_never_survives_in_a_setting(password in "[ -~]{1,12}") {
            let shown = hide_setting("url", format!("http://user:SECRET{password}@host/").into()).to_string();
            prop_assert!(!shown.contains("SECRET"), "{shown}");
        }

        #[test]
        fn a_password_never_survives(user in "[a-z]{1,8}", password in "[A-Z0-9]{8}", rest in "[ -~]{0,20}") {
            let text = format!("x http://{user}:{password}@host/{rest}");
            let shown = hide(&text);
            prop_assert!(!shown.contains(&password));
        }

        #[test]
        fn any_text_can_be_hidden_in(text: String) {
            hide(&text);
        }
    }
}
