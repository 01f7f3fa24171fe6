//! The reason that a handler gives with a response that is no success: from a header, or from the body.

use bytes::BytesMut;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap},
};
use serde_json::Value;

use super::client::{self, FailedPost};
use crate::settings::shortened;

/// The header with the reason; it goes before the body.
const HEADER: &str = "x-longshore-reason";
/// The longest reason, in characters.
const REASON_CHARS: usize = 1_000;

/// The place of the reason in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ReasonPlace {
    /// The header has it.
    Header(String),
    /// `title` and `detail` of a problem by RFC 9457.
    Problem,
    /// The first line of a text.
    Text,
    /// There is none.
    Nowhere,
}

impl ReasonPlace {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(HEADER).and_then(|value| clean(&String::from_utf8_lossy(value.as_bytes())));
        if let Some(reason) = given {
            return Self::Header(reason);
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        match media_type.to_ascii_lowercase().as_str() {
            "application/problem+json" => Self::Problem,
            "text/plain" => Self::Text,
            _ => Self::Nowhere,
        }
    }
}

/// Reads the response's body to its end, or as far as it is read at all, and returns the reason, if it has one.
pub(super) async fn read(response: Response) -> Result<Option<String>, FailedPost> {
    match ReasonPlace::of(response.headers()) {
        ReasonPlace::Header(reason) => client::drop_body(response).await.map(|()| Some(reason)),
        ReasonPlace::Problem => Ok(of_problem(&body(response).await?)),
        ReasonPlace::Text => Ok(of_text(&body(response).await?)),
        ReasonPlace::Nowhere => client::drop_body(response).await.map(|()| None),
    }
}

async fn body(response: Response) -> Result<BytesMut, FailedPost> {
    let mut body = BytesMut::new();
    client::read_start(response, |chunk| body.extend_from_slice(chunk)).await?;
    Ok(body)
}

fn of_problem(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let member = |name: &str| problem.get(name).and_then(Value::as_str).and_then(clean);
    match (member("title"), member("detail")) {
        (Some(title), Some(detail)) if title != detail => clean(&format!("{title}: {detail}")),
        (title, detail) => title.or(detail),
    }
}

fn of_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    text.lines().find_map(clean)
}

/// The reasons that a body may have, whatever its type.
#[cfg(all(any(test, fuzzing), feature = "cli"))]
pub(super) fn of_body(body: &[u8]) -> Vec<String> {
    [of_problem(body), of_text(body)].into_iter().flatten().collect()
}

/// Puts a space in the place of control characters and white space, and shortens a long reason; `None` for an empty one.
pub(super) fn clean(text: &str) -> Option<String> {
    let is_space = |character: char| character.is_control() || character.is_whitespace();
    let words: Vec<&str> = text.split(is_space).filter(|word| !word.is_empty()).collect();
    let reason = words.join(" ");
    (!reason.is_empty()).then(|| shortened(&reason, REASON_CHARS))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn place(headers: &[(&'static str, &str)]) -> ReasonPlace {
        let pairs = headers.iter().map(|(name, value)| {
            let name = reqwest::header::HeaderName::from_static(name);
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        ReasonPlace::of(&pairs.collect())
    }

    #[test]
    fn the_header_goes_before_the_body_and_an_empty_one_does_not_count() {
        let header = |reason: &str| ReasonPlace::Header(reason.to_owned());
        assert_eq!(
            place(&[(HEADER, "no such ship"), ("content-type", "text/plain")]),
            header("no such ship")
        );
        assert_eq!(place(&[(HEADER, "kein Schiff „Möwe“")]), header("kein Schiff „Möwe“"));
        assert_eq!(place(&[(HEADER, " "), ("content-type", "text/plain; charset=utf-8")]), ReasonPlace::Text);
        assert_eq!(place(&[("content-type", "Application/Problem+JSON")]), ReasonPlace::Problem);
        assert_eq!(place(&[("content-type", "text/html")]), ReasonPlace::Nowhere);
        assert_eq!(place(&[]), ReasonPlace::Nowhere);
    }

    #[test]
    fn a_problem_has_its_title_and_its_detail() {
        for (body, reason) in [
            (r#"{"title": "No credit", "detail": "30 short"}"#, Some("No credit: 30 short")),
            (r#"{"type": "about:blank", "title": "No credit", "status": 422}"#, Some("No credit")),
            (r#"{"title": "", "detail": "30\r\nshort"}"#, Some("30 short")),
            (r#"{"title": "same", "detail": "same"}"#, Some("same")),
            (r#"{"title": 7, "detail": null}"#, None),
            (r#"["title"]"#, None),
            (r#"{"title": "cut"#, None),
            ("", None),
        ] {
            assert_eq!(of_problem(body.as_bytes()).as_deref(), reason, "{body}");
        }
    }

    #[test]
    fn a_text_has_its_first_line() {
        assert_eq!(of_text(b"\r\n  no such ship \nTraceback ...").as_deref(), Some("no such ship"));
        assert_eq!(of_text(b"\xff\n").as_deref(), Some("\u{FFFD}"));
        assert_eq!(of_text(b" \n\n"), None);
    }

    #[test]
    fn control_characters_are_cleaned_and_a_long_reason_is_shortened() {
        assert_eq!(clean("a\u{1b}[31mb\u{0}\tc").as_deref(), Some("a [31mb c"));
        let long = clean(&"🚢".repeat(2_000)).unwrap();
        assert_eq!((long.chars().count(), long.ends_with("🚢…")), (REASON_CHARS + 1, true));
    }

    proptest! {
        #[test]
        fn every_reason_is_one_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = String::from_utf8_lossy(&bytes);
            for reason in [of_text(&bytes), of_problem(&bytes), clean(&text)].into_iter().flatten() {
                prop_assert!(!reason.is_empty() && reason.chars().count() <= REASON_CHARS + 1);
                prop_assert!(!reason.contains(char::is_control));
            }
        }
    }
}
