//! The output of commands: results, failures with their hints, exit codes. Nothing else writes to the standard streams.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{
    CommandFactory as _,
    error::{ContextKind, ContextValue},
};
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    config::nearest,
    settings::Problems,
    telemetry::logs::{LineForm, LogsError, escaped},
};

/// The exit codes of failure; 0 means that all was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 1: what was asked for is not known; nothing is wrong.
    NotKnown,
    /// 64: bad usage or configuration.
    Usage,
    /// 69: a dependency is unreachable.
    Unavailable,
    /// 70: an internal error.
    Internal,
    /// 75: stopped before all was drained.
    Unfinished,
}

impl Exit {
    /// The exit code of the process.
    pub const fn code(self) -> u8 {
        match self {
            Self::NotKnown => 1,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Unfinished => 75,
        }
    }
}

/// The failure of a command.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure with this exit code; an empty message is not printed.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure with the text of an error, and with its hint if it has one.
    pub(super) fn of_error(exit: Exit, error: &dyn std::error::Error, hint: Option<&str>) -> Self {
        Self { hint: hint.map(str::to_owned), ..Self::new(exit, error.to_string()) }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Writes the failure to standard error and returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            print_error(&format!("error: {self}"));
        }
        ExitCode::from(self.exit.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(Exit::Usage, format!("the configuration has {problems}"))
    }
}

impl From<LogsError> for Failure {
    fn from(error: LogsError) -> Self {
        Self::new(Exit::Internal, error.to_string())
    }
}

/// Prints what clap returns instead of a command: help, the version, or an error in the arguments.
pub(super) fn print_usage(answer: &clap::Error) -> Result<(), Failure> {
    if answer.use_stderr() {
        drop(answer.print());
        if let Some(meant) = meant(answer) {
            print_error(&format!("\n  hint: did you mean {meant}?"));
        }
        return Err(Failure::new(Exit::Usage, ""));
    }
    print(&answer.to_string())
}

/// The command that a misspelt one was meant to be, which clap does not find for short names.
fn meant(answer: &clap::Error) -> Option<String> {
    if answer.get(ContextKind::SuggestedSubcommand).is_some() {
        return None;
    }
    let ContextValue::String(misspelt) = answer.get(ContextKind::InvalidSubcommand)? else { return None };
    let command = super::Cli::command();
    let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    nearest(misspelt, &names).map(str::to_owned)
}

/// Writes a text; a closed pipe is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Internal, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes lines for people, in which what would act on the terminal is escaped.
pub(super) fn print_line(line: &str) -> Result<(), Failure> {
    print(&format!("{}\n", escaped(line, LineForm::Text)))
}

/// Writes lines for people to standard error; a closed one is ignored.
pub(super) fn print_error(line: &str) {
    drop(writeln!(io::stderr().lock(), "{}", escaped(line, LineForm::Text)));
}

/// Writes notes to standard error.
pub(super) fn print_notes(notes: &[String]) {
    for note in notes {
        print_error(&format!("note: {note}"));
    }
}

/// Writes a value as JSON in one line.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&format!("{}\n", json_line(value)))
}

/// Writes a value as JSON in indented lines.
pub(super) fn print_indented(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value).unwrap_or_default();
    print(&format!("{}\n", escaped(&json, LineForm::Json)))
}

/// A value as JSON in one line, in which what would act on a terminal is escaped as JSON allows.
pub(super) fn json_line(value: &impl Serialize) -> String {
    escaped(&serde_json::to_string(value).unwrap_or_default(), LineForm::Json).into_owned()
}

/// The shortest time between two texts of a progress line.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A line about the progress on standard error, written anew in its place; none where that is no terminal.
pub(super) struct ProgressLine {
    is_terminal: bool,
    shown_at: Option<Instant>,
}

impl ProgressLine {
    /// A progress that shows nothing yet.
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown_at: None }
    }

    /// Shows this text, unless another one was shown just now.
    pub(super) fn show(&mut self, text: &str) {
        let is_due = self.shown_at.is_none_or(|shown_at| shown_at.elapsed() >= PROGRESS_INTERVAL);
        if self.is_terminal && is_due {
            drop(write!(io::stderr().lock(), "\r\u{1b}[K{text}"));
            self.shown_at = Some(Instant::now());
        }
    }

    /// Removes the text, before other output and at the end.
    pub(super) fn clear(&mut self) {
        if self.shown_at.take().is_some() {
            drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::logs::one_line;

    #[test]
    fn a_text_of_others_neither_acts_on_a_terminal_nor_begins_a_line_and_json_keeps_its_value() {
        let hostile = "\u{1b}[2J\u{9b}1m\u{202e}\r\nerror: forged";
        assert_eq!(one_line(hostile), r"\u{1b}[2J\u{9b}1m\u{202e}\u{d}\nerror: forged");
        let json = json_line(&hostile);
        assert!(
            !json.contains(|character: char| character.is_control() || character == '\u{202e}'),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
