//! Fuzz target of the `lambda` kind: any answer of a function becomes an outcome for each message of its batch.

use super::{
    PartialResponses,
    invocation::{FunctionError, parse_answer},
};
use crate::handler::sqs_event::{BatchOutcome, has_failures};

pub(crate) use super::runtime::fuzz::runtime_api;

pub(crate) fn answers(input: &[u8]) {
    let ids = ["a", "b", "c"];
    for partial in [PartialResponses::On, PartialResponses::Auto] {
        match parse_answer(input, &ids, partial) {
            BatchOutcome::Done => assert!(!has_failures(input), "failures that count as done"),
            BatchOutcome::Partial(outcomes) => assert_eq!(outcomes.len(), ids.len()),
            BatchOutcome::Failed(reason) => assert!(!reason.is_empty()),
        }
    }
    let shown = FunctionError::read(Some("Runtime.X"), input).to_string();
    assert!(!shown.is_empty() && !shown.contains(char::is_control), "{shown:?}");
}
