//! Hides credentials in text that is shown or logged.

/// The replacement of a secret.
pub(crate) const HIDDEN: &str = "***";

/// Words in the name of a query parameter that make its value a secret.
const SECRET_WORDS: [&str; 7] = ["token", "secret", "key", "sig", "password", "auth", "credential"];

/// The table of a program's environment variables, which often hold its secrets.
const ENVIRONMENT: [&str; 2] = ["handler", "env"];

/// The length from which a query value is taken for a token, whatever its name.
const TOKEN_CHARS: usize = 20;

/// Hides secrets in the URLs of a text: `user:password@`, and query values that look like tokens.
///
/// Works on any text, so that malformed URLs in error messages, and parts of URLs, are hidden too.
pub(crate) fn hide(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(ends_a_url).unwrap_or(after.len());
        let (url, remaining) = after.split_at(end);
        shown.push_str(&hide_in_words(before));
        shown.push_str("://");
        shown.push_str(&hide_in_url(url));
        rest = remaining;
    }
    shown.push_str(&hide_in_words(rest));
    shown
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
    [outer, table] == ENVIRONMENT
}

fn ends_a_url(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '`' | ',' | '<' | '>')
}

/// Hides in the part of a URL after its scheme.
fn hide_in_url(url: &str) -> String {
    let (authority, path) = url.split_at(authority_end(url));
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
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
    let is_no_port = |port: &str| !port.is_empty() && port.parse::<u16>().is_err();
    let is_cut_password = authority.rsplit_once(':').is_some_and(|(_, port)| is_no_port(port));
    match path.rfind('@') {
        Some(at) if is_cut_password => end + at + 1 + host_end(&path[at + 1..]),
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
        ] {
            assert_eq!(hide(text), shown);
        }
    }

    proptest! {
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
