//! Promises 10, 11 and 12: a drain hides nothing, no loop is hot, and everything ends.

use std::{collections::BTreeMap, time::Duration};

use crate::support::calls::Action;
use crate::tests::simulation::{
    model::Model,
    plan::FailureMode,
    record::{Received, RunEnd},
};

/// The time that a drain may take beyond its limit.
const TOLERANCE: Duration = Duration::from_millis(500);
/// The longest wait of a receive, and the time for a late answer.
const LONGEST_RECEIVE: Duration = Duration::from_secs(30);
/// The window in which calls are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// The most receives of one worker in a window. Each brings or waits, so only a loop that is hot sends more.
const MOST_RECEIVES: usize = 150;
/// The most calls of one action in a window that name the same receive of a message.
const MOST_REPEATS: usize = 30;
/// The most calls of one worker's handler in a window that find it unavailable, beside those that run at once.
const MOST_UNAVAILABLE: usize = 20;

pub(super) fn a_drain_hides_nothing_and_keeps_its_limit(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (worker, life) in &model.lives {
        let (Some(began), Some((ended, drained))) = (life.drain_began, life.drained) else { continue };
        let frozen: Duration = model
            .freezes
            .iter()
            .filter(|(_, thawed)| *thawed >= began && *thawed <= ended)
            .map(|(from, to)| to.saturating_sub(*from))
            .sum();
        if ended.saturating_sub(began) > model.world().worker.drain_limit + TOLERANCE + frozen {
            broken.push(format!("worker {worker} drained from {began:?} to {ended:?}, {drained:?}"));
        }
        for (received, hold) in model.holds.iter().filter(|(_, hold)| hold.worker == *worker) {
            let is_hidden = hold.end() > ended && hold.until_at(ended) > ended;
            let is_given_back = hold.given_back.is_some_and(|at| at <= ended);
            // A limit shorter than a long poll cuts the receive, which may take messages all the same.
            let is_cut = hold.answered.is_none() && model.world().worker.drain_limit < LONGEST_RECEIVE;
            if is_hidden && !is_given_back && !is_cut && !model.is_touched(*received, hold.taken, ended) {
                broken.push(format!(
                    "worker {worker} drained at {ended:?}, {drained:?}, and hides {received:?} until {:?}",
                    hold.until_at(ended)
                ));
            }
        }
    }
    broken
}

pub(super) fn no_hot_loop(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if model.record.is_hot {
        broken.push(format!("{} calls", model.calls.len()));
    }
    let mut receives: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    let mut repeats: BTreeMap<(usize, u8, Received), Vec<Duration>> = BTreeMap::new();
    for call in model.calls.values() {
        let action = match call.action {
            Action::Receive => {
                receives.entry(call.worker).or_default().push(call.sent);
                continue;
            }
            Action::Delete => 0,
            Action::ChangeVisibility => 1,
            Action::Send => 2,
            Action::Describe => continue,
        };
        for (received, _) in &call.entries {
            repeats.entry((call.worker, action, *received)).or_default().push(call.sent);
        }
    }
    for (worker, times) in receives {
        broken.extend(
            hottest(&times, MOST_RECEIVES).map(|found| format!("receives of worker {worker}: {found}")),
        );
    }
    for (worker, times) in unavailable_calls(model) {
        let most = MOST_UNAVAILABLE + model.world().worker.concurrency;
        broken.extend(
            hottest(&times, most).map(|found| format!("unavailable calls of worker {worker}: {found}")),
        );
    }
    for (key, times) in repeats {
        broken.extend(hottest(&times, MOST_REPEATS).map(|found| format!("calls for {key:?}: {found}")));
    }
    broken
}

/// The beginnings of the calls of each worker's handler that found it unavailable, or the worker short of resources.
fn unavailable_calls(model: &Model<'_>) -> BTreeMap<usize, Vec<Duration>> {
    let mut calls = BTreeMap::new();
    for run in model.runs.iter().filter(|run| run.is_over_with(RunEnd::Unavailable)) {
        calls.entry((run.worker, run.call)).or_insert(run.began);
    }
    let mut times: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    for ((worker, _), began) in calls {
        times.entry(worker).or_default().push(began);
    }
    times
}

fn hottest(times: &[Duration], most: usize) -> Option<String> {
    let window = times.windows(most + 1).find(|window| window[most].saturating_sub(window[0]) < WINDOW)?;
    Some(format!("{} in {:?} from {:?} on", window.len(), window[most].saturating_sub(window[0]), window[0]))
}

/// Every message is done or in the DLQ, and one whose body cannot be read is in the DLQ.
pub(super) fn everything_ends(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if model.record.left > 0 {
        broken.push(format!("{} messages are left in the queue", model.record.left));
    }
    for (number, plan) in model.world().messages.iter().enumerate() {
        let is_dead = model.record.dead.contains(&number);
        let is_bad = plan.failure == FailureMode::BadBody && model.world().worker.batch == 1;
        let is_done =
            model.runs.iter().any(|run| run.received.number == number && run.is_over_with(RunEnd::Done));
        let is_held = model.holds.iter().any(|(received, hold)| {
            received.number == number && hold.deleted.is_none() && hold.taken_again.is_none()
        });
        let is_over = is_dead || (is_done && !is_bad);
        let is_waited_for = is_held && model.record.left > 0;
        if !is_over && !is_waited_for {
            broken.push(format!("message {number} is neither done nor in the DLQ"));
        }
    }
    broken
}
