//! Cuts a sorted list of names into pages.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::refusal::Refusal;
use crate::queue::memory::Fault;

/// The most names of a page, and how many there are when the request names no number.
const MOST: i64 = 1_000;

/// One page of names, and the token that the next one is asked for by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) names: Vec<String>,
    pub(super) next_token: Option<String>,
}

impl Page {
    /// The page of at most `max` names that follows the one whose token this is.
    ///
    /// The token is the last name of its page, so a queue that comes or goes between two pages moves no other.
    pub(super) fn of(sorted: Vec<String>, max: Option<i64>, token: Option<&str>) -> Result<Self, Refusal> {
        let max = max.unwrap_or(MOST);
        if !(1..=MOST).contains(&max) {
            let reason = format!("Value must be an integer between 1 and {MOST}.");
            return Err(Fault::invalid_parameter("MaxResults", max, &reason).into());
        }
        let after = token.map(last_name).transpose()?;
        let mut rest =
            sorted.into_iter().filter(|name| after.as_ref().is_none_or(|after| name > after)).peekable();
        let mut names = Vec::new();
        for _ in 0..max {
            names.extend(rest.next());
        }
        let next_token = match names.last() {
            Some(last) if rest.peek().is_some() => Some(BASE64_STANDARD.encode(last)),
            _ => None,
        };
        Ok(Self { names, next_token })
    }
}

fn last_name(token: &str) -> Result<String, Refusal> {
    let bytes = BASE64_STANDARD.decode(token).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| Fault::invalid_parameter("NextToken", token, "It was not made by this server.").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("queue-{number:03}")).collect()
    }

    #[test]
    fn the_pages_together_are_the_whole_list() {
        let mut seen = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = Page::of(names(7), Some(3), token.as_deref()).unwrap();
            seen.extend(page.names);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(7));
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        let page = Page::of(names(3), Some(3), None).unwrap();
        assert_eq!(page, Page { names: names(3), next_token: None });
    }

    #[test]
    fn numbers_out_of_range_and_foreign_tokens_are_refused() {
        for (max, token) in [(Some(0), None), (Some(1_001), None), (None, Some("?"))] {
            assert_eq!(Page::of(names(1), max, token).unwrap_err().code(), "InvalidParameterValue");
        }
    }
}
