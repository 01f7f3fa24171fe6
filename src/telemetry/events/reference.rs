//! The reference page of all events.

use std::fmt::Write as _;

use super::{Definition, SUBJECTS};

/// The reference page of all events, in Markdown.
pub(crate) fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    for subject in SUBJECTS {
        // Writing into a String cannot fail.
        let _infallible = write!(page, "\n## {}\n\n{HEAD}", subject.name);
        for Definition { level, message, fields, metric, meaning } in subject.events {
            let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
            let metric = if metric.is_empty() { String::new() } else { format!("`{metric}`") };
            let (level, meaning, fields) = (shown(level), meaning.trim(), fields.join(", "));
            let _infallible = writeln!(page, "| `{message}` | {level} | {fields} | {metric} | {meaning} |");
        }
    }
    page
}

fn shown(level: &'static str) -> &'static str {
    match level {
        "sampled" => "warn, sampled",
        "sampled_error" => "error, sampled",
        level => level,
    }
}

const INTRODUCTION: &str = "# Events\n\n\
    Each event writes one line with a constant message and, where there is something to count, changes one metric. This page is generated from the code: `make docs` writes it anew, and a test fails when it is \
    stale.\n\n\
    `error` means that someone must act, `warn` that the worker recovers by itself; `info` is written a few times a \
    minute at most. Events that may occur for every message are *sampled*: the first ten of a queue in a minute, and the \
    first of each reason, have the level that is shown; the others are `debug`, and after the minute, or at a stop, a line \
    `more like this in the last minute` has their number for each message and reason. No line has a body, a receipt handle or a credential.\n";

const HEAD: &str = "| message | level | fields | metric | meaning |\n|---|---|---|---|---|\n";

/// The metrics that events count, for the test that all of them are declared.
#[cfg(test)]
pub(crate) fn counted_metrics() -> impl Iterator<Item = &'static str> {
    let events = SUBJECTS.iter().flat_map(|subject| subject.events);
    events.map(|event| event.metric).filter(|metric| !metric.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_lowercase_and_distinct() {
        let all: Vec<_> = SUBJECTS.iter().flat_map(|subject| subject.events).collect();
        let mut messages: Vec<_> = all.iter().map(|event| event.message).collect();
        for message in &messages {
            let first = message.chars().next().unwrap();
            assert!(first.is_lowercase() && !message.ends_with('.'), "{message}");
        }
        messages.sort_unstable();
        let count = messages.len();
        messages.dedup();
        assert_eq!(messages.len(), count, "two events have the same message");
    }
}
