//! One invocation of a function: what it is given, and how it can end.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::PartialResponses;
use crate::{
    handler::sqs_event::{self, BatchVerdict, speaks_of_failures},
    message::{Message, MessageId},
    telemetry::{FailureCause, context::TraceContext, spans::Trace},
};

/// The deadline of a call that has no time limit: SQS holds no message for longer.
const FAR: Duration = Duration::from_hours(12);
/// The largest answer that Lambda takes.
pub(super) const ANSWER_BYTES: usize = 6 * 1024 * 1024 + 100;
/// The most messages of a batch that the lines of a function name.
const NAMED: usize = 10;
/// The longest a function's own words become in a reason.
const WORDS: usize = 500;

/// One invocation of a function.
#[derive(Debug)]
pub(super) struct Invocation {
    /// Its own id, which the answer repeats.
    pub(super) id: String,
    /// The event, as JSON.
    pub(super) event: Bytes,
    /// When the function is ended, in milliseconds since 1970.
    pub(super) deadline_ms: u128,
    /// The trace context in X-Ray's form: that of the call, or of the first message that has one.
    pub(super) trace_id: Option<String>,
    /// The trace that the lines of the function's own log name: that of the call, or of the producer of its only message.
    pub(super) place: Option<TraceContext>,
    /// The id of its message, if it has one only.
    pub(super) message_id: Option<MessageId>,
    /// The ids of its messages, if it has several, for people.
    pub(super) message_ids: Option<String>,
}

impl Invocation {
    /// An invocation for these messages, whose event this is.
    pub(super) fn new(messages: &[&Message], event: Bytes, deadline: Option<Instant>) -> Self {
        let left = deadline.map_or(FAR, |deadline| deadline.saturating_duration_since(Instant::now()));
        let deadline = SystemTime::now() + left;
        let only = messages.first().filter(|_| messages.len() == 1);
        Self {
            id: Uuid::new_v4().to_string(),
            event,
            deadline_ms: deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            trace_id: messages.iter().find_map(|message| message.system.trace_header.clone()),
            place: only.and_then(|message| TraceContext::of_message(message)),
            message_id: only.map(|message| message.id.clone()),
            message_ids: (messages.len() > 1).then(|| named(messages)),
        }
    }

    /// Makes it part of the call's own trace, if that has one.
    pub(super) fn in_trace(mut self, trace: Option<&Trace>) -> Self {
        if let Some(trace) = trace {
            self.trace_id = Some(trace.context().xray());
            self.place = Some(trace.context().clone());
        }
        self
    }
}

fn named(messages: &[&Message]) -> String {
    let ids: Vec<&str> = messages.iter().take(NAMED).map(|message| message.id.as_str()).collect();
    let rest = messages.len() - ids.len();
    if rest == 0 { ids.join(",") } else { format!("{},… ({rest} more)", ids.join(",")) }
}

/// The answer of a function, or the reason for which there is none.
pub(super) type Answered = Result<Bytes, InvocationFailure>;

/// Why an invocation failed, with all its messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvocationFailure {
    /// The function itself says so.
    #[error("the function failed: {0}")]
    Function(FunctionError),
    /// The process ended, in these words.
    #[error("the runtime process ended before its answer: {0}")]
    Ended(String),
    /// The answer is larger than Lambda takes.
    #[error("the function's answer is larger than 6 MB")]
    TooLarge,
    /// The answer's connection broke.
    #[error("the function's answer broke off")]
    Truncated,
    /// The process asked for the next event instead of answering.
    #[error("the runtime asked for the next event without answering this one")]
    Unanswered,
    /// An emulator answered with a status that is none of the function's.
    #[error("the runtime interface emulator answered {0}")]
    Status(u16),
    /// An emulator broke off.
    #[error("no complete answer from the runtime interface emulator: {0}")]
    Emulator(String),
}

impl InvocationFailure {
    /// The cause of the failure, for the metrics.
    pub(super) fn cause(&self) -> FailureCause {
        match self {
            Self::Function(_) => FailureCause::FunctionError,
            Self::Ended(_) => FailureCause::Crash,
            Self::TooLarge | Self::Truncated | Self::Unanswered | Self::Status(_) => FailureCause::BadAnswer,
            Self::Emulator(_) => FailureCause::Connection,
        }
    }
}

/// A function's report of its failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FunctionError {
    kind: String,
    message: String,
}

/// The body of a report of an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailureReport {
    error_type: Option<String>,
    error_message: Option<String>,
}

impl FunctionError {
    /// An error without words but these.
    pub(super) fn of_kind(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: String::new() }
    }

    /// Reads a report; its own type counts for more than that of the header.
    pub(super) fn read(header: Option<&str>, report: &[u8]) -> Self {
        let nothing = FailureReport { error_type: None, error_message: None };
        let report = serde_json::from_slice(report).unwrap_or(nothing);
        let own = report.error_type.filter(|kind| !kind.is_empty());
        let kind = own.or_else(|| header.map(str::to_owned)).unwrap_or_default();
        Self { kind, message: report.error_message.unwrap_or_default() }
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.kind.as_str(), self.message.as_str()) {
            ("", "") => "an error without words".to_owned(),
            (kind, "") => kind.to_owned(),
            ("", message) => message.to_owned(),
            (kind, message) => format!("{kind}: {message}"),
        };
        let is_long = text.chars().nth(WORDS).is_some();
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let words: String = text.chars().take(WORDS).map(plain).collect();
        write!(formatter, "{words}{}", if is_long { "…" } else { "" })
    }
}

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

    #[test]
    fn an_error_is_read_from_its_report_and_its_header() {
        let shown = |header, report: &str| FunctionError::read(header, report.as_bytes()).to_string();
        let report = r#"{"errorType":"KeyError","errorMessage":"'id'","stackTrace":["x"]}"#;
        assert_eq!(shown(Some("Runtime.X"), report), "KeyError: 'id'");
        assert_eq!(shown(Some("Runtime.X"), r#"{"errorMessage":"a\nb"}"#), "Runtime.X: a b");
        assert_eq!(shown(Some("Runtime.X"), "no json"), "Runtime.X");
        assert_eq!(shown(None, r#"{"errorType":"E","errorMessage":7}"#), "an error without words");
    }

    #[test]
    fn words_without_end_are_cut() {
        let error = FunctionError { kind: "E".to_owned(), message: "é".repeat(10_000) };
        assert_eq!(error.to_string().chars().count(), WORDS + 1);
    }

    #[test]
    fn a_call_without_a_time_limit_has_a_deadline_far_away() {
        let message = Message::new("m", "");
        let invocation = Invocation::new(&[&message], Bytes::new(), None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert!(invocation.deadline_ms > now + FAR.as_millis() - 60_000);
    }

    #[test]
    fn the_trace_is_that_of_the_first_message_with_one() {
        let traced = |id: &str, trace: Option<&str>| {
            let mut message = Message::new(id, "");
            message.system.trace_header = trace.map(str::to_owned);
            message
        };
        let messages = [traced("a", None), traced("b", Some("Root=1-b")), traced("c", Some("Root=1-c"))];
        let trace = |messages: &[&Message]| Invocation::new(messages, Bytes::new(), None).trace_id;
        assert_eq!(trace(&messages.each_ref()).as_deref(), Some("Root=1-b"));
        assert_eq!(trace(&[&messages[0]]), None);
    }

    #[test]
    fn the_ids_of_a_large_batch_are_named_in_part() {
        let messages: Vec<_> = (0..12).map(|number| Message::new(number.to_string(), "")).collect();
        let borrowed: Vec<_> = messages.iter().collect();
        assert_eq!(named(&borrowed[..2]), "0,1");
        assert_eq!(named(&borrowed), "0,1,2,3,4,5,6,7,8,9,… (2 more)");
    }

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
