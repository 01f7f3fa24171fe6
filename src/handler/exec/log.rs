//! Logs a program's output, up to a limit.

use std::sync::Arc;

use crate::{message::MessageId, process::OutputLine, telemetry::events};

/// The most bytes of the last line that become part of a reason.
const LAST_LINE_BYTES: usize = 256;

/// The stream that a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The log of one run.
#[derive(Debug)]
pub(super) struct Log {
    queue: Arc<str>,
    message_id: MessageId,
    free_bytes: u64,
    dropped_lines: u64,
    dropped_bytes: u64,
    last_line: String,
}

impl Log {
    pub(super) fn new(queue: Arc<str>, message_id: MessageId, free_bytes: u64) -> Self {
        Self { queue, message_id, free_bytes, dropped_lines: 0, dropped_bytes: 0, last_line: String::new() }
    }

    /// Logs a line within the limit; from the first one beyond it, lines are only counted.
    pub(super) fn line(&mut self, stream: Stream, line: &OutputLine<'_>) {
        if stream == Stream::Stderr && !line.text.trim().is_empty() {
            self.last_line = shortened(&line.text);
        }
        let size_bytes = line.text.len() as u64 + 1;
        if self.dropped_lines > 0 || size_bytes > self.free_bytes {
            self.dropped_lines += 1;
            self.dropped_bytes += size_bytes + line.cut_bytes;
            return;
        }
        self.free_bytes -= size_bytes;
        let (queue, message_id) = (&*self.queue, &self.message_id);
        let (stream, line) = (stream.as_str(), &*line.to_string());
        events::ProgramOutput { queue, message_id, stream, line }.emit();
    }

    /// Ends the log; returns the last line that the program wrote to its standard error.
    pub(super) fn end(self) -> String {
        let Self { queue, message_id, dropped_lines: lines, dropped_bytes: bytes, last_line, .. } = self;
        if lines > 0 {
            events::ProgramOutputDropped { queue: &queue, message_id: &message_id, lines, bytes }.emit();
        }
        last_line
    }
}

/// The beginning of a line, with control characters replaced: reasons are logged and become attributes.
fn shortened(text: &str) -> String {
    let text = text.trim();
    let end = text.floor_char_boundary(LAST_LINE_BYTES);
    let mut line: String =
        text[..end].chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if end < text.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> OutputLine<'_> {
        OutputLine { text: text.into(), cut_bytes: 0 }
    }

    fn log(free_bytes: u64) -> Log {
        Log::new("orders".into(), MessageId::new("id"), free_bytes)
    }

    #[test]
    fn output_beyond_its_limit_is_counted_from_the_first_line_that_does_not_fit() {
        let mut log = log(10);
        for text in ["1234", "1234567", "", "1"] {
            log.line(Stream::Stdout, &line(text));
        }
        assert_eq!((log.free_bytes, log.dropped_lines, log.dropped_bytes), (5, 3, 11));
    }

    #[test]
    fn empty_lines_count_towards_the_limit() {
        let mut log = log(10);
        for _ in 0..12 {
            log.line(Stream::Stdout, &line(""));
        }
        assert_eq!(log.dropped_lines, 2);
    }

    #[test]
    fn the_last_line_of_standard_error_is_kept_beyond_the_limit() {
        let mut log = log(0);
        log.line(Stream::Stderr, &line("first"));
        log.line(Stream::Stderr, &line(" \x1b[31mno such\tcustomer\x1b[0m "));
        log.line(Stream::Stderr, &line("  "));
        log.line(Stream::Stdout, &line("bye"));
        assert_eq!(log.end(), " [31mno such customer [0m");
    }

    #[test]
    fn the_last_line_is_cut_at_a_whole_character() {
        let line = shortened(&"🚢".repeat(100));
        assert_eq!(line, format!("{}…", "🚢".repeat(64)));
    }
}
