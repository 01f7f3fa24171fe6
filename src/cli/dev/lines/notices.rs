//! Shows warnings and errors of the log as lines, where no log is asked for.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use longshore_emulator::PublishedMessage;
use tokio::time::Instant;
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::{
    Printer,
    line::{DevLine, Mark},
};
use crate::{process::likeness, telemetry::logs::ShowEvent};

/// The lines below a warning that are shown too, by their messages.
const SHOWN: [&str; 7] = [
    "breaker closed, polling goes on",
    "configuration reloaded",
    "draining, a second signal stops at once",
    "function output",
    "handler is up, polling goes on",
    "program output",
    "resources are back, polling goes on",
];
/// The output of a handler, of which only the line itself is shown.
const OUTPUTS: [&str; 2] = ["function output", "program output"];
/// Lines that every queue without traffic would have at some time.
const LEFT_OUT: [&str; 1] = ["no message has been done since the start"];

/// The time for which a line is remembered.
const REMEMBERED: Duration = Duration::from_secs(2);
/// The most lines that are remembered; beyond them everything is shown.
const MOST_REMEMBERED: usize = 1_000;

/// Makes lines of the log's events.
///
/// The printer comes later than the log, which is started before any runtime.
#[derive(Clone, Default)]
pub(in crate::cli::dev) struct Notices {
    printer: Arc<OnceLock<Printer>>,
    recent: Arc<Mutex<RecentOutput>>,
}

impl Notices {
    /// Prints by this printer from now on.
    pub(in crate::cli::dev) fn print_by(&self, printer: &Printer) {
        self.printer.get_or_init(|| printer.clone());
    }

    /// Shows the events of the log.
    pub(in crate::cli::dev) fn shower(&self) -> ShowEvent {
        let notices = self.clone();
        Arc::new(move |event| notices.show(event))
    }

    /// Shows a message that was published here.
    pub(in crate::cli::dev) fn published(&self, message: &PublishedMessage) {
        if let Some(printer) = self.printer.get() {
            printer.print(DevLine::of(Mark::Published, "", message.to_string()));
        }
    }

    fn show(&self, event: &Event<'_>) {
        let Some(printer) = self.printer.get() else { return };
        let mut fields = NoticeFields::default();
        event.record(&mut fields);
        if fields.is_output_beside_messages() && self.is_repeated(&fields) {
            return;
        }
        for line in fields.lines(*event.metadata().level()) {
            printer.print(line);
        }
    }

    /// True if another process of the queue wrote the same just now: the processes of a function start together.
    fn is_repeated(&self, fields: &NoticeFields) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.is_repeated(&fields.queue, &fields.process, &fields.line, Instant::now())
    }
}

/// The fields of an event that a line shows.
#[derive(Default)]
struct NoticeFields {
    message: String,
    queue: String,
    message_id: Option<String>,
    /// The process that wrote the line, if there may be several.
    process: String,
    /// The line of a handler's output.
    line: String,
    /// The other fields, each with its name.
    others: String,
}

impl NoticeFields {
    /// True for what a process writes while it starts or ends.
    fn is_output_beside_messages(&self) -> bool {
        OUTPUTS.contains(&&*self.message) && self.message_id.is_none() && !self.process.is_empty()
    }

    /// A line of output is several where Lambda's runtime for Python has put a carriage return between them.
    fn lines(self, level: Level) -> Vec<DevLine> {
        if !OUTPUTS.contains(&&*self.message) {
            return self.notice(level).into_iter().collect();
        }
        let of_handler = |text: &str| DevLine {
            mark: Mark::Output,
            queue: self.queue.clone(),
            message_id: self.message_id.clone(),
            took: None,
            text: text.to_owned(),
        };
        self.line.split('\r').filter(|text| !text.is_empty()).map(of_handler).collect()
    }

    fn notice(self, level: Level) -> Option<DevLine> {
        // A message's own end has a line already.
        let is_shown = level <= Level::WARN && self.message_id.is_none() || SHOWN.contains(&&*self.message);
        if !is_shown || LEFT_OUT.contains(&&*self.message) {
            return None;
        }
        let mark = match level {
            Level::ERROR => Mark::Alert,
            Level::WARN => Mark::Notice,
            _ => Mark::Changed,
        };
        Some(DevLine::of(mark, &self.queue, format!("{}{}", self.message, self.others)))
    }
}

impl Visit for NoticeFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "process" {
            self.process = format!("{value:?}");
        }
        // Writing into a String cannot fail.
        let _infallible = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "queue" => write!(self.queue, "{value:?}"),
            "line" => write!(self.line, "{value:?}"),
            "message_id" => write!(self.message_id.get_or_insert_default(), "{value:?}"),
            "error" | "reason" => write!(self.others, ": {value:?}"),
            name => write!(self.others, ", {} {value:?}", name.replace('_', " ")),
        };
    }
}

/// The lines that were shown a moment ago, each with the process that wrote it.
#[derive(Debug, Default)]
struct RecentOutput {
    lines: HashMap<(String, String), (String, Instant)>,
}

impl RecentOutput {
    /// True if a line like it was shown a moment ago that another process of the queue has written; else it is remembered.
    fn is_repeated(&mut self, queue: &str, process: &str, line: &str, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < REMEMBERED;
        let key = (queue.to_owned(), likeness(line));
        if let Some((writer, at)) = self.lines.get(&key)
            && is_recent(*at)
        {
            return writer != process;
        }
        self.lines.retain(|_, (_, at)| is_recent(*at));
        if self.lines.len() < MOST_REMEMBERED {
            self.lines.insert(key, (process.to_owned(), now));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;
    use crate::{
        cli::dev::lines::{LineStyle, ShownLines},
        telemetry::logs::ShownEvents,
    };

    #[tokio::test]
    async fn warnings_and_outputs_become_lines_and_what_a_message_shows_itself_does_not() {
        let (printer, mut shown) = ShownLines::collect();
        let notices = Notices::default();
        notices.print_by(&printer);
        with_default(Registry::default().with(ShownEvents(notices.shower())), || {
            tracing::error!(
                queue = "orders",
                reason = "connection refused",
                "handler is down, polling is paused"
            );
            tracing::warn!(queue = "orders", message_id = "m", reason = "404", "message not done");
            tracing::info!(
                queue = "orders",
                message_id = "m",
                stream = "stdout",
                line = "hello\r  File \"app.py\"\r",
                "program output"
            );
            tracing::info!(address = "127.0.0.1", "admin server listens");
            tracing::error!(queue = "orders", "no message has been done since the start");
        });
        let style = LineStyle { has_colours: false, has_short_ids: true, queue_width: 6 };
        let lines: Vec<_> = shown.all().iter().map(|line| style.write(line)).collect();
        assert_eq!(
            lines,
            [
                "! orders handler is down, polling is paused: connection refused",
                "» orders m hello",
                "» orders m   File \"app.py\""
            ]
        );
    }

    #[test]
    fn what_another_process_writes_too_is_repeated_for_a_moment() {
        let (mut recent, now) = (RecentOutput::default(), Instant::now());
        let line = |process: &str| format!("[{process}] ModuleNotFoundError: no module named app");
        for (queue, process, after, is_repeated) in [
            ("orders", "11", 0, false),
            ("orders", "11", 0, false),
            ("orders", "12", 1, true),
            ("mails", "13", 1, false),
            ("orders", "12", 2, false),
            ("orders", "11", 3, true),
        ] {
            let at = now + Duration::from_secs(after);
            assert_eq!(
                recent.is_repeated(queue, process, &line(process), at),
                is_repeated,
                "{process} at {after} s"
            );
        }
        assert!(!recent.is_repeated("orders", "12", "another line", now));
    }

    #[test]
    fn what_does_not_fit_any_more_is_shown_until_the_rest_is_forgotten() {
        let (mut recent, now) = (RecentOutput::default(), Instant::now());
        for number in 0..MOST_REMEMBERED {
            assert!(!recent.is_repeated("orders", "11", &"x".repeat(number), now));
        }
        let later = now + REMEMBERED;
        for (process, at, is_repeated) in
            [("11", now, false), ("12", now, false), ("11", later, false), ("12", later, true)]
        {
            assert_eq!(recent.is_repeated("orders", process, "one more", at), is_repeated, "{process}");
        }
    }
}
