//! Promises 2, 3 and 4: held messages are hidden, no more than permits, and run.

use std::{collections::BTreeSet, time::Duration};

use crate::support::{calls::Action, secs};
use crate::tests::simulation::{
    model::{Hold, Model, Run},
    record::{Received, RunEnd},
};

/// A message is received again only after it was given back, unless a fault touched it or its worker died.
pub(super) fn hidden_while_held(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (received, hold) in &model.holds {
        let (Some(answered), Some(again)) = (hold.answered, hold.taken_again) else { continue };
        let life = &model.lives[&hold.worker];
        let has_ended =
            life.crashed.is_some_and(|at| at <= again) || life.drained.is_some_and(|(at, _)| at <= again);
        let is_given_back = hold.given_back.is_some_and(|at| at <= again);
        if !has_ended && !is_given_back && !model.is_lost_by_faults(*received, hold.taken, again) {
            broken.push(format!(
                "{received:?} of worker {}, held since {answered:?}, came again at {again:?}",
                hold.worker
            ));
        }
    }
    broken
}

/// A receive asks for no more than the permits that are certainly free; checked where their number is fixed.
pub(super) fn no_more_messages_than_permits(model: &Model<'_>) -> Vec<String> {
    let worker = model.world().worker;
    let Some(prefetch) = worker.prefetch else { return Vec::new() };
    let permits = worker.concurrency * worker.batch + prefetch;
    let mut broken = Vec::new();
    for (number, call) in model.calls.iter().filter(|(_, call)| call.action == Action::Receive) {
        let open = model.calls.range(..number).filter(|(_, other)| {
            let is_open = other.answered.is_none_or(|(at, _)| at > call.sent) && other.fault.is_none();
            other.worker == call.worker && other.action == Action::Receive && is_open
        });
        let under_way: usize = open.map(|(_, other)| other.max).sum();
        let held = held_at(model, call.worker, call.sent).len();
        if held + under_way + call.max > permits {
            broken.push(format!(
                "worker {} held {held} at {:?}, had asked for {under_way}, and asked for {} more, of {permits}",
                call.worker, call.sent, call.max
            ));
        }
    }
    broken
}

/// The messages that a worker certainly holds.
fn held_at(model: &Model<'_>, worker: usize, at: Duration) -> BTreeSet<usize> {
    let is_held = |received: &Received, hold: &Hold| {
        let run = run_of(model, worker, *received);
        let is_running = run.is_some_and(|run| run.began < at && run.end() > at);
        let is_waiting = hold.answered.is_some_and(|answered| answered < at)
            && run.is_none_or(|run| run.began >= at)
            && hold.give_back_sent.is_none_or(|sent| sent > at)
            && hold.delete_sent.is_none_or(|sent| sent > at);
        let is_certain = hold.until_at(at) > at && !model.is_touched(*received, hold.taken, at);
        hold.worker == worker && hold.end() >= at && is_certain && (is_running || is_waiting)
    };
    let held = model.holds.iter().filter(|(received, hold)| is_held(received, hold));
    held.map(|(received, _)| received.number).collect()
}

fn run_of<'a>(model: &'a Model<'_>, worker: usize, received: Received) -> Option<&'a Run> {
    let runs = model.runs_of.get(&received).into_iter().flatten();
    runs.map(|index| &model.runs[*index]).find(|run| run.worker == worker)
}

/// A received message runs, unless the worker stops, a fault touched it, or it is behind a failure of its group.
pub(super) fn every_receive_is_a_run(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (received, hold) in &model.holds {
        let Some(answered) = hold.answered else { continue };
        let end = hold.end();
        let has_run = run_of(model, hold.worker, *received).is_some();
        let has_stopped = model.lives[&hold.worker].stops() <= end;
        let is_excused = has_run
            || has_stopped
            || is_known(model, hold.worker, *received, (answered, end))
            || is_pausing(model, hold, end)
            || is_behind_in_group(model, *received, hold, end)
            || model.is_touched(*received, hold.taken, end);
        if !is_excused {
            broken.push(format!(
                "{received:?} came to worker {} at {answered:?}, and did not run",
                hold.worker
            ));
        }
    }
    broken
}

/// True if the worker runs the message already, or was done with it, or runs it soon by an older receive.
fn is_known(
    model: &Model<'_>,
    worker: usize,
    received: Received,
    (answered, end): (Duration, Duration),
) -> bool {
    model.runs.iter().filter(|run| run.worker == worker && run.received.number == received.number).any(
        |run| {
            let is_over = run.is_over_with(RunEnd::Done) || run.is_over_with(RunEnd::Rejected);
            let is_older = run.received.count < received.count;
            let latest = if is_older { end } else { answered };
            run.began <= latest && (run.end() >= answered || is_over)
        },
    )
}

/// True if the handler is down at some time of this hold.
fn is_pausing(model: &Model<'_>, hold: &Hold, end: Duration) -> bool {
    model
        .runs
        .iter()
        .filter(|run| run.worker == hold.worker && run.is_over_with(RunEnd::Down))
        .any(|run| run.end() <= end && run.end() + secs(60) >= hold.taken)
}

/// True if a message of its group failed, was lost or came twice at some time of this hold, or is not known to be deleted.
fn is_behind_in_group(model: &Model<'_>, received: Received, hold: &Hold, end: Duration) -> bool {
    if !model.world().queue.fifo {
        return false;
    }
    let group = model.group(received.number);
    let has_failed = model.runs.iter().filter(|run| model.group(run.received.number) == group).any(|run| {
        let failed = !run.is_over_with(RunEnd::Done) && run.end() >= hold.taken && run.began <= end;
        failed && run.received.number <= received.number
    });
    let is_disturbed = model.holds.iter().any(|(other, other_hold)| {
        let is_of_group = model.group(other.number) == group && other.number < received.number;
        let is_within = other_hold.taken <= end && other_hold.end() >= hold.taken;
        let is_touched = || model.is_touched(*other, other_hold.taken, end.min(other_hold.end()));
        // The store has deleted it, and the worker has no answer.
        let is_undecided =
            |deleted| other_hold.worker == hold.worker && model.has_faulty_call(*other, deleted, end);
        is_of_group && (is_within && is_touched() || other_hold.deleted.is_some_and(is_undecided))
    });
    has_failed || is_disturbed
}
