//! Promises 3, 5, 7 and 9: how many calls run, how they end, and that no message runs twice.

use std::{collections::BTreeMap, time::Duration};

use super::deleting::failures_before;
use crate::{
    support::calls::Action,
    tests::simulation::{
        model::{Hold, Model, Run},
        plan::FailureMode,
        record::{Fact, Received, RunEnd},
    },
};

/// A second of grace, and what lies between two checks of the deadlines.
const GRACE: Duration = Duration::from_millis(1_600);

pub(super) fn no_more_calls_than_the_concurrency(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut running: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for event in &model.record.events {
        let calls = running.entry(event.worker).or_default();
        match event.fact {
            Fact::Began { run, .. } => *calls.entry(run).or_default() += 1,
            Fact::Ended { run, .. } => {
                let left = calls.get_mut(&run).map_or(0, |left| {
                    *left -= 1;
                    *left
                });
                if left == 0 {
                    calls.remove(&run);
                }
            }
            _ => {}
        }
        if calls.len() > model.world().worker.concurrency {
            broken.push(format!("{} calls at once: {event}", calls.len()));
        }
        if let Some(most) = calls.values().max().filter(|most| **most > model.world().worker.batch) {
            broken.push(format!("{most} messages in one call: {event}"));
        }
    }
    broken
}

/// A call of a single message ends within the grace after its visibility, by the store's clock.
pub(super) fn a_lost_lease_ends_its_call(model: &Model<'_>) -> Vec<String> {
    if model.world().worker.batch > 1 {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for run in &model.runs {
        let end = run.end().min(model.record.events.last().map_or(Duration::ZERO, |event| event.at));
        let is_own = |(received, hold): &(&Received, &Hold)| {
            received.number == run.received.number && hold.worker == run.worker
        };
        // A newer receive by the same worker lends its lease to the run.
        let until =
            model.holds.iter().filter(is_own).map(|(_, hold)| hold.until_at(end)).max().unwrap_or_default();
        let thawed = model.freezes.iter().map(|(_, ended)| *ended).filter(|ended| *ended <= end).max();
        let is_settled =
            model.holds[&run.received].deleted.is_some() || model.holds[&run.received].given_back.is_some();
        if !is_settled && end > until.max(thawed.unwrap_or_default()) + GRACE {
            broken.push(format!("{run:?} ran on, although its message was visible since {until:?}"));
        }
    }
    broken
}

pub(super) fn never_twice_at_once_in_one_worker(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (index, run) in model.runs.iter().enumerate() {
        let is_same = |other: &&Run| {
            other.worker == run.worker && other.received.number == run.received.number && other.overlaps(run)
        };
        broken.extend(
            model.runs[..index].iter().filter(is_same).map(|other| format!("{run:?} beside {other:?}")),
        );
    }
    broken
}

/// No message runs again in the worker that was done with it, or whose copy of it the DLQ confirmed.
pub(super) fn never_again_after_done(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for run in &model.runs {
        let is_over = match run.ended {
            Some((_, RunEnd::Done)) => {
                failures_before(model, run).next().is_none() && !is_behind_a_lost_one(model, run)
            }
            Some((_, RunEnd::Rejected)) => is_copied(model, run),
            _ => false,
        };
        let again = model.runs.iter().find(|other| {
            let is_same = other.worker == run.worker && other.received.number == run.received.number;
            is_same && other.position > run.end_position
        });
        if let (true, Some(again)) = (is_over, again) {
            broken.push(format!("{run:?} ran again: {again:?}"));
        }
    }
    broken
}

/// True if an earlier message of its group in the same call may have lost its lease, so that it comes again first.
fn is_behind_a_lost_one(model: &Model<'_>, run: &Run) -> bool {
    let before = model.runs.iter().filter(|other| other.call == run.call && other.position < run.position);
    let of_group =
        before.filter(|other| model.group(other.received.number) == model.group(run.received.number));
    model.world().queue.fifo
        && of_group
            .into_iter()
            .any(|other| model.is_touched(other.received, model.holds[&other.received].taken, run.end()))
}

/// True if the worker has the DLQ's answer that it took the copy, before the message could run again.
fn is_copied(model: &Model<'_>, run: &Run) -> bool {
    model.calls.values().any(|call| {
        let is_of_run = call.worker == run.worker && call.action == Action::Send && call.sent >= run.end();
        let names = call.entries.iter().any(|(received, _)| received.number == run.received.number);
        let again = model.holds[&run.received].end();
        is_of_run
            && names
            && call.fault.is_none()
            && call.answered.is_some_and(|(at, is_ok)| is_ok && at < again)
    })
}

/// A run is cut only because of its own message, its batch, its lease, or the stop of its worker.
pub(super) fn a_failure_touches_no_other_message(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for run in model.runs.iter().filter(|run| run.is_over_with(RunEnd::Cut)) {
        let is_planned = model.runs.iter().filter(|other| other.call == run.call).any(|other| {
            let plan = &model.world().messages[other.received.number];
            matches!(plan.failure_at(other.received.count), Some(FailureMode::Panics | FailureMode::Hangs))
        });
        let is_stopping = model.lives[&run.worker].stops() <= run.end();
        let has_timed_out = run.end().saturating_sub(run.began) >= model.world().worker.timeout;
        let is_touched = model
            .runs
            .iter()
            .filter(|other| other.call == run.call)
            .any(|other| model.is_touched(other.received, model.holds[&other.received].taken, run.end()));
        if !is_planned && !is_stopping && !has_timed_out && !is_touched {
            broken.push(format!("{run:?} was cut for no reason of its own"));
        }
    }
    broken
}
