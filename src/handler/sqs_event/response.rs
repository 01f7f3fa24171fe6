//! The answer that names the messages of a batch that failed: pure.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use crate::handler::outcome::LONGEST_DELAY;

/// The results of the messages of a batch, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::handler) enum BatchVerdict {
    /// All are done.
    Done,
    /// All failed, for this reason.
    Failed(String),
    /// Each has a fate of its own.
    Partly(Vec<Fate>),
}

/// The result of one message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::handler) enum Fate {
    /// It is not among the failures.
    Done,
    /// It is named among the failures.
    Failed(ItemFailure),
}

/// The fields of one failure beyond Lambda's own format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::handler) struct ItemFailure {
    /// `retryAfter`: when the message is to come again.
    pub(in crate::handler) retry_after: Option<Duration>,
    /// `outcome`: what is to become of it.
    pub(in crate::handler) said: Said,
}

/// The outcome of a message that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::handler) enum Said {
    /// It is to be tried again.
    #[default]
    Retry,
    /// It is never to be tried again.
    Reject,
}

/// An object of JSON with its values unread.
type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

const FAILURES: &str = "batchItemFailures";
const IDENTIFIER: &str = "itemIdentifier";
const RETRY_AFTER: &str = "retryAfter";
const OUTCOME: &str = "outcome";

/// Reads an answer to a batch of these messages.
///
/// These are Lambda's own rules ("Implementing partial batch responses" in its developer guide): what cannot be
/// understood fails the whole batch, so that nothing is deleted that should not be.
pub(in crate::handler) fn verdict(answer: &[u8], ids: &[&str]) -> BatchVerdict {
    let failures = match failures(answer) {
        Ok(failures) if failures.is_empty() => return BatchVerdict::Done,
        Ok(failures) => failures,
        Err(reason) => return BatchVerdict::Failed(reason),
    };
    if failures.keys().any(|id| !ids.contains(&id.as_str())) {
        return BatchVerdict::Failed(format!("the answer has an {IDENTIFIER} that is not in the batch"));
    }
    let fate = |id: &&str| failures.get(*id).map_or(Fate::Done, |failure| Fate::Failed(*failure));
    BatchVerdict::Partly(ids.iter().map(fate).collect())
}

/// True if the answer names failures, in any form.
pub(in crate::handler) fn has_failures(answer: &[u8]) -> bool {
    let object = serde_json::from_slice::<Object<'_>>(answer).unwrap_or_default();
    object.get(FAILURES).is_some_and(|failures| !matches!(failures.get(), "null" | "[]"))
}

/// True if `batchItemFailures` is anywhere in the answer: one that was meant to name failures may be malformed, such
/// as by a `NaN`, or by being JSON in a text of JSON.
pub(in crate::handler) fn speaks_of_failures(answer: &[u8]) -> bool {
    has_failures(answer) || String::from_utf8_lossy(answer).contains(FAILURES)
}

/// The failures by the ids of their messages; of one that is named twice, what is less final.
fn failures(answer: &[u8]) -> Result<BTreeMap<String, ItemFailure>, String> {
    if answer.trim_ascii().is_empty() {
        return Ok(BTreeMap::new());
    }
    let object: Option<Object<'_>> = read(answer, "the answer is no object")?;
    let Some(failures) = object.as_ref().and_then(|object| object.get(FAILURES)) else {
        return Ok(BTreeMap::new());
    };
    let items: Option<Vec<Object<'_>>> =
        read(failures.get().as_bytes(), "batchItemFailures is no list of objects")?;
    let mut by_id = BTreeMap::new();
    for item in items.unwrap_or_default() {
        let (id, failure) = (identifier(&item)?, ItemFailure::of(&item));
        if failure.said == Said::Retry || !by_id.contains_key(&id) {
            by_id.insert(id, failure);
        }
    }
    Ok(by_id)
}

fn identifier(item: &Object<'_>) -> Result<String, String> {
    let id = field::<String>(item, IDENTIFIER).filter(|id| !id.is_empty());
    id.ok_or_else(|| format!("the answer has a batch item failure without an {IDENTIFIER}"))
}

impl ItemFailure {
    /// Whatever cannot be read in the fields beyond Lambda's leaves the message a plain failure.
    fn of(item: &Object<'_>) -> Self {
        let seconds = field::<f64>(item, RETRY_AFTER).filter(|seconds| *seconds >= 0.0);
        let delay =
            |seconds| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_DELAY).min(LONGEST_DELAY);
        let said = match field::<Cow<'_, str>>(item, OUTCOME).as_deref() {
            Some("reject") => Said::Reject,
            _ => Said::Retry,
        };
        Self { retry_after: seconds.map(delay), said }
    }
}

fn field<'a, T: Deserialize<'a>>(item: &Object<'a>, name: &str) -> Option<T> {
    item.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// Reads JSON; the words of a failure never quote the answer.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8], misshapen: &str) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Data => misshapen.to_owned(),
        Category::Io | Category::Syntax | Category::Eof => "the answer is not json".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(items: &str) -> Vec<Fate> {
        match verdict(format!(r#"{{"batchItemFailures":[{items}]}}"#).as_bytes(), &["a", "b"]) {
            BatchVerdict::Partly(fates) => fates,
            other => panic!("{items}: {other:?}"),
        }
    }

    fn failure_of(fields: &str) -> ItemFailure {
        match fates(&format!(r#"{{"itemIdentifier":"a",{fields}}}"#)).as_slice() {
            [Fate::Failed(failure), Fate::Done] => *failure,
            other => panic!("{fields}: {other:?}"),
        }
    }

    #[test]
    fn a_failure_may_say_when_its_message_is_to_come_again() {
        let delay = |fields: &str| failure_of(fields).retry_after;
        assert_eq!(delay(r#""retryAfter":30"#), Some(Duration::from_secs(30)));
        assert_eq!(delay(r#""retryAfter":0"#), Some(Duration::ZERO));
        assert_eq!(delay(r#""retryAfter":1.5"#), Some(Duration::from_millis(1_500)));
        assert_eq!(delay(r#""retryAfter":1e300"#), Some(LONGEST_DELAY));
        for unreadable in ["null", "-1", "\"30\"", "[]", "true"] {
            assert_eq!(delay(&format!(r#""retryAfter":{unreadable}"#)), None, "{unreadable}");
        }
    }

    #[test]
    fn a_failure_may_say_that_its_message_is_rejected() {
        assert_eq!(failure_of(r#""outcome":"reject""#).said, Said::Reject);
        for other in ["\"retry\"", "\"done\"", "\"REJECT\"", "null", "7"] {
            assert_eq!(failure_of(&format!(r#""outcome":{other}"#)).said, Said::Retry, "{other}");
        }
    }

    #[test]
    fn of_a_message_that_is_named_twice_the_less_final_counts() {
        let (retry, reject) = (r#"{"itemIdentifier":"a"}"#, r#"{"itemIdentifier":"a","outcome":"reject"}"#);
        for items in [[retry, reject], [reject, retry]] {
            assert_eq!(fates(&items.join(",")), [Fate::Failed(ItemFailure::default()), Fate::Done]);
        }
    }
}
