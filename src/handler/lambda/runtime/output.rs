//! Logs the output of one process, and keeps its last lines for the reason of its end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};

use super::Invocation;
use crate::{
    message::MessageId,
    process::Process,
    tasks,
    telemetry::{context::TraceContext, events},
};

/// The most lines of a process's output in the reason of its end.
const LAST_LINES: usize = 5;
/// The most bytes of these lines.
const LAST_BYTES: usize = 1024;
/// The time limit for the last output of a process that has ended: all of it is in its pipes.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The readers of one process's output.
#[derive(Debug)]
pub(super) struct ProcessOutput {
    log: OutputLog,
    readers: Vec<JoinHandle<()>>,
}

/// The log of one process's output.
#[derive(Clone, Debug)]
struct OutputLog {
    queue: Arc<str>,
    process: u32,
    /// The name of the extension that the process is, if it is one.
    extension: Option<Arc<str>>,
    current: Arc<Mutex<CurrentOutput>>,
}

/// The invocation that a process runs, or ran last, and its last lines since then.
#[derive(Debug, Default)]
struct CurrentOutput {
    invocation: Option<Arc<Invocation>>,
    last: LastLines,
}

impl ProcessOutput {
    /// Logs the output of a runtime process until its end.
    pub(super) fn of(queue: Arc<str>, process: &mut Process) -> Self {
        Self::of_process(queue, process, None)
    }

    /// Logs the output of an extension's process until its end.
    pub(super) fn of_extension(queue: Arc<str>, process: &mut Process, name: Arc<str>) -> Self {
        Self::of_process(queue, process, Some(name))
    }

    fn of_process(queue: Arc<str>, process: &mut Process, extension: Option<Arc<str>>) -> Self {
        let log = OutputLog { queue, process: process.id(), extension, current: Arc::default() };
        let streams = [("stdout", process.take_stdout()), ("stderr", process.take_stderr())];
        let reader = |(stream, pipe): (&'static str, Option<crate::process::Output>)| {
            let (log, pipe) = (log.clone(), pipe?);
            let reading = pipe.for_each_line(move |line| log.write(stream, &line.to_string()));
            Some(tasks::detach("function output", reading))
        };
        let readers = streams.into_iter().filter_map(reader).collect();
        Self { log, readers }
    }

    /// Sets the invocation of the next lines.
    pub(super) fn set_invocation(&self, invocation: Arc<Invocation>) {
        *self.log.current() = CurrentOutput { invocation: Some(invocation), last: LastLines::default() };
    }

    /// Waits until everything is read that a process wrote before its end.
    pub(super) async fn finish(&mut self) {
        for reader in self.readers.drain(..) {
            drop(timeout(LAST_OUTPUT, reader).await);
        }
    }

    /// Adds the last lines, since the process has received its invocation, to the reason of its end.
    pub(super) fn explain(&self, reason: String) -> String {
        match self.log.current().last.to_text() {
            Some(lines) => format!("{reason}; its last lines: {lines}"),
            None => reason,
        }
    }
}

impl OutputLog {
    fn write(&self, stream: &'static str, line: &str) {
        let invocation = {
            let mut current = self.current();
            current.last.push(line);
            current.invocation.clone()
        };
        let invocation = invocation.as_deref();
        let _trace = invocation.and_then(|invocation| invocation.log_trace.as_ref()).map(TraceContext::enter);
        let message_id = invocation.and_then(|invocation| invocation.message_id.as_ref());
        events::FunctionOutput {
            queue: &self.queue,
            process: self.process,
            extension: self.extension.as_deref(),
            request_id: invocation.map(|invocation| invocation.id.as_str()),
            message_id: message_id.map(MessageId::as_str),
            message_ids: invocation.and_then(|invocation| invocation.message_ids.as_deref()),
            stream,
            line,
        }
        .emit();
    }

    fn current(&self) -> MutexGuard<'_, CurrentOutput> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines of an output, in bounded memory.
#[derive(Debug, Default)]
struct LastLines {
    lines: VecDeque<String>,
    bytes: usize,
}

impl LastLines {
    /// Adds a line unless it is blank; a long one is cut, and a control character becomes a space.
    fn push(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        let cut = &line[..line.floor_char_boundary(LAST_BYTES)];
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let mut kept: String = cut.chars().map(plain).collect();
        if cut.len() < line.len() {
            kept.push('…');
        }
        self.bytes += kept.len();
        self.lines.push_back(kept);
        while self.lines.len() > LAST_LINES || (self.bytes > LAST_BYTES && self.lines.len() > 1) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    fn to_text(&self) -> Option<String> {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(lines: &[&str]) -> Option<String> {
        let mut last = LastLines::default();
        for line in lines {
            last.push(line);
        }
        last.to_text()
    }

    #[test]
    fn the_last_five_lines_are_kept_without_blank_ones() {
        assert_eq!(last(&["1", "2", "", "3", "4", "  ", "5", " 6\t"]).as_deref(), Some("2 | 3 | 4 | 5 | 6"));
        assert_eq!(last(&["", " "]), None);
    }

    #[test]
    fn the_last_lines_have_a_kilobyte_at_most_and_no_control_characters() {
        let long = "x".repeat(LAST_BYTES - 3);
        assert_eq!(last(&["first", &long, "a\x1bb"]), Some(format!("{long} | a b")));
        let whole = last(&["first", &"é".repeat(LAST_BYTES)]);
        assert_eq!(whole, Some(format!("{}…", "é".repeat(LAST_BYTES / 2))));
    }
}
