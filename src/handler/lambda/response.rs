//! The outcomes of a batch by its function's answer: pure.

use super::PartialResponses;
use crate::handler::sqs_event::{self, BatchVerdict, speaks_of_failures};

/// Reads the answer of a function that did not fail.
pub(super) fn verdict(answer: &[u8], ids: &[&str], partial_responses: PartialResponses) -> BatchVerdict {
    match partial_responses {
        PartialResponses::Off => BatchVerdict::Done,
        PartialResponses::Auto if !speaks_of_failures(answer) => BatchVerdict::Done,
        PartialResponses::Auto | PartialResponses::On => sqs_event::verdict(answer, ids),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::handler::sqs_event::{Fate, ItemFailure, Said};

    const FAILED: Fate = Fate::Failed(ItemFailure { retry_after: None, said: Said::Retry });

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn on(answer: &str) -> BatchVerdict {
        verdict(answer.as_bytes(), &IDS, PartialResponses::On)
    }

    fn off(answer: &str) -> BatchVerdict {
        verdict(answer.as_bytes(), &IDS, PartialResponses::Off)
    }

    fn auto(answer: &str) -> BatchVerdict {
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
            assert_eq!(on(answer), BatchVerdict::Done, "{answer:?}");
            assert_eq!(auto(answer), BatchVerdict::Done, "{answer:?}");
        }
    }

    #[test]
    fn the_messages_that_are_named_fail_and_the_others_are_done() {
        let answer =
            r#"{"batchItemFailures":[{"itemIdentifier":"c","note":1},{"itemIdentifier":"a"}],"x":0}"#;
        let expected = BatchVerdict::Partly(vec![FAILED, Fate::Done, FAILED]);
        assert_eq!((on(answer), auto(answer)), (expected.clone(), expected));
    }

    #[test]
    fn a_message_that_is_named_twice_fails_once() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"\u0062"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(on(answer), BatchVerdict::Partly(vec![Fate::Done, FAILED, Fate::Done]));
    }

    #[test]
    fn an_answer_that_cannot_be_understood_is_a_whole_failure() {
        for answer in WHOLE_FAILURES {
            assert!(matches!(on(answer), BatchVerdict::Failed(_)), "{answer:?}: {:?}", on(answer));
        }
        assert!(matches!(verdict(&[b'"', 0xff, b'"'], &IDS, PartialResponses::On), BatchVerdict::Failed(_)));
    }

    #[test]
    fn without_partial_responses_every_answer_is_a_whole_success() {
        for answer in WHOLE_SUCCESSES.iter().chain(&WHOLE_FAILURES) {
            assert_eq!(off(answer), BatchVerdict::Done, "{answer:?}");
        }
    }

    #[test]
    fn by_default_only_what_names_failures_can_fail() {
        for answer in ["\"ok\"", "true", "oops", "[]", "7"] {
            assert_eq!(auto(answer), BatchVerdict::Done, "{answer:?}");
        }
        for answer in WHOLE_FAILURES.iter().filter(|answer| answer.ends_with('}') && answer.len() > 2) {
            assert!(matches!(auto(answer), BatchVerdict::Failed(_)), "{answer:?}");
        }
    }

    #[test]
    fn by_default_nothing_is_done_where_failures_were_meant() {
        for answer in [
            r#"{"batchItemFailures":[{"itemIdentifier":"a"}],"score":NaN}"#,
            r#""{\"batchItemFailures\": [{\"itemIdentifier\": \"a\"}]}""#,
            r#"[{"batchItemFailures":[{"itemIdentifier":"a"}]}]"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"}]} trailing"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a""#,
            "\u{feff}{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}]}",
            r#"{"batch\u0049temFailures":7}"#,
        ] {
            assert!(matches!(auto(answer), BatchVerdict::Failed(_)), "{answer:?}: {:?}", auto(answer));
        }
    }

    #[test]
    fn a_reason_never_quotes_the_answer() {
        for answer in WHOLE_FAILURES {
            let BatchVerdict::Failed(reason) = on(&answer.replace("\"d\"", "\"secret\"")) else { panic!() };
            assert!(!reason.contains("secret") && !reason.contains("oops"), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_speaks_of_other_messages(answer in prop::collection::vec(any::<u8>(), 0..64)) {
            match verdict(&answer, &IDS, PartialResponses::On) {
                BatchVerdict::Partly(fates) => prop_assert_eq!(fates.len(), IDS.len()),
                BatchVerdict::Done | BatchVerdict::Failed(_) => {}
            }
        }

        #[test]
        fn exactly_the_named_messages_fail(named in prop::collection::vec(0usize..3, 1..6)) {
            let item = |index: &usize| serde_json::json!({ "itemIdentifier": IDS[*index] });
            let items: Vec<_> = named.iter().map(item).collect();
            let fates = (0..3).map(|index| if named.contains(&index) { FAILED } else { Fate::Done });
            let answer = serde_json::json!({ "batchItemFailures": items }).to_string();
            prop_assert_eq!(on(&answer), BatchVerdict::Partly(fates.collect()));
        }
    }
}
