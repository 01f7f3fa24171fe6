//! The table at the end of the demonstration, and whether all is well.

use std::{collections::HashSet, fmt};
use super::{Record, Sent, traffic::Expected};
use crate::message::MessageId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use crate::{
    dev::demo_handler::{Action, Step},
    message::MessageId,
};

/// What the demonstration came to.
#[derive(Clone, Debug)]
pub struct Report {
    rows: Vec<(&'static str, String)>,
    problems: Vec<String>,
}

/// What the worker counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) retried: u64,
    pub(super) extensions: u64,
    pub(super) received_again: u64,
    pub(super) left: usize,
    pub(super) is_over: bool,
}

impl Report {
    /// Whether every message ended where it should.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Compares where every message ended with where it should have.
pub(super) fn judge(sent: &[Sent], record: &Record, dead: &[MessageId], counts: Counts) -> Report {
    let in_dlq: HashSet<_> = dead.iter().collect();
    let mut problems: Vec<_> = sent.iter().filter_map(|sent| problem(sent, record, &in_dlq)).collect();
    let strangers = dead.iter().filter(|id| sent.iter().all(|sent| sent.id != **id)).count();
    if strangers > 0 {
        problems.push(format!("{strangers} messages in the dlq that were not sent"));
    }
    if counts.left > 0 {
        problems.push(format!("{} messages left on the queue", counts.left));
    }
    if !counts.is_over {
        problems.push("the demonstration took too long".to_owned());
    }
    let duplicates = u64::from(record.done_again()) + counts.received_again;
    let rows = vec![
        ("sent", sent.len().to_string()),
        ("done", record.done().to_string()),
        ("retried", counts.retried.to_string()),
        ("in the dlq", dead.len().to_string()),
        ("lease extensions", counts.extensions.to_string()),
        ("duplicates", duplicates.to_string()),
        ("longest task", format!("{:.1} s", record.longest().as_secs_f64())),
    ];
    Report { rows, problems }
}

fn problem(sent: &Sent, record: &Record, in_dlq: &HashSet<&MessageId>) -> Option<String> {
    let Sent { id, expected } = sent;
    let runs = record.of(id);
    let is_dead = in_dlq.contains(id);
    let is_right = match *expected {
        Expected::Done { runs: wanted } => !is_dead && runs.done == 1 && runs.done + runs.failed == wanted,
        Expected::DeadLetter => is_dead && runs.done == 0,
    };
    let place = if is_dead { "in the dlq" } else { "not in the dlq" };
    let (done, failed) = (runs.done, runs.failed);
    (!is_right).then(|| {
        format!("{id}: expected {expected:?}, is {place} after {done} good and {failed} failed runs")
    })
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(formatter, "  {name:<18}{value:>8}")?;
        }
        for problem in &self.problems {
            writeln!(formatter, "  wrong: {problem}")?;
        }
        let verdict = if self.is_good() {
            "every message ended where it should"
        } else {
            "not every message ended where it should"
        };
        writeln!(formatter, "  {verdict}")
    }
}

/// What the demo handler did, message by message; clones share the record.
#[derive(Clone, Debug, Default)]
pub struct Record(Arc<Mutex<HashMap<MessageId, Runs>>>);

/// The runs of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Runs {
    pub(super) done: u32,
    pub(super) failed: u32,
    pub(super) longest: Duration,
    began: Option<Instant>,
}

impl Record {
    fn runs(&self) -> MutexGuard<'_, HashMap<MessageId, Runs>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a step of the handler.
    pub fn note(&self, step: &Step) {
        let mut all = self.runs();
        let runs = all.entry(step.message.clone()).or_default();
        match step.action {
            Action::Sleep(_) => runs.began = Some(Instant::now()),
            Action::Done => runs.done += 1,
            Action::Fail | Action::Panic | Action::Stop => runs.failed += 1,
        }
        if !matches!(step.action, Action::Sleep(_))
            && let Some(began) = runs.began.take()
        {
            runs.longest = runs.longest.max(began.elapsed());
        }
    }

    /// The runs of a message.
    pub(super) fn of(&self, id: &MessageId) -> Runs {
        self.runs().get(id).copied().unwrap_or_default()
    }

    /// How many messages are done.
    pub(super) fn done(&self) -> usize {
        self.runs().values().filter(|runs| runs.done > 0).count()
    }

    /// How many runs ended well after the first that did.
    pub(super) fn done_again(&self) -> u32 {
        self.runs().values().map(|runs| runs.done.saturating_sub(1)).sum()
    }

    /// The longest run.
    pub(super) fn longest(&self) -> Duration {
        self.runs().values().map(|runs| runs.longest).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::demo_handler::{Action, Step};

    fn sent(id: &str, expected: Expected) -> Sent {
        Sent { id: MessageId::new(id), expected }
    }

    fn record(steps: &[(&str, Action)]) -> Record {
        let record = Record::default();
        for (id, action) in steps {
            record.note(&Step { message: MessageId::new(*id), receive_count: 1, action: *action });
        }
        record
    }

    const OVER: Counts = Counts { retried: 0, extensions: 0, received_again: 0, left: 0, is_over: true };

    #[test]
    fn all_is_well_when_each_message_is_where_it_should_be() {
        let sent = [sent("a", Expected::Done { runs: 2 }), sent("b", Expected::DeadLetter)];
        let record = record(&[("a", Action::Fail), ("a", Action::Done), ("b", Action::Fail)]);
        assert!(judge(&sent, &record, &[MessageId::new("b")], OVER).is_good());
    }

    #[test]
    fn a_lost_a_doubled_and_a_misplaced_message_are_each_named() {
        let wanted = Expected::Done { runs: 1 };
        let sent = [sent("lost", wanted), sent("doubled", wanted), sent("dead", wanted)];
        let record = record(&[("doubled", Action::Done), ("doubled", Action::Done), ("dead", Action::Done)]);
        let report = judge(&sent, &record, &[MessageId::new("dead")], OVER).to_string();
        for id in ["wrong: lost", "wrong: doubled", "wrong: dead"] {
            assert!(report.contains(id), "{id} in {report}");
        }
    }

    #[test]
    fn a_message_left_on_the_queue_is_wrong() {
        assert!(!judge(&[], &record(&[]), &[], Counts { left: 1, ..OVER }).is_good());
        assert!(!judge(&[], &record(&[]), &[], Counts { is_over: false, ..OVER }).is_good());
    }
}
