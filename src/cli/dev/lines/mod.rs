//! The lines of `longshore dev`: one a message as it ends, and one for each notice.
//!
//! A thread of its own prints them, so that a terminal that stands still delays no message.

mod line;
mod messages;
mod notices;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
    time::timeout,
};

pub(super) use self::{
    line::{DevLine, LineStyle, Mark},
    messages::MessageLines,
    notices::Notices,
};
use crate::{cli::output, tasks, telemetry::events};

/// The most lines that wait to be printed.
const WAITING: usize = 8_192;
/// The longest wait for the last lines at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes lines to print; clones share one output.
#[derive(Clone)]
pub(super) struct Printer {
    lines: mpsc::Sender<Option<DevLine>>,
    left_out: Arc<AtomicUsize>,
}

/// The printing, to be ended after the last line.
pub(super) struct Printing {
    printer: Printer,
    work: JoinHandle<()>,
}

impl Printer {
    /// Prints on standard output from now on; needs a runtime.
    pub(super) fn start(style: LineStyle) -> Printing {
        let (lines, waiting) = mpsc::channel(WAITING);
        let printer = Self { lines, left_out: Arc::default() };
        let left_out = printer.left_out.clone();
        let print = move || print_all(waiting, style, &left_out);
        let work = tasks::detach("lines", async move { drop(tasks::aside(print).await) });
        Printing { printer, work }
    }

    /// Prints a line soon; lines beyond those that may wait are counted instead.
    pub(super) fn print(&self, line: DevLine) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Some(line)) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Printing {
    pub(super) fn printer(&self) -> &Printer {
        &self.printer
    }

    /// Prints what waits, and ends.
    pub(super) async fn end(self) {
        drop(timeout(LAST_LINES, self.printer.lines.send(None)).await);
        drop(timeout(LAST_LINES, self.work).await);
    }
}

fn print_all(mut waiting: mpsc::Receiver<Option<DevLine>>, style: LineStyle, left_out: &AtomicUsize) {
    while let Some(Some(line)) = waiting.blocking_recv() {
        print(style, &line);
        let count = left_out.swap(0, Ordering::Relaxed);
        if count > 0 {
            print(style, &DevLine::of(Mark::Notice, "", format!("{count} lines are left out")));
        }
    }
}

/// Prints a line; a closed standard output does not stop the work.
fn print(style: LineStyle, line: &DevLine) {
    if let Err(failure) = output::print(&format!("{}\n", style.write(line))) {
        events::LineUnread { error: &failure.to_string() }.emit();
    }
}

/// The lines that were printed, for tests.
#[cfg(test)]
struct ShownLines(mpsc::Receiver<Option<DevLine>>);

#[cfg(test)]
impl ShownLines {
    fn collect() -> (Printer, Self) {
        let (lines, waiting) = mpsc::channel(64);
        (Printer { lines, left_out: Arc::default() }, Self(waiting))
    }

    fn all(&mut self) -> Vec<DevLine> {
        std::iter::from_fn(|| self.0.try_recv().ok().flatten()).collect()
    }
}
