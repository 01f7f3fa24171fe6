//! What a function's answer means for the messages of its batch: pure.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{error::Category, value::RawValue};

use super::PartialResponses;

/// What a function said of the messages it was given, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All are done.
    Done,
    /// All failed, for this reason.
    Failed(String),
    /// Those with a `true` failed.
    Partly(Vec<Fate>),
}

/// What became of one message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not among the failures.
    Done,
    /// The function named it among the failures.
    Failed,
}

/// An object of JSON with its values unread.
type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

const FAILURES: &str = "batchItemFailures";
const IDENTIFIER: &str = "itemIdentifier";

/// Reads the answer of a function that did not fail.
///
/// With partial responses these are Lambda's own rules ("Implementing partial batch responses" in its developer
/// guide): what cannot be understood fails the whole batch, so that nothing is deleted that should not be.
pub(super) fn verdict(answer: &[u8], ids: &[&str], partial_responses: PartialResponses) -> Verdict {
    let failed = match partial_responses {
        PartialResponses::Off => return Verdict::Done,
        PartialResponses::Auto if !has_failures(answer) => return Verdict::Done,
        PartialResponses::Auto | PartialResponses::On => failed_ids(answer),
    };
    let failed = match failed {
        Ok(failed) if failed.is_empty() => return Verdict::Done,
        Ok(failed) => failed,
        Err(reason) => return Verdict::Failed(reason),
    };
    if failed.iter().any(|id| !ids.contains(&id.as_str())) {
        return Verdict::Failed(format!("the answer has an {IDENTIFIER} that is not in the batch"));
    }
    let fate = |id: &&str| if failed.iter().any(|failed| failed == id) { Fate::Failed } else { Fate::Done };
    Verdict::Partly(ids.iter().map(fate).collect())
}

/// Whether the answer names failures, in whatever form.
pub(super) fn has_failures(answer: &[u8]) -> bool {
    let object = serde_json::from_slice::<Object<'_>>(answer).unwrap_or_default();
    object.get(FAILURES).is_some_and(|failures| !matches!(failures.get(), "null" | "[]"))
}

fn failed_ids(answer: &[u8]) -> Result<Vec<String>, String> {
    if answer.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let object: Option<Object<'_>> = read(answer, "the answer is no object")?;
    let Some(failures) = object.as_ref().and_then(|object| object.get(FAILURES)) else {
        return Ok(Vec::new());
    };
    let items: Option<Vec<Object<'_>>> =
        read(failures.get().as_bytes(), "batchItemFailures is no list of objects")?;
    items.unwrap_or_default().iter().map(identifier).collect()
}

fn identifier(item: &Object<'_>) -> Result<String, String> {
    let text = item.get(IDENTIFIER).map_or("null", |value| value.get());
    match serde_json::from_str::<String>(text) {
        Ok(id) if !id.is_empty() => Ok(id),
        _ => Err(format!("the answer has a batch item failure without an {IDENTIFIER}")),
    }
}

/// Reads JSON; the words of a failure never quote the answer.
fn read<'a, T: serde::Deserialize<'a>>(json: &'a [u8], misshapen: &str) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|error| match error.classify() {
        Category::Data => misshapen.to_owned(),
        Category::Io | Category::Syntax | Category::Eof => "the answer is not json".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn on(answer: &str) -> Verdict {
        verdict(answer.as_bytes(), &IDS, PartialResponses::On)
    }

    fn off(answer: &str) -> Verdict {
        verdict(answer.as_bytes(), &IDS, PartialResponses::Off)
    }

    fn auto(answer: &str) -> Verdict {
        verdict(answer.as_bytes(), &IDS, PartialResponses::Auto)
    }

    const WHOLE_SUCCESSES: [&str; 9] = [
        "",
        " \n",
        "null",
        "{}",
        r#"{"statusCode":200}"#,
        r#"{"batchItemFailures":null}"#,
        r#"{"batchItemFailures":[]}"#,
        r#"{"batchItemFailures": [ ]}"#,
        "\t{\"x\": [1, {\"batchItemFailures\": [7]}]}\n",
    ];

    const WHOLE_FAILURES: [&str; 20] = [
        "oops",
        "{",
        r#"{"batchItemFailures":[{"itemIdentifier":"a"}]} trailing"#,
        r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#,
        r#"{"batchItemFailures":[{"itemidentifier":"a"}]}"#,
        r#"{"batchItemFailures":[{"id":"a"}]}"#,
        r#"{"batchItemFailures":[{}]}"#,
        r#"{"batchItemFailures":[null]}"#,
        r#"{"batchItemFailures":["a"]}"#,
        r#"{"batchItemFailures":[["a"]]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":"d"}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"d"}]}"#,
        r#"{"batchItemFailures":{"itemIdentifier":"a"}}"#,
        r#"{"batchItemFailures":"a"}"#,
        r#"{"batchItemFailures":7}"#,
        "[]",
        "\"ok\"",
        "true",
    ];

    #[test]
    fn an_answer_without_failures_is_a_whole_success() {
        for answer in WHOLE_SUCCESSES {
            assert_eq!(on(answer), Verdict::Done, "{answer:?}");
            assert_eq!(auto(answer), Verdict::Done, "{answer:?}");
        }
    }

    #[test]
    fn the_messages_that_are_named_fail_and_the_others_are_done() {
        let answer =
            r#"{"batchItemFailures":[{"itemIdentifier":"c","note":1},{"itemIdentifier":"a"}],"x":0}"#;
        let expected = Verdict::Partly(vec![Fate::Failed, Fate::Done, Fate::Failed]);
        assert_eq!((on(answer), auto(answer)), (expected.clone(), expected));
    }

    #[test]
    fn a_message_that_is_named_twice_fails_once() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"\u0062"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(on(answer), Verdict::Partly(vec![Fate::Done, Fate::Failed, Fate::Done]));
    }

    #[test]
    fn an_answer_that_cannot_be_understood_is_a_whole_failure() {
        for answer in WHOLE_FAILURES {
            assert!(matches!(on(answer), Verdict::Failed(_)), "{answer:?}: {:?}", on(answer));
        }
        assert!(matches!(verdict(&[b'"', 0xff, b'"'], &IDS, PartialResponses::On), Verdict::Failed(_)));
    }

    #[test]
    fn without_partial_responses_every_answer_is_a_whole_success() {
        for answer in WHOLE_SUCCESSES.iter().chain(&WHOLE_FAILURES) {
            assert_eq!(off(answer), Verdict::Done, "{answer:?}");
        }
    }

    #[test]
    fn by_default_only_what_names_failures_can_fail() {
        for answer in ["\"ok\"", "true", "oops", "[]", "7"] {
            assert_eq!(auto(answer), Verdict::Done, "{answer:?}");
        }
        for answer in WHOLE_FAILURES.iter().filter(|answer| answer.ends_with('}') && answer.len() > 2) {
            assert!(matches!(auto(answer), Verdict::Failed(_)), "{answer:?}");
        }
    }

    #[test]
    fn a_reason_never_quotes_the_answer() {
        for answer in WHOLE_FAILURES {
            let Verdict::Failed(reason) = on(&answer.replace("\"d\"", "\"secret\"")) else { panic!() };
            assert!(!reason.contains("secret") && !reason.contains("oops"), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_speaks_of_other_messages(answer in prop::collection::vec(any::<u8>(), 0..64)) {
            match verdict(&answer, &IDS, PartialResponses::On) {
                Verdict::Partly(fates) => prop_assert_eq!(fates.len(), IDS.len()),
                Verdict::Done | Verdict::Failed(_) => {}
            }
        }

        #[test]
        fn exactly_the_named_messages_fail(named in prop::collection::vec(0usize..3, 1..6)) {
            let item = |index: &usize| serde_json::json!({ "itemIdentifier": IDS[*index] });
            let items: Vec<_> = named.iter().map(item).collect();
            let fates = (0..3).map(|index| if named.contains(&index) { Fate::Failed } else { Fate::Done });
            let answer = serde_json::json!({ "batchItemFailures": items }).to_string();
            prop_assert_eq!(on(&answer), Verdict::Partly(fates.collect()));
        }
    }
}
