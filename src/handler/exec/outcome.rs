//! Converts a program's exit status into the outcome of its message: pure.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use super::{Settings, settings::Others};
use crate::{handler::Outcome, process::signal_name, telemetry::FailureCause};

/// Converts an exit status into an outcome; the last line on standard error is part of the reason.
pub(super) fn outcome(settings: &Settings, status: ExitStatus, last_line: &str) -> Outcome {
    let Some(code) = status.code() else {
        let signal = status.signal().map_or_else(|| "a signal".to_owned(), signal_name);
        return Outcome::Retry(reason(format!("the program was ended by {signal}"), last_line));
    };
    let lists = |codes: &[u8]| codes.iter().any(|listed| i32::from(*listed) == code);
    if lists(&settings.done) {
        return Outcome::Done;
    }
    let reason = reason(format!("the program exited with {code}"), last_line);
    let is_reject = lists(&settings.reject) || (settings.others == Others::Reject && !lists(&settings.retry));
    if is_reject { Outcome::Reject(reason) } else { Outcome::Retry(reason) }
}

/// The cause of failure by an exit status; `None` for success.
pub(super) fn failure(settings: &Settings, status: ExitStatus) -> Option<FailureCause> {
    let Some(code) = status.code() else { return Some(FailureCause::Signal) };
    let is_done = settings.done.iter().any(|listed| i32::from(*listed) == code);
    (!is_done).then_some(FailureCause::ExitCode)
}

fn reason(end: String, last_line: &str) -> String {
    if last_line.is_empty() { end } else { format!("{end}: {last_line}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exited(code: i32) -> ExitStatus {
        ExitStatus::from_raw(code << 8)
    }

    #[test]
    fn an_end_by_a_signal_is_a_retry_that_names_it() {
        let settings = Settings { others: Others::Reject, ..Settings::of_command(["true"]) };
        let outcome = outcome(&settings, ExitStatus::from_raw(9), "");
        assert_eq!(outcome, Outcome::Retry("the program was ended by SIGKILL".to_owned()));
    }

    #[test]
    fn the_last_line_is_part_of_the_reason() {
        let settings = Settings::of_command(["true"]);
        let outcome = outcome(&settings, exited(65), "no such customer");
        assert_eq!(outcome, Outcome::Reject("the program exited with 65: no such customer".to_owned()));
    }

    /// Settings that put each code into the list of its number: 0 is done, 1 reject, 2 retry, 3 none.
    fn listed(lists: &[u8], others: Others) -> Settings {
        let list = |number: u8| (0..=u8::MAX).filter(|code| lists[usize::from(*code)] == number).collect();
        let (done, reject, retry) = (list(0), list(1), list(2));
        Settings { done, reject, retry, others, ..Settings::of_command(["true"]) }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_code_has_the_outcome_of_its_list_and_any_other_that_of_others(
            lists in proptest::collection::vec(0u8..4, 256),
            others in prop_oneof![Just(Others::Retry), Just(Others::Reject)],
        ) {
            let settings = listed(&lists, others);
            prop_assert_eq!(settings.validate(), []);
            for (code, list) in (0..).zip(lists) {
                let is_expected = match outcome(&settings, exited(code), "") {
                    Outcome::Done => list == 0,
                    Outcome::Reject(_) => list == 1 || (list == 3 && others == Others::Reject),
                    Outcome::Retry(_) => list == 2 || (list == 3 && others == Others::Retry),
                    _ => false,
                };
                prop_assert!(is_expected, "{code}");
            }
        }
    }
}
