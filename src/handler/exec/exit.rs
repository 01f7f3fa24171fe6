//! What a program's end means for the message: pure.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use super::{Settings, settings::Others};
use crate::{handler::Outcome, process::signal_name};

/// Reads the outcome from how the program ended; its last words on standard error are part of the reason.
pub(super) fn outcome(settings: &Settings, status: ExitStatus, last_words: &str) -> Outcome {
    let Some(code) = status.code() else {
        let signal = status.signal().map_or_else(|| "a signal".to_owned(), signal_name);
        return Outcome::Retry(reason(format!("the program was ended by {signal}"), last_words));
    };
    let lists = |codes: &[u8]| codes.iter().any(|listed| i32::from(*listed) == code);
    if lists(&settings.done) {
        return Outcome::Done;
    }
    let reason = reason(format!("the program exited with {code}"), last_words);
    let is_reject = lists(&settings.reject) || (settings.others == Others::Reject && !lists(&settings.retry));
    if is_reject { Outcome::Reject(reason) } else { Outcome::Retry(reason) }
}

fn reason(what: String, last_words: &str) -> String {
    if last_words.is_empty() { what } else { format!("{what}: {last_words}") }
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
    fn the_last_words_are_part_of_the_reason() {
        let settings = Settings::of_command(["true"]);
        let outcome = outcome(&settings, exited(65), "no such customer");
        assert_eq!(outcome, Outcome::Reject("the program exited with 65: no such customer".to_owned()));
    }

    proptest! {
        #[test]
        fn a_code_means_what_its_list_says_and_any_other_what_others_says(
            code: u8, done: Vec<u8>, reject: Vec<u8>, retry: Vec<u8>, rejects_others: bool,
        ) {
            let others = if rejects_others { Others::Reject } else { Others::Retry };
            let settings = Settings { done, reject, retry, others, ..Settings::of_command(["true"]) };
            prop_assume!(settings.check().is_empty());
            let outcome = outcome(&settings, exited(i32::from(code)), "");
            let is_as_listed = match outcome {
                Outcome::Done => settings.done.contains(&code),
                Outcome::Reject(_) => settings.reject.contains(&code)
                    || (rejects_others && !settings.retry.contains(&code) && !settings.done.contains(&code)),
                _ => settings.retry.contains(&code)
                    || (!rejects_others && !settings.reject.contains(&code) && !settings.done.contains(&code)),
            };
            prop_assert!(is_as_listed);
        }
    }
}
