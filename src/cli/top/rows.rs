//! The rows of the table: every queue of every worker, in order; pure.

use std::cmp::Ordering;

use super::{
    model::{Reach, WorkerState},
    rates::QueueRates,
    status::{OpeningReport, QueueReport, WorkerText},
};

/// The key by which the rows are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKey {
    Name,
    Running,
    Rate,
    Failures,
    Oldest,
}

impl SortKey {
    const ALL: [Self; 5] = [Self::Name, Self::Running, Self::Rate, Self::Failures, Self::Oldest];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Running => "running",
            Self::Rate => "rate",
            Self::Failures => "failures",
            Self::Oldest => "oldest",
        }
    }

    /// The key that is so many after this one; after the last comes the first.
    pub(super) fn after(self, steps: usize) -> Self {
        let at = Self::ALL.iter().position(|key| *key == self).unwrap_or_default();
        Self::ALL[(at + steps) % Self::ALL.len()]
    }

    pub(super) fn next(self) -> Self {
        self.after(1)
    }

    pub(super) fn previous(self) -> Self {
        self.after(Self::ALL.len() - 1)
    }
}

/// The identity of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowKey {
    /// The index of the worker.
    pub(super) worker: usize,
    /// Absent in the row of a worker without queues to show.
    pub(super) queue: Option<WorkerText>,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(super) struct QueueRow<'a> {
    pub(super) key: RowKey,
    /// The address of the worker.
    pub(super) worker: &'a str,
    pub(super) subject: RowSubject<'a>,
}

/// The subject of a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowSubject<'a> {
    Queue(&'a QueueReport, Option<QueueRates>),
    /// A queue that is not open yet.
    Opening(&'a OpeningReport),
    /// A worker that has not answered yet.
    Awaited,
    /// A worker that does not answer, with the reason.
    Unreachable(&'a str),
}

/// The judgement of a state, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Warn,
    Bad,
}

impl QueueRow<'_> {
    pub(super) fn queue(&self) -> Option<&QueueReport> {
        match self.subject {
            RowSubject::Queue(queue, _) => Some(queue),
            _ => None,
        }
    }

    pub(super) fn rates(&self) -> Option<QueueRates> {
        match self.subject {
            RowSubject::Queue(_, rates) => rates,
            _ => None,
        }
    }

    /// One word.
    pub(super) fn state(&self) -> String {
        match self.subject {
            RowSubject::Queue(queue, _) => queue.state.to_string(),
            RowSubject::Opening(_) => "opening".to_owned(),
            RowSubject::Awaited => "asked".to_owned(),
            RowSubject::Unreachable(_) => "unreachable".to_owned(),
        }
    }

    pub(super) fn level(&self) -> Level {
        match self.subject {
            RowSubject::Queue(queue, _) => match queue.state.raw() {
                "receiving" | "empty" => Level::Good,
                "refused" | "failing" | "settling" => Level::Bad,
                _ => Level::Warn,
            },
            RowSubject::Opening(_) | RowSubject::Awaited => Level::Warn,
            RowSubject::Unreachable(_) => Level::Bad,
        }
    }

    /// The sentence that says why nothing is received, or what is.
    pub(super) fn why(&self) -> String {
        match self.subject {
            RowSubject::Queue(queue, _) => queue.why.to_string(),
            RowSubject::Opening(OpeningReport { last_error: Some(error), .. }) => {
                format!("Not open yet: {error}")
            }
            RowSubject::Opening(_) => "Not open yet: SQS has not answered".to_owned(),
            RowSubject::Awaited => "The worker has not answered yet".to_owned(),
            RowSubject::Unreachable(reason) => format!("The worker does not answer: {reason}"),
        }
    }

    /// The value to sort by; names are compared as texts.
    fn value(&self, key: SortKey) -> Option<f64> {
        let queue = self.queue()?;
        match key {
            SortKey::Name => None,
            SortKey::Running => u32::try_from(queue.running).ok().map(f64::from),
            SortKey::Rate => self.rates().map(QueueRates::ended),
            SortKey::Failures => self.rates().map(|rates| rates.failed),
            SortKey::Oldest => queue.oldest_seconds(),
        }
    }

    /// The failures since the start, for queues that do not fail just now.
    fn failed(&self) -> u64 {
        self.queue().map_or(0, |queue| queue.totals.failed)
    }
}

/// The rows, in order: the largest values first, and names from A.
pub(super) fn rows(workers: &[WorkerState], sort: SortKey) -> Vec<QueueRow<'_>> {
    let mut rows: Vec<_> =
        workers.iter().enumerate().flat_map(|(index, worker)| of_worker(index, worker)).collect();
    rows.sort_by(|one, other| compare(one, other, sort));
    rows
}

fn compare(one: &QueueRow<'_>, other: &QueueRow<'_>, sort: SortKey) -> Ordering {
    let value = |row: &QueueRow<'_>| row.value(sort).unwrap_or(-1.0);
    let by_value = value(other).total_cmp(&value(one));
    let by_failures =
        if sort == SortKey::Failures { other.failed().cmp(&one.failed()) } else { Ordering::Equal };
    // A worker without queues to show comes after all names.
    let name = |row: &QueueRow<'_>| (row.key.queue.is_none(), row.key.queue.clone(), row.key.worker);
    by_value.then(by_failures).then_with(|| name(one).cmp(&name(other)))
}

fn of_worker(index: usize, worker: &WorkerState) -> Vec<QueueRow<'_>> {
    let row = |queue: Option<&WorkerText>, subject| QueueRow {
        key: RowKey { worker: index, queue: queue.cloned() },
        worker: &worker.label,
        subject,
    };
    match &worker.reach {
        Reach::Awaited => vec![row(None, RowSubject::Awaited)],
        Reach::Unreachable { reason, .. } => vec![row(None, RowSubject::Unreachable(reason))],
        Reach::Live(report) => {
            let open = report.queues.iter();
            let open =
                open.map(|queue| row(Some(&queue.queue), RowSubject::Queue(queue, worker.rates(queue))));
            let opening = report.opening.iter();
            open.chain(opening.map(|queue| row(Some(&queue.queue), RowSubject::Opening(queue)))).collect()
        }
    }
}
