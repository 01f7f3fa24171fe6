//! The sample messages, and where each should end.

/// How many quick messages there are.
const QUICK: usize = 200;

/// A sample message.
pub(super) struct Sample {
    pub(super) body: String,
    pub(super) expected: Expected,
}

/// Where a message should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Done, in this many runs.
    Done { runs: u32 },
    /// In the DLQ.
    DeadLetter,
}

/// The three that are not quick: longer than any API waits, failing once, failing always.
pub(super) fn special() -> Vec<Sample> {
    [
        (r#"{"sleep_ms": 35000}"#, Expected::Done { runs: 1 }),
        (r#"{"fail": "once"}"#, Expected::Done { runs: 2 }),
        (r#"{"fail": "always"}"#, Expected::DeadLetter),
    ]
    .map(|(body, expected)| Sample { body: body.to_owned(), expected })
    .into()
}

/// The quick ones.
pub(super) fn quick() -> Vec<Sample> {
    let sample =
        |number| Sample { body: format!(r#"{{"job": {number}}}"#), expected: Expected::Done { runs: 1 } };
    (1..=QUICK).map(sample).collect()
}
