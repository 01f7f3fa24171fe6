//! Gathers the ends of processes that end alike, so that one line with their number stands for all of them.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use crate::{process::likeness, tasks, telemetry::events};

/// The time for which the ends of other processes are awaited, unless all have ended alike before.
const WINDOW: Duration = Duration::from_secs(2);

/// The kind of a process's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndKind {
    /// It never asked for an invocation.
    NotStarted,
    /// It is replaced.
    Replaced,
}

/// The ends of one queue's processes that are not logged yet.
#[derive(Debug)]
pub(super) struct EndLog {
    queue: Arc<str>,
    ends: Mutex<GatheredEnds>,
}

impl EndLog {
    /// The log of a queue with this many processes.
    pub(super) fn new(queue: Arc<str>, processes: NonZeroUsize) -> Arc<Self> {
        let ends = GatheredEnds { processes, next: 0, groups: Vec::new() };
        Arc::new(Self { queue, ends: Mutex::new(ends) })
    }

    /// Changes the number of processes.
    pub(super) fn expect(&self, processes: NonZeroUsize) {
        self.ends().processes = processes;
    }

    /// Logs the end of a process, alone or, within the window, with those that end alike.
    pub(super) fn record(self: &Arc<Self>, number: usize, kind: EndKind, reason: &str) {
        let recorded = self.ends().record(number, kind, reason);
        match recorded {
            RecordedEnd::All(group) => self.emit(&group),
            RecordedEnd::First(group) => {
                let log = self.clone();
                let waiting = async move {
                    sleep(WINDOW).await;
                    let group = log.ends().take(group);
                    if let Some(group) = &group {
                        log.emit(group);
                    }
                };
                drop(tasks::detach("alike ends", waiting));
            }
            RecordedEnd::Further => {}
        }
    }

    /// Logs what still waits, as at the end of the worker.
    pub(super) fn finish(&self) {
        let groups = std::mem::take(&mut self.ends().groups);
        for group in &groups {
            self.emit(group);
        }
    }

    fn emit(&self, group: &AlikeEnds) {
        let (queue, processes, reason) = (&*self.queue, group.numbers.len(), group.reason.as_str());
        match group.kind {
            EndKind::NotStarted => events::ProcessNotStarted { queue, processes, reason }.emit(),
            EndKind::Replaced => events::ProcessReplaced { queue, processes, reason }.emit(),
        }
    }

    fn ends(&self) -> MutexGuard<'_, GatheredEnds> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The groups of ends that are alike.
#[derive(Debug)]
struct GatheredEnds {
    processes: NonZeroUsize,
    /// The id of the next group.
    next: u64,
    groups: Vec<AlikeEnds>,
}

/// Processes that have ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AlikeEnds {
    id: u64,
    kind: EndKind,
    likeness: String,
    /// The reason of the first.
    reason: String,
    numbers: BTreeSet<usize>,
}

/// The effect of one more end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RecordedEnd {
    /// It is the first of a group, which has this id.
    First(u64),
    /// It belongs to a group that waits already.
    Further,
    /// With it all processes have ended alike.
    All(AlikeEnds),
}

impl GatheredEnds {
    fn record(&mut self, number: usize, kind: EndKind, reason: &str) -> RecordedEnd {
        let likeness = likeness(reason);
        let is_alike = |group: &AlikeEnds| (group.kind, &group.likeness) == (kind, &likeness);
        let known = self.groups.iter().position(is_alike);
        let (position, is_first) = (known.unwrap_or(self.groups.len()), known.is_none());
        if is_first {
            let (id, reason, numbers) = (self.next, reason.to_owned(), BTreeSet::new());
            self.next += 1;
            self.groups.push(AlikeEnds { id, kind, likeness, reason, numbers });
        }
        self.groups[position].numbers.insert(number);
        if self.groups[position].numbers.len() >= self.processes.get() {
            RecordedEnd::All(self.groups.swap_remove(position))
        } else if is_first {
            RecordedEnd::First(self.groups[position].id)
        } else {
            RecordedEnd::Further
        }
    }

    fn take(&mut self, id: u64) -> Option<AlikeEnds> {
        let position = self.groups.iter().position(|group| group.id == id)?;
        Some(self.groups.swap_remove(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(processes: usize) -> GatheredEnds {
        GatheredEnds { processes: NonZeroUsize::new(processes).unwrap(), next: 0, groups: Vec::new() }
    }

    #[test]
    fn the_only_process_is_logged_at_once() {
        let recorded = ends(1).record(0, EndKind::Replaced, "exit code 1");
        assert!(matches!(recorded, RecordedEnd::All(group) if group.reason == "exit code 1"));
    }

    #[test]
    fn processes_that_end_alike_are_one_group_by_their_numbers() {
        let mut ends = ends(3);
        let end = |pid: u32| format!("exit code 9; its last lines: [{pid}] no module named app");
        assert_eq!(ends.record(0, EndKind::NotStarted, &end(12)), RecordedEnd::First(0));
        assert_eq!(ends.record(1, EndKind::NotStarted, &end(345)), RecordedEnd::Further);
        assert_eq!(ends.record(1, EndKind::NotStarted, &end(6)), RecordedEnd::Further, "the same one again");
        let RecordedEnd::All(group) = ends.record(2, EndKind::NotStarted, &end(7)) else {
            panic!("{ends:?}")
        };
        assert_eq!((group.numbers.len(), group.reason), (3, end(12)));
        assert_eq!(ends.take(0), None);
    }

    #[test]
    fn ends_that_differ_are_groups_of_their_own() {
        let mut ends = ends(3);
        assert_eq!(ends.record(0, EndKind::NotStarted, "SIGKILL"), RecordedEnd::First(0));
        assert_eq!(ends.record(1, EndKind::NotStarted, "SIGSEGV"), RecordedEnd::First(1));
        assert_eq!(ends.record(2, EndKind::Replaced, "SIGKILL"), RecordedEnd::First(2));
        assert_eq!(ends.take(1).map(|group| group.reason).as_deref(), Some("SIGSEGV"));
        assert_eq!(ends.take(1), None);
    }
}
