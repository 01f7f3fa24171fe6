//! Rules that the settings of several parts share.

use std::{fmt::Display, ops::RangeInclusive};

use url::Url;

use super::Problem;
use crate::duration::Span;

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
