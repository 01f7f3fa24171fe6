//! Parses the response that names the failed messages of a batch: pure.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{error::Category, value::RawValue};

use crate::handler::outcome::{LONGEST_DELAY, SHORTEST_DELAY};

/// The outcome of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::handler) enum BatchOutcome {
    /// All are done.
    Done,
    /// All failed, for this reason.
    Failed(String),
    /// Each has its own outcome, in the order of the batch.
    Partial(Vec<ItemOutcome>),
}

/// The outcome of one message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::handler) enum ItemOutcome {
    /// The response does not name it.
    Done,
    /// The response names it as failed.
    Failed(ItemFailure),
}

/// The fields of one failure beyond Lambda's own format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::handler) struct ItemFailure {
    /// `retryAfter`: the delay of the retry.
    pub(in crate::handler) retry_after: Option<Duration>,
    /// `outcome`: retry or reject.
    pub(in crate::handler) action: FailureAction,
    /// `reason`: the reason for either.
    pub(in crate::handler) reason: Option<String>,
}

/// The action for a failed message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::handler) enum FailureAction {
    /// Try it again.
    #[default]
    Retry,
    /// Never try it again.
    Reject,
}

/// A JSON object with unparsed values.
type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

const FAILURES: &str = "batchItemFailures";
const IDENTIFIER: &str = "itemIdentifier";
const RETRY_AFTER: &str = "retryAfter";
const OUTCOME: &str = "outcome";
const REASON: &str = "reason";

/// Parses the response to a batch of these messages.
///
/// By Lambda's rules ("Implementing partial batch responses" in its developer guide) an invalid response fails the
/// whole batch, so that no message is deleted that should not be.
pub(in crate::handler) fn parse_response(answer: &[u8], ids: &[&str]) -> BatchOutcome {
    let failures = match failures(answer) {
        Ok(failures) if failures.is_empty() => return BatchOutcome::Done,
        Ok(failures) => failures,
        Err(reason) => return BatchOutcome::Failed(reason),
    };
    if failures.keys().any(|id| !ids.contains(&id.as_str())) {
        return BatchOutcome::Failed(format!("the answer has an {IDENTIFIER} that is not in the batch"));
    }
    let outcome = |id: &&str| {
        failures.get(*id).map_or(ItemOutcome::Done, |failure| ItemOutcome::Failed(failure.clone()))
    };
    BatchOutcome::Partial(ids.iter().map(outcome).collect())
}

/// True if the response has a `batchItemFailures` that is neither null nor empty.
pub(in crate::handler) fn has_failures(answer: &[u8]) -> bool {
    let object = serde_json::from_slice::<Object<'_>>(answer).unwrap_or_default();
    object.get(FAILURES).is_some_and(|failures| !matches!(failures.get(), "null" | "[]"))
}

/// True if `batchItemFailures` is anywhere in the response: one that names failures may be malformed, for example by a
/// `NaN`, or be JSON within a JSON string.
pub(in crate::handler) fn mentions_failures(answer: &[u8]) -> bool {
    has_failures(answer) || String::from_utf8_lossy(answer).contains(FAILURES)
}

/// The failures by message id; a message that is named twice is rejected only if both say so.
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
        if failure.action == FailureAction::Retry || !by_id.contains_key(&id) {
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
    /// Reads one failure; fields beyond Lambda's that cannot be read are ignored.
    fn of(item: &Object<'_>) -> Self {
        let seconds = field::<f64>(item, RETRY_AFTER).filter(|seconds| *seconds >= 0.0);
        let delay = |seconds| {
            let delay = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_DELAY);
            delay.clamp(SHORTEST_DELAY, LONGEST_DELAY)
        };
        let action = match field::<Cow<'_, str>>(item, OUTCOME).as_deref() {
            Some("reject") => FailureAction::Reject,
            _ => FailureAction::Retry,
        };
        Self { retry_after: seconds.map(delay), action, reason: field(item, REASON) }
    }
}

fn field<'a, T: Deserialize<'a>>(item: &Object<'a>, name: &str) -> Option<T> {
    item.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
}

/// Reads JSON; the error never quotes the response.
fn read<'a, T: Deserialize<'a>>(json: &'a [u8], misshapen: &str) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Data => misshapen.to_owned(),
        Category::Io | Category::Syntax | Category::Eof => "the answer is not json".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(items: &str) -> Vec<ItemOutcome> {
        match parse_response(format!(r#"{{"batchItemFailures":[{items}]}}"#).as_bytes(), &["a", "b"]) {
            BatchOutcome::Partial(outcomes) => outcomes,
            other => panic!("{items}: {other:?}"),
        }
    }

    fn failure_of(fields: &str) -> ItemFailure {
        match outcomes(&format!(r#"{{"itemIdentifier":"a",{fields}}}"#)).as_slice() {
            [ItemOutcome::Failed(failure), ItemOutcome::Done] => failure.clone(),
            other => panic!("{fields}: {other:?}"),
        }
    }

    #[test]
    fn a_failure_may_set_the_delay_of_its_message() {
        let delay = |fields: &str| failure_of(fields).retry_after;
        assert_eq!(delay(r#""retryAfter":30"#), Some(Duration::from_secs(30)));
        assert_eq!(delay(r#""retryAfter":0"#), Some(SHORTEST_DELAY));
        assert_eq!(delay(r#""retryAfter":1.5"#), Some(Duration::from_millis(1_500)));
        assert_eq!(delay(r#""retryAfter":1e300"#), Some(LONGEST_DELAY));
        for unreadable in ["null", "-1", "\"30\"", "[]", "true"] {
            assert_eq!(delay(&format!(r#""retryAfter":{unreadable}"#)), None, "{unreadable}");
        }
    }

    #[test]
    fn a_failure_may_reject_its_message() {
        assert_eq!(failure_of(r#""outcome":"reject""#).action, FailureAction::Reject);
        for other in ["\"retry\"", "\"done\"", "\"REJECT\"", "null", "7"] {
            assert_eq!(failure_of(&format!(r#""outcome":{other}"#)).action, FailureAction::Retry, "{other}");
        }
    }

    #[test]
    fn a_failure_may_give_a_reason() {
        assert_eq!(failure_of(r#""reason":"no such ship""#).reason.as_deref(), Some("no such ship"));
        for unreadable in ["null", "7", "{}"] {
            assert_eq!(failure_of(&format!(r#""reason":{unreadable}"#)).reason, None, "{unreadable}");
        }
    }

    #[test]
    fn a_message_that_is_named_twice_is_rejected_only_if_both_say_so() {
        let (retry, reject) = (r#"{"itemIdentifier":"a"}"#, r#"{"itemIdentifier":"a","outcome":"reject"}"#);
        for items in [[retry, reject], [reject, retry]] {
            assert_eq!(
                outcomes(&items.join(",")),
                [ItemOutcome::Failed(ItemFailure::default()), ItemOutcome::Done]
            );
        }
    }
}
