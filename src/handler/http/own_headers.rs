//! The headers that the settings add to every request: their names, and their values from text, variables and files.
//!
//! A value may be a credential, so no message, no `Debug` and no report shows one.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read as _},
    iter,
};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use super::HttpError;
use crate::settings::{HIDDEN, Key, Problem, is_variable_name};

/// The largest file of a secret.
const FILE_BYTES: u64 = 16 * 1024;
/// The beginning of a reference to a variable or a file.
const REFERENCE: &str = "${";
/// The text that stands for the beginning of a reference and begins none.
const ESCAPED: &str = "$${";
/// The beginning of the name in a reference to a file.
const FILE: &str = "file:";
/// Headers of the messages' own, which a header of the settings would hide.
const MESSAGE_PREFIXES: [&str; 2] = ["x-aws-sqsd-", "x-longshore-"];
/// Headers that the connection and the traces set.
const RESERVED: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amzn-trace-id",
];

/// The headers of the settings by their names; `Debug` hides the values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct OwnHeaders(BTreeMap<String, String>);

impl fmt::Debug for OwnHeaders {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.0.keys().map(|name| (name, HIDDEN))).finish()
    }
}

impl OwnHeaders {
    /// Adds a header with exactly this value.
    pub(super) fn add(&mut self, name: String, value: &str) {
        self.0.insert(name, value.replace(REFERENCE, ESCAPED));
    }

    /// Finds every header that cannot be sent, as far as that shows before the variables and files are read.
    pub(super) fn validate(&self, url: &Url) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in &self.0 {
            let problem = |message: String| Problem::of(Key::new(["headers", name]), message);
            if let Some(other) = seen.insert(name.to_ascii_lowercase(), name) {
                let message = format!("the same header as {other}");
                problems.push(problem(message).with_hint("keep one of the two"));
            }
            problems.extend(refusal(name, url).map(|(message, hint)| problem(message).with_hint(hint)));
            problems.extend(parts(value).filter_map(Result::err).map(|message| {
                problem(message.to_owned()).with_allowed("text, ${VARIABLE}, ${file:/path}, and $${ for ${")
            }));
        }
        problems
    }

    /// Reads the values; `variable` looks a variable of the environment up.
    pub(super) fn read(&self, variable: &dyn Fn(&str) -> Option<String>) -> Result<HeaderMap, HttpError> {
        let mut headers = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let failed = |reason: String| HttpError::Header { name: name.clone(), reason };
            let parsed = HeaderName::try_from(name).map_err(|error| failed(error.to_string()))?;
            let text = text(value, variable).map_err(failed)?;
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| failed("its value is not printable ascii".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(parsed, value);
        }
        Ok(headers)
    }
}

/// The reason why a header of this name cannot be set, and what to do instead.
fn refusal(name: &str, url: &Url) -> Option<(String, &'static str)> {
    let lower = name.to_ascii_lowercase();
    let has_credential = !url.username().is_empty() || url.password().is_some();
    if HeaderName::try_from(name).is_err() {
        return Some(("not a header's name".to_owned(), "use letters, digits and -"));
    }
    match lower.as_str() {
        "content-type" => Some(("set by content_type".to_owned(), "set content_type instead")),
        "user-agent" => Some(("set by user_agent".to_owned(), "set user_agent instead")),
        _ if lower == AUTHORIZATION.as_str() && has_credential => {
            Some(("the url has a name or a password already".to_owned(), "keep one of the two"))
        }
        _ if RESERVED.contains(&lower.as_str()) => {
            Some(("set by Longshore itself".to_owned(), "leave it out"))
        }
        _ if MESSAGE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) => {
            Some(("set by Longshore itself for each message".to_owned(), "choose another name"))
        }
        _ => None,
    }
}

/// One part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValuePart<'a> {
    Text(&'a str),
    Variable(&'a str),
    File(&'a str),
}

/// Splits a value into its parts; `Err` is the reason why one cannot be read.
fn parts(value: &str) -> impl Iterator<Item = Result<ValuePart<'_>, &'static str>> {
    let mut rest = value;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = next_part(rest);
        rest = after;
        Some(part)
    })
}

/// Takes the first part off a text that is not empty.
fn next_part(text: &str) -> (Result<ValuePart<'_>, &'static str>, &str) {
    if let Some(after) = text.strip_prefix(ESCAPED) {
        return (Ok(ValuePart::Text(REFERENCE)), after);
    }
    let Some(reference) = text.strip_prefix(REFERENCE) else {
        let begins = |at: &usize| text[*at..].starts_with(REFERENCE) || text[*at..].starts_with(ESCAPED);
        let end = text.match_indices('$').map(|(at, _)| at).find(begins).unwrap_or(text.len());
        return (Ok(ValuePart::Text(&text[..end])), &text[end..]);
    };
    let Some((name, after)) = reference.split_once('}') else {
        return (Err("a ${ without its }"), "");
    };
    let part = match name.strip_prefix(FILE) {
        Some("") => Err("a file without a path"),
        Some(path) => Ok(ValuePart::File(path)),
        None if is_variable_name(name) => Ok(ValuePart::Variable(name)),
        None => Err("not the name of a variable"),
    };
    (part, after)
}

/// The text of a value, with its variables and files read; `Err` never quotes them.
fn text(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut text = String::new();
    for part in parts(value) {
        text += &match part? {
            ValuePart::Text(text) => Cow::Borrowed(text),
            ValuePart::Variable(name) => {
                let value = variable(name).filter(|value| !value.is_empty());
                value.ok_or_else(|| format!("the variable {name} is not set, or empty"))?.into()
            }
            ValuePart::File(path) => {
                read_file(path).map_err(|error| format!("cannot read {path}: {error}"))?.into()
            }
        };
    }
    Ok(text)
}

/// The text of a file without the line break at its end.
fn read_file(path: &str) -> io::Result<String> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let mut text = String::new();
    let bytes = File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_BYTES {
        return Err(invalid(format!("more than {FILE_BYTES} bytes")));
    }
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() { Err(invalid("it is empty".to_owned())) } else { Ok(line.to_owned()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(name: &str, value: &str) -> OwnHeaders {
        OwnHeaders(BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    fn variables(name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("hunter2".to_owned()),
            "EMPTY" => Some(String::new()),
            "BROKEN" => Some("hunter2\r\nX-Injected: 1".to_owned()),
            _ => None,
        }
    }

    fn read(value: &str) -> Result<String, String> {
        let headers = of("X-Api-Key", value).read(&variables).map_err(|error| error.to_string())?;
        assert!(headers["x-api-key"].is_sensitive());
        Ok(headers["x-api-key"].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_value_is_text_variables_and_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let of_file = format!("${{file:{}}}", file.path().display());
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(read(&of_file).as_deref(), Ok("s3cret"), "{content:?}");
        }
        for (value, text) in [
            ("plain", "plain"),
            ("", ""),
            ("Bearer ${TOKEN}", "Bearer hunter2"),
            ("${TOKEN}${TOKEN}!", "hunter2hunter2!"),
            ("$5 and pa$$word", "$5 and pa$$word"),
            ("$${TOKEN}", "${TOKEN}"),
        ] {
            assert_eq!(read(value).as_deref(), Ok(text), "{value}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_names_its_header_and_source_and_never_the_secret() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let large = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(large.path(), "hunter2".repeat(3_000)).unwrap();
        let file = |file: &tempfile::NamedTempFile| format!("${{file:{}}}", file.path().display());
        for (value, reason) in [
            ("${MISSING}", "the variable MISSING is not set, or empty"),
            ("${EMPTY}", "the variable EMPTY is not set, or empty"),
            ("${BROKEN}", "its value is not printable ascii"),
            ("${file:/no/such}", "cannot read /no/such: No such file"),
            (&file(&empty), "it is empty"),
            (&file(&large), "more than 16384 bytes"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains("header X-Api-Key") && error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn names_that_longshore_sets_and_broken_references_are_problems() {
        let url = Url::parse("http://worker@host/").unwrap();
        let problems = |name: &str, value: &str| of(name, value).validate(&url).len();
        for name in [
            "X-Aws-Sqsd-Msgid",
            "x-longshore-deadline",
            "Content-Type",
            "User-Agent",
            "Content-Length",
            "traceparent",
            "Authorization",
            "spa ce",
            "",
        ] {
            assert_eq!(problems(name, "x"), 1, "{name}");
        }
        for value in ["${", "a ${TOKEN", "${}", "${file:}", "${A=B}"] {
            assert_eq!(problems("X-Api-Key", value), 1, "{value}");
        }
        for (name, value) in [("X-Api-Key", "${TOKEN} ${file:/x}"), ("Host", "$$"), ("X-Tenant", "")] {
            assert_eq!(problems(name, value), 0, "{name}");
        }
        let mut twice = of("X-Key", "a");
        twice.add("x-key".to_owned(), "b");
        assert!(twice.validate(&url)[0].to_string().contains("the same header as X-Key"));
    }

    #[test]
    fn debug_shows_names_alone() {
        assert_eq!(format!("{:?}", of("X-Key", "hunter2")), r#"{"X-Key": "***"}"#);
    }

    proptest! {
        #[test]
        fn an_added_value_is_read_as_it_is(value in "[ -~]{0,20}|[${}A]{0,12}") {
            let mut headers = OwnHeaders::default();
            headers.add("X-Key".to_owned(), &value);
            let read = headers.read(&|_| None).unwrap();
            prop_assert_eq!(read["x-key"].to_str().unwrap(), value);
        }
    }
}
