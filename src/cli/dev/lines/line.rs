//! One line for people, its columns and its colours.

use std::{fmt::Write as _, time::Duration};

use crate::{
    duration::Span,
    settings::shortened,
    telemetry::logs::{LineForm, escaped, one_line},
};

/// The characters of a message's id that are shown where ids are short.
const SHORT_ID: usize = 4;
/// The width of the times, which are aligned to the right.
const TIME_WIDTH: usize = 7;
/// The longest text of a line, in characters.
const TEXT_CHARS: usize = 500;

/// The mark of a line, which says at a glance how a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::dev) enum Mark {
    /// Done and deleted.
    Done,
    /// It comes again.
    Retry,
    /// It goes to the DLQ.
    DeadLetter,
    /// It runs, or waits to run again here.
    Running,
    /// Output of the handler.
    Output,
    /// A message that was published to a topic or a phone number.
    Published,
    /// Something that a person should know.
    Notice,
    /// Something that a person should act on.
    Alert,
    /// Something has changed, and work goes on with it.
    Changed,
}

impl Mark {
    const fn symbol(self) -> char {
        match self {
            Self::Done => '✓',
            Self::Retry => '↻',
            Self::DeadLetter => '→',
            Self::Running => '·',
            Self::Output => '»',
            Self::Published => '⇢',
            Self::Notice | Self::Alert => '!',
            Self::Changed => '↺',
        }
    }

    /// The style of the terminal, of those that log lines have too.
    const fn colour(self) -> &'static str {
        match self {
            Self::Done => "32",
            Self::Retry | Self::Notice => "33",
            Self::DeadLetter | Self::Alert => "31",
            Self::Running | Self::Output => "2",
            Self::Changed | Self::Published => "34",
        }
    }
}

/// One line; texts of others in it are escaped when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::dev) struct DevLine {
    pub(in crate::cli::dev) mark: Mark,
    /// The queue's configured name; empty if it concerns no single one.
    pub(in crate::cli::dev) queue: String,
    /// The message's id, if it concerns one.
    pub(in crate::cli::dev) message_id: Option<String>,
    /// The duration of the call.
    pub(in crate::cli::dev) took: Option<Duration>,
    pub(in crate::cli::dev) text: String,
}

impl DevLine {
    /// A line about no message.
    pub(in crate::cli::dev) fn of(mark: Mark, queue: &str, text: impl Into<String>) -> Self {
        Self { mark, queue: queue.to_owned(), message_id: None, took: None, text: text.into() }
    }
}

/// The form of all lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::dev) struct LineStyle {
    pub(in crate::cli::dev) has_colours: bool,
    /// Short ids for people; programs and `grep` get whole ones.
    pub(in crate::cli::dev) has_short_ids: bool,
    /// The width of the longest queue's name.
    pub(in crate::cli::dev) queue_width: usize,
}

impl LineStyle {
    /// Writes a line, without its end.
    pub(in crate::cli::dev) fn write(self, line: &DevLine) -> String {
        let DevLine { mark, queue, message_id, took, text } = line;
        let (on, off) = self.switches(*mark);
        let mut written = format!("{on}{}{off}", mark.symbol());
        let queue = one_line(queue);
        if !queue.is_empty() {
            push(&mut written, &format!(" {queue:width$}", width = self.queue_width));
        }
        if let Some(id) = message_id {
            push(&mut written, &format!(" {}", self.id(&one_line(id))));
        }
        if let Some(took) = took {
            push(&mut written, &format!(" {:>TIME_WIDTH$}", shown_time(*took)));
        }
        let text = shortened(&one_line(text), TEXT_CHARS);
        if !text.is_empty() {
            let gap = if took.is_some() { "  " } else { " " };
            let text = if *mark == Mark::Output { format!("{on}{text}{off}") } else { text };
            push(&mut written, &format!("{gap}{text}"));
        }
        // The texts of others are escaped above: what is left are the colours of this line.
        escaped(written.trim_end(), LineForm::ColouredText).into_owned()
    }

    fn switches(self, mark: Mark) -> (String, &'static str) {
        if self.has_colours {
            (format!("\u{1b}[{}m", mark.colour()), "\u{1b}[0m")
        } else {
            (String::new(), "")
        }
    }

    fn id(self, id: &str) -> String {
        if self.has_short_ids { shortened(id, SHORT_ID) } else { id.to_owned() }
    }
}

fn push(written: &mut String, part: &str) {
    // Writing into a String cannot fail.
    let _infallible = written.write_str(part);
}

/// The duration of a call: milliseconds below a second, tenths below ten, and then whole seconds.
pub(super) fn shown_time(took: Duration) -> String {
    match took.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        1_000..9_950 => format!("{:.1} s", took.as_secs_f64()),
        _ => shown_span(Duration::from_secs_f64(took.as_secs_f64().round())),
    }
}

/// A duration of whole seconds where it has any: `5 s`, `2m 5s`.
pub(super) fn shown_span(span: Duration) -> String {
    match span.as_secs() {
        0 if span.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", span.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds => Span::secs(seconds).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: LineStyle = LineStyle { has_colours: false, has_short_ids: true, queue_width: 6 };

    fn line(mark: Mark, millis: u64, text: &str) -> DevLine {
        DevLine {
            message_id: Some("3ba1c0de-0000".to_owned()),
            took: Some(Duration::from_millis(millis)),
            ..DevLine::of(mark, "mails", text)
        }
    }

    #[test]
    fn the_columns_of_lines_are_aligned() {
        assert_eq!(PLAIN.write(&line(Mark::Done, 12, "")), "✓ mails  3ba1…   12 ms");
        let retry = line(Mark::Retry, 1_234, "404, try 2 of 3 in 5 s");
        assert_eq!(PLAIN.write(&retry), "↻ mails  3ba1…   1.2 s  404, try 2 of 3 in 5 s");
        let notice = DevLine::of(Mark::Notice, "mails", "the handler is down");
        assert_eq!(PLAIN.write(&notice), "! mails  the handler is down");
        assert_eq!(PLAIN.write(&DevLine::of(Mark::Changed, "", "longshore.toml")), "↺ longshore.toml");
    }

    #[test]
    fn in_a_pipe_the_id_is_whole() {
        let piped = LineStyle { has_short_ids: false, ..PLAIN };
        assert_eq!(piped.write(&line(Mark::Done, 12, "")), "✓ mails  3ba1c0de-0000   12 ms");
    }

    #[test]
    fn only_the_mark_has_a_colour_and_a_text_of_others_has_none() {
        let coloured = LineStyle { has_colours: true, ..PLAIN };
        let hostile = line(Mark::DeadLetter, 1, "\u{1b}[32mforged\u{1b}[2J\n✓ done");
        assert_eq!(
            coloured.write(&hostile),
            "\u{1b}[31m→\u{1b}[0m mails  3ba1…    1 ms  \\u{1b}[32mforged\\u{1b}[2J\\n✓ done"
        );
    }

    #[test]
    fn a_time_has_the_unit_that_a_person_reads() {
        for (millis, shown) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (9_940, "9.9 s"),
            (9_990, "10 s"),
            (125_000, "2m 5s"),
        ] {
            assert_eq!(shown_time(Duration::from_millis(millis)), shown);
        }
    }
}
