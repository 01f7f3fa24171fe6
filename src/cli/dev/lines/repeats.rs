//! Remembers for a moment what the processes of a function have written, so that what all of them write is shown once.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// The time for which a line is remembered.
const MOMENT: Duration = Duration::from_secs(2);
/// The most lines that are remembered; beyond them everything is shown.
const MOST: usize = 1_000;

/// The lines that were shown a moment ago, each with the process that wrote it.
#[derive(Debug, Default)]
pub(super) struct RecentOutput {
    lines: HashMap<(String, String), (String, Instant)>,
}

impl RecentOutput {
    /// True if a line was shown a moment ago that another process of the queue has written; else it is remembered.
    ///
    /// Numbers do not count: a process id or a time differs between lines that say the same.
    pub(super) fn is_repeated(&mut self, queue: &str, process: &str, line: &str, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < MOMENT;
        let key = (queue.to_owned(), line.chars().filter(|one| !one.is_ascii_digit()).collect());
        if let Some((writer, at)) = self.lines.get(&key)
            && is_recent(*at)
        {
            return writer != process;
        }
        self.lines.retain(|_, (_, at)| is_recent(*at));
        if self.lines.len() < MOST {
            self.lines.insert(key, (process.to_owned(), now));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
