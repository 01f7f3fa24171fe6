//! Promise 13: a task of ECS is protected while long work runs, and not while it is idle.

use std::time::Duration;

use crate::support::secs;
use crate::tests::simulation::{
    model::{Model, Run},
    plan::EcsPlan,
};

/// The time in which the agent is asked and answers.
const SLACK: Duration = Duration::from_secs(2);
/// The time after the last long work in which the protection is released.
const LINGER: Duration = Duration::from_secs(17);
/// The longest time in which a failed request is not repeated.
const LONGEST_PAUSE: Duration = Duration::from_secs(310);
/// The times at which a task is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Every call that has lasted for long is protected, unless the agent failed, or all processes stood still.
pub(super) fn while_long_work_runs(model: &Model<'_>) -> Vec<String> {
    let Some(ecs) = tracked(model) else { return Vec::new() };
    let mut broken = Vec::new();
    for run in &model.runs {
        let end = run.end().min(ends(model, run.worker));
        let mut at = run.began + ecs.after + SLACK;
        while at < end {
            if !is_excused(model, run.worker, run.began, at) && !is_protected(model, run.worker, at) {
                broken.push(format!("at {at:?} nothing protects {run:?}"));
                break;
            }
            at += EVERY;
        }
    }
    broken
}

/// No task is protected that has had no long work for a while, nor one that has drained.
pub(super) fn not_while_idle(model: &Model<'_>) -> Vec<String> {
    let Some(ecs) = model.world().ecs else { return Vec::new() };
    let mut broken = Vec::new();
    for (index, (worker, granted, until)) in model.protections.iter().enumerate() {
        let Some(until) = until else { continue };
        let changes = model.protections[index + 1..].iter().filter(|(other, ..)| other == worker);
        let replaced = changes.map(|(_, at, _)| *at).next().unwrap_or(Duration::MAX);
        let end = replaced.min(*until).min(ends(model, *worker));
        let mut at = *granted + LINGER;
        while at < end {
            let from = at.saturating_sub(LINGER);
            if !is_excused(model, *worker, from, at) && !has_long_work(model, *worker, ecs, from, at) {
                broken.push(format!("at {at:?} worker {worker} is idle since {from:?}, and protected"));
                break;
            }
            at += EVERY;
        }
    }
    for (worker, life) in &model.lives {
        if let Some((drained, _)) = life.drained
            && !is_excused(model, *worker, drained, drained)
            && is_protected(model, *worker, drained)
        {
            broken.push(format!("worker {worker} has drained at {drained:?}, and is protected"));
        }
    }
    broken
}

/// The plan, if every call may outlast a stop; others are not protected.
fn tracked(model: &Model<'_>) -> Option<EcsPlan> {
    let worker = model.world().worker;
    model.world().ecs.filter(|_| worker.timeout > worker.drain_limit)
}

/// The time at which the worker ends, or its record does.
fn ends(model: &Model<'_>, worker: usize) -> Duration {
    let life = &model.lives[&worker];
    let last = model.record.events.last().map_or(Duration::ZERO, |event| event.at);
    [life.crashed, life.drained.map(|(at, _)| at)].into_iter().flatten().min().unwrap_or(last)
}

fn is_protected(model: &Model<'_>, worker: usize, at: Duration) -> bool {
    let changes = model.protections.iter().filter(|(other, ..)| *other == worker);
    let last = changes.take_while(|(_, changed, _)| *changed <= at).last();
    last.is_some_and(|(_, _, until)| until.is_some_and(|until| until > at))
}

/// True if a failure of the agent or a standstill explains what is at this time.
fn is_excused(model: &Model<'_>, worker: usize, from: Duration, at: Duration) -> bool {
    let has_failed = model
        .agent_failures
        .iter()
        .any(|(other, failed)| *other == worker && *failed <= at && *failed + LONGEST_PAUSE >= from);
    has_failed || model.freezes.iter().any(|(began, ended)| *began <= at && *ended + secs(10) >= from)
}

fn has_long_work(model: &Model<'_>, worker: usize, ecs: EcsPlan, from: Duration, to: Duration) -> bool {
    let is_long = |run: &Run| run.began + ecs.after <= to && run.end() >= from;
    let lasted = |run: &Run| run.end().saturating_sub(run.began) >= ecs.after;
    model.runs.iter().any(|run| run.worker == worker && is_long(run) && lasted(run))
}
