//! One invocation of a function: its input and its failures.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::PartialResponses;
use crate::{
    handler::{
        CallClock, Outcome,
        call_trace::xray_of_sender,
        sqs_event::{self, BatchOutcome, mentions_failures},
    },
    message::{Message, MessageId},
    settings::shortened,
    telemetry::{FailureCause, context::TraceContext, spans::Trace},
};

/// The deadline of a call without a time limit: SQS hides no message for longer.
const LONGEST: Duration = Duration::from_hours(12);
/// The largest answer that Lambda accepts.
pub(super) const ANSWER_BYTES: usize = 6 * 1024 * 1024 + 100;
/// The most message ids of a batch in the log lines of a function.
const LOGGED_IDS: usize = 10;
/// The most characters of a function's error in a reason.
const REASON_CHARS: usize = 500;

/// One invocation of a function.
#[derive(Debug)]
pub(super) struct Invocation {
    /// The request id, which the answer repeats.
    pub(super) id: String,
    /// The event, as JSON.
    pub(super) event: Bytes,
    /// Starts the time limit, if there is one.
    clock: Option<Arc<CallClock>>,
    /// The time at which the function is ended, in milliseconds since 1970, once it has the event.
    deadline_ms: OnceLock<u64>,
    /// The trace context in X-Ray's form: that of the call, or of the first message that has a valid one.
    pub(super) trace_id: Option<String>,
    /// The trace context of the function's log lines: that of the call, or of the producer of its only message.
    pub(super) log_trace: Option<TraceContext>,
    /// The id of its message, if it has only one.
    pub(super) message_id: Option<MessageId>,
    /// The ids of its messages, if it has several, for the log.
    pub(super) message_ids: Option<String>,
}

impl Invocation {
    /// Creates an invocation for these messages with their event.
    pub(super) fn new(messages: &[&Message], event: Bytes, clock: Option<Arc<CallClock>>) -> Self {
        let only = messages.first().filter(|_| messages.len() == 1);
        Self {
            id: Uuid::new_v4().to_string(),
            event,
            clock,
            deadline_ms: OnceLock::new(),
            trace_id: messages.iter().find_map(|message| xray_of_sender(message)).map(str::to_owned),
            log_trace: only.and_then(|message| TraceContext::of_message(message)),
            message_id: only.map(|message| message.id.clone()),
            message_ids: (messages.len() > 1).then(|| logged_ids(messages)),
        }
    }

    /// Starts the time limit: an instance takes the event.
    ///
    /// Returns when the function is ended, in milliseconds since 1970.
    pub(super) fn start(&self) -> u64 {
        let deadline = || {
            let deadline = self.clock.as_ref().and_then(|clock| clock.start());
            let left =
                deadline.map_or(LONGEST, |deadline| deadline.saturating_duration_since(Instant::now()));
            let deadline = (SystemTime::now() + left).duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)
        };
        *self.deadline_ms.get_or_init(deadline)
    }

    /// Sets the call's trace, if it has one.
    pub(super) fn in_trace(mut self, trace: Option<&Trace>) -> Self {
        if let Some(trace) = trace {
            self.trace_id = Some(trace.context().xray());
            self.log_trace = Some(trace.context().clone());
        }
        self
    }
}

fn logged_ids(messages: &[&Message]) -> String {
    let ids: Vec<&str> = messages.iter().take(LOGGED_IDS).map(|message| message.id.as_str()).collect();
    let rest = messages.len() - ids.len();
    if rest == 0 { ids.join(",") } else { format!("{},… ({rest} more)", ids.join(",")) }
}

/// The answer of a function, or its failure.
pub(super) type Answered = Result<Bytes, InvocationFailure>;

/// The failure of an invocation, and so of all its messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvocationFailure {
    /// The function reported an error.
    #[error("the function failed: {0}")]
    Function(FunctionError),
    /// The process ended: its exit code or signal.
    #[error("the runtime process ended before its answer: {0}")]
    Ended(String),
    /// The answer is larger than Lambda accepts.
    #[error("the function's answer is larger than 6 MB")]
    TooLarge,
    /// The answer's connection broke.
    #[error("the function's answer broke off")]
    Truncated,
    /// The process asked for the next event instead of answering.
    #[error("the runtime asked for the next event without answering this one")]
    Unanswered,
    /// An emulator answered with a status other than 2xx.
    #[error("the runtime interface emulator answered {0}")]
    Status(u16),
    /// The connection to an emulator broke.
    #[error("no complete answer from the runtime interface emulator: {0}")]
    Emulator(String),
}

impl InvocationFailure {
    /// The outcome of all messages: without an answer the function may be unable to run any.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Ended(_) | Self::Emulator(_) => Outcome::Crashed(self.to_string()),
            _ => Outcome::Retry(self.to_string()),
        }
    }

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

/// The error that a function reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FunctionError {
    kind: String,
    message: String,
}

/// The body of an error report.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailureReport {
    error_type: Option<String>,
    error_message: Option<String>,
}

impl FunctionError {
    /// An error with a type and no message.
    pub(super) fn of_type(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: String::new() }
    }

    /// Reads an error report; its error type has precedence over that of the header.
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
            ("", "") => "an error without a message".to_owned(),
            (kind, "") => kind.to_owned(),
            ("", message) => message.to_owned(),
            // The path of a type, by the runtime for Rust: `&alloc::boxed::Box<dyn core::error::Error>` helps nobody.
            (kind, message) if kind.contains("::") => message.to_owned(),
            (kind, message) => format!("{kind}: {message}"),
        };
        formatter.write_str(&shortened(&text, REASON_CHARS).replace(char::is_control, " "))
    }
}

/// Parses the answer of a function that did not fail.
pub(super) fn parse_answer(answer: &[u8], ids: &[&str], partial_responses: PartialResponses) -> BatchOutcome {
    match partial_responses {
        PartialResponses::Off => BatchOutcome::Done,
        PartialResponses::Auto if !mentions_failures(answer) => BatchOutcome::Done,
        PartialResponses::Auto | PartialResponses::On => sqs_event::parse_response(answer, ids),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::handler::sqs_event::{FailureAction, ItemFailure, ItemOutcome};

    #[test]
    fn an_error_is_read_from_its_report_and_its_header() {
        let shown = |header, report: &str| FunctionError::read(header, report.as_bytes()).to_string();
        let report = r#"{"errorType":"KeyError","errorMessage":"'id'","stackTrace":["x"]}"#;
        assert_eq!(shown(Some("Runtime.X"), report), "KeyError: 'id'");
        assert_eq!(shown(Some("Runtime.X"), r#"{"errorMessage":"a\nb"}"#), "Runtime.X: a b");
        assert_eq!(shown(Some("Runtime.X"), "no json"), "Runtime.X");
        let of_rust =
            r#"{"errorType":"&alloc::boxed::Box<dyn core::error::Error>","errorMessage":"no order"}"#;
        assert_eq!(shown(None, of_rust), "no order");
        assert_eq!(shown(None, r#"{"errorType":"E","errorMessage":7}"#), "an error without a message");
    }

    #[test]
    fn a_long_error_is_cut() {
        let error = FunctionError { kind: "E".to_owned(), message: "é".repeat(10_000) };
        assert_eq!(error.to_string().chars().count(), REASON_CHARS + 1);
    }

    #[test]
    fn a_call_without_a_time_limit_has_a_deadline_far_away() {
        let message = Message::new("m", "");
        let invocation = Invocation::new(&[&message], Bytes::new(), None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert!(u128::from(invocation.start()) > now + LONGEST.as_millis() - 60_000);
    }

    #[test]
    fn the_trace_is_that_of_the_first_message_with_a_valid_one() {
        let traced = |id: &str, trace: Option<&str>| {
            let mut message = Message::new(id, "");
            message.system.trace_header = trace.map(str::to_owned);
            message
        };
        let root = |digit: &str| format!("Root=1-5759e988-{}", digit.repeat(24));
        let huge = format!("{};Self={}", root("a"), "x".repeat(100_000));
        let messages = [None, Some("Root=1"), Some(&*huge), Some(&*root("b")), Some(&*root("c"))]
            .map(|trace| traced("m", trace));
        let trace = |messages: &[&Message]| Invocation::new(messages, Bytes::new(), None).trace_id;
        assert_eq!(trace(&messages.each_ref()), Some(root("b")));
        assert_eq!(trace(&messages[..3].iter().collect::<Vec<_>>()), None);
    }

    #[test]
    fn only_some_ids_of_a_large_batch_are_logged() {
        let messages: Vec<_> = (0..12).map(|number| Message::new(number.to_string(), "")).collect();
        let borrowed: Vec<_> = messages.iter().collect();
        assert_eq!(logged_ids(&borrowed[..2]), "0,1");
        assert_eq!(logged_ids(&borrowed), "0,1,2,3,4,5,6,7,8,9,… (2 more)");
    }

    const FAILED: ItemOutcome =
        ItemOutcome::Failed(ItemFailure { retry_after: None, action: FailureAction::Retry, reason: None });

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn on(answer: &str) -> BatchOutcome {
        parse_answer(answer.as_bytes(), &IDS, PartialResponses::On)
    }

    fn off(answer: &str) -> BatchOutcome {
        parse_answer(answer.as_bytes(), &IDS, PartialResponses::Off)
    }

    fn auto(answer: &str) -> BatchOutcome {
        parse_answer(answer.as_bytes(), &IDS, PartialResponses::Auto)
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
            assert_eq!(on(answer), BatchOutcome::Done, "{answer:?}");
            assert_eq!(auto(answer), BatchOutcome::Done, "{answer:?}");
        }
    }

    #[test]
    fn the_messages_that_are_named_fail_and_the_others_are_done() {
        let answer =
            r#"{"batchItemFailures":[{"itemIdentifier":"c","note":1},{"itemIdentifier":"a"}],"x":0}"#;
        let expected = BatchOutcome::Partial(vec![FAILED, ItemOutcome::Done, FAILED]);
        assert_eq!((on(answer), auto(answer)), (expected.clone(), expected));
    }

    #[test]
    fn a_message_that_is_named_twice_fails_once() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"\u0062"},{"itemIdentifier":"b"}]}"#;
        assert_eq!(on(answer), BatchOutcome::Partial(vec![ItemOutcome::Done, FAILED, ItemOutcome::Done]));
    }

    #[test]
    fn an_answer_that_cannot_be_understood_is_a_whole_failure() {
        for answer in WHOLE_FAILURES {
            assert!(matches!(on(answer), BatchOutcome::Failed(_)), "{answer:?}: {:?}", on(answer));
        }
        assert!(matches!(
            parse_answer(&[b'"', 0xff, b'"'], &IDS, PartialResponses::On),
            BatchOutcome::Failed(_)
        ));
    }

    #[test]
    fn without_partial_responses_every_answer_is_a_whole_success() {
        for answer in WHOLE_SUCCESSES.iter().chain(&WHOLE_FAILURES) {
            assert_eq!(off(answer), BatchOutcome::Done, "{answer:?}");
        }
    }

    #[test]
    fn by_default_only_what_names_failures_can_fail() {
        for answer in ["\"ok\"", "true", "oops", "[]", "7"] {
            assert_eq!(auto(answer), BatchOutcome::Done, "{answer:?}");
        }
        for answer in WHOLE_FAILURES.iter().filter(|answer| answer.ends_with('}') && answer.len() > 2) {
            assert!(matches!(auto(answer), BatchOutcome::Failed(_)), "{answer:?}");
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
            assert!(matches!(auto(answer), BatchOutcome::Failed(_)), "{answer:?}: {:?}", auto(answer));
        }
    }

    #[test]
    fn a_reason_never_quotes_the_answer() {
        for answer in WHOLE_FAILURES {
            let BatchOutcome::Failed(reason) = on(&answer.replace("\"d\"", "\"secret\"")) else { panic!() };
            assert!(!reason.contains("secret") && !reason.contains("oops"), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics_or_has_outcomes_of_other_messages(answer in prop::collection::vec(any::<u8>(), 0..64)) {
            match parse_answer(&answer, &IDS, PartialResponses::On) {
                BatchOutcome::Partial(outcomes) => prop_assert_eq!(outcomes.len(), IDS.len()),
                BatchOutcome::Done | BatchOutcome::Failed(_) => {}
            }
        }

        #[test]
        fn exactly_the_named_messages_fail(named in prop::collection::vec(0usize..3, 1..6)) {
            let item = |index: &usize| serde_json::json!({ "itemIdentifier": IDS[*index] });
            let items: Vec<_> = named.iter().map(item).collect();
            let outcomes = (0..3).map(|index| if named.contains(&index) { FAILED } else { ItemOutcome::Done });
            let answer = serde_json::json!({ "batchItemFailures": items }).to_string();
            prop_assert_eq!(on(&answer), BatchOutcome::Partial(outcomes.collect()));
        }
    }
}
