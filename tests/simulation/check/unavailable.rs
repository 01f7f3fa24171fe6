//! Promises 14 and 15: neither an outage of the handler nor a shortage of resources carries messages into the DLQ.

use std::{collections::BTreeMap, time::Duration};

use crate::tests::simulation::{
    model::{Model, Run},
    plan::{FailureMode, OutageKind},
    record::{Received, RunEnd},
};

/// The calls in a row that find the handler unavailable, after which no receive is spent.
const CALLS_IN_A_ROW: usize = 3;

/// No message is dead whose last attempt met the outage.
pub(super) fn no_outage_ends_a_message(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if has_bad_bodies(model) {
        return broken;
    }
    for number in &model.record.dead {
        let last = model.holds.keys().filter(|received| received.number == *number).max();
        let Some(run) = last.and_then(|received| last_run(model, *received)) else { continue };
        let hold = &model.holds[&run.received];
        // A stop gives back what it cannot keep, and a lease that ends by itself has another cause.
        let Some(given_back) = hold.give_back_sent else { continue };
        let is_excused = !model.is_last_attempt(run)
            || given_back >= model.lives[&hold.worker].stops()
            || model.is_touched(run.received, hold.taken, given_back);
        if run.is_over_with(RunEnd::Unavailable) && !is_excused {
            broken.push(format!("{run:?} was the last of a message that is in the DLQ"));
        }
    }
    broken
}

/// An outage spends the receives of a few calls of each worker, and a shortage none.
pub(super) fn an_outage_spends_few_receives(model: &Model<'_>) -> Vec<String> {
    let world = model.world();
    let Some(outage) = world.outage else { return Vec::new() };
    if has_bad_bodies(model) {
        return Vec::new();
    }
    let mut spent: BTreeMap<usize, Vec<Received>> = BTreeMap::new();
    for (received, hold) in &model.holds {
        let Some(run) = last_run(model, *received) else { continue };
        // A stop gives back what waits, as does a handler that is down.
        let stops = model.lives[&hold.worker].stops();
        let is_spent = hold
            .give_back_sent
            .is_some_and(|at| at >= run.end() && at < stops && !was_down(model, hold.worker, run.end(), at));
        if run.is_over_with(RunEnd::Unavailable) && is_spent && run.worker == hold.worker {
            spent.entry(run.worker).or_default().push(*received);
        }
    }
    let most = match outage.kind {
        // Each call that began before the outage may end in it, and then the row begins anew.
        OutageKind::Unavailable => CALLS_IN_A_ROW * (world.worker.concurrency + 1) * world.worker.batch,
        OutageKind::ShortOfResources => 0,
    };
    let is_too_many = |spent: &Vec<Received>| spent.len() > most;
    let found = spent.into_iter().filter(|(_, spent)| is_too_many(spent));
    found
        .map(|(worker, spent)| {
            format!("worker {worker} spent {} receives in the outage, {most} at most: {spent:?}", spent.len())
        })
        .collect()
}

/// True if a message's body cannot be read: its failures show, in the middle of an outage, that the handler is there.
fn has_bad_bodies(model: &Model<'_>) -> bool {
    model.world().messages.iter().any(|message| message.failure == FailureMode::BadBody)
}

/// True if a call of the worker found the handler down at this time.
fn was_down(model: &Model<'_>, worker: usize, from: Duration, to: Duration) -> bool {
    let is_down = |run: &&Run| run.worker == worker && run.is_over_with(RunEnd::Down);
    model.runs.iter().filter(is_down).any(|run| from <= run.end() && run.end() <= to)
}

/// The last run of a receive.
fn last_run<'a>(model: &'a Model<'_>, received: Received) -> Option<&'a Run> {
    let runs = model.runs_of.get(&received)?;
    runs.last().map(|index| &model.runs[*index])
}
