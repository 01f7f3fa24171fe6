//! The record of the handler's runs, and the report of the demonstration.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    ExpectedEnd, SentSample,
    handler::{DemoAction, DemoStep},
};
use crate::message::MessageId;

/// The result of the demonstration.
#[derive(Clone, Debug)]
pub(super) struct DemoReport {
    rows: Vec<(&'static str, String)>,
    problems: Vec<String>,
}

/// The counts of the worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DemoCounts {
    pub(super) retried: u64,
    pub(super) extensions: u64,
    pub(super) received_again: u64,
    pub(super) left: usize,
    pub(super) is_over: bool,
}

impl DemoReport {
    /// True if every message ended where it should.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Compares the end of every message with the expected one.
pub(super) fn evaluate(
    sent: &[SentSample],
    record: &DemoRecord,
    dead: &[MessageId],
    counts: DemoCounts,
) -> DemoReport {
    let in_dlq: HashSet<_> = dead.iter().collect();
    let mut problems: Vec<_> = sent.iter().filter_map(|sent| problem(sent, record, &in_dlq)).collect();
    let unknown = dead.iter().filter(|id| sent.iter().all(|sent| sent.id != **id)).count();
    if unknown > 0 {
        problems.push(format!("{unknown} messages in the dlq that were not sent"));
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
    DemoReport { rows, problems }
}

fn problem(sent: &SentSample, record: &DemoRecord, in_dlq: &HashSet<&MessageId>) -> Option<String> {
    let SentSample { id, expected } = sent;
    let runs = record.of(id);
    let is_dead = in_dlq.contains(id);
    let is_right = match *expected {
        ExpectedEnd::Done { runs: wanted } => !is_dead && runs.done == 1 && runs.done + runs.failed == wanted,
        ExpectedEnd::DeadLetter => is_dead && runs.done == 0,
    };
    let location = if is_dead { "in the dlq" } else { "not in the dlq" };
    let (done, failed) = (runs.done, runs.failed);
    (!is_right).then(|| {
        format!("{id}: expected {expected}, is {location} after {done} good and {failed} failed runs")
    })
}

impl fmt::Display for DemoReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            writeln!(formatter, "  {name:<18}{value:>8}")?;
        }
        for problem in &self.problems {
            writeln!(formatter, "  wrong: {problem}")?;
        }
        let summary = if self.is_good() {
            "every message ended where it should"
        } else {
            "not every message ended where it should"
        };
        writeln!(formatter, "  {summary}")
    }
}

/// The runs of the demo handler by message; clones share the record.
#[derive(Clone, Debug, Default)]
pub(super) struct DemoRecord(Arc<Mutex<HashMap<MessageId, MessageRuns>>>);

/// The runs of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageRuns {
    pub(super) done: u32,
    pub(super) failed: u32,
    pub(super) longest: Duration,
    began: Option<Instant>,
}

impl DemoRecord {
    fn runs(&self) -> MutexGuard<'_, HashMap<MessageId, MessageRuns>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a step of the handler.
    pub(super) fn add(&self, step: &DemoStep) {
        let mut all = self.runs();
        let runs = all.entry(step.message.clone()).or_default();
        match step.action {
            DemoAction::Sleep(_) => runs.began = Some(Instant::now()),
            DemoAction::Done => runs.done += 1,
            DemoAction::Fail | DemoAction::Panic | DemoAction::Stop => runs.failed += 1,
        }
        if !matches!(step.action, DemoAction::Sleep(_))
            && let Some(began) = runs.began.take()
        {
            runs.longest = runs.longest.max(began.elapsed());
        }
    }

    /// The runs of a message.
    pub(super) fn of(&self, id: &MessageId) -> MessageRuns {
        self.runs().get(id).copied().unwrap_or_default()
    }

    /// The number of messages that are done.
    pub(super) fn done(&self) -> usize {
        self.runs().values().filter(|runs| runs.done > 0).count()
    }

    /// The number of successful runs after the first of a message.
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

    fn sent(id: &str, expected: ExpectedEnd) -> SentSample {
        SentSample { id: MessageId::new(id), expected }
    }

    fn record(steps: &[(&str, DemoAction)]) -> DemoRecord {
        let record = DemoRecord::default();
        for (id, action) in steps {
            record.add(&DemoStep { message: MessageId::new(*id), receive_count: 1, action: *action });
        }
        record
    }

    const OVER: DemoCounts =
        DemoCounts { retried: 0, extensions: 0, received_again: 0, left: 0, is_over: true };

    #[test]
    fn all_is_well_when_each_message_is_where_it_should_be() {
        let sent = [sent("a", ExpectedEnd::Done { runs: 2 }), sent("b", ExpectedEnd::DeadLetter)];
        let record = record(&[("a", DemoAction::Fail), ("a", DemoAction::Done), ("b", DemoAction::Fail)]);
        assert!(evaluate(&sent, &record, &[MessageId::new("b")], OVER).is_good());
    }

    #[test]
    fn a_lost_a_doubled_and_a_misplaced_message_are_each_named() {
        let wanted = ExpectedEnd::Done { runs: 1 };
        let sent = [sent("lost", wanted), sent("doubled", wanted), sent("dead", wanted)];
        let record = record(&[
            ("doubled", DemoAction::Done),
            ("doubled", DemoAction::Done),
            ("dead", DemoAction::Done),
        ]);
        let report = evaluate(&sent, &record, &[MessageId::new("dead")], OVER).to_string();
        for id in ["wrong: lost", "wrong: doubled", "wrong: dead"] {
            assert!(report.contains(id), "{id} in {report}");
        }
    }

    #[test]
    fn a_message_left_on_the_queue_is_wrong() {
        assert!(!evaluate(&[], &record(&[]), &[], DemoCounts { left: 1, ..OVER }).is_good());
        assert!(!evaluate(&[], &record(&[]), &[], DemoCounts { is_over: false, ..OVER }).is_good());
    }
}
