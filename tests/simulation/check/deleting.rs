//! Promises 1 and 5: only what is done or copied is deleted, and only while its lease lasts.

use std::collections::BTreeSet;

use crate::support::calls::Action;
use crate::tests::simulation::{
    model::{Model, Run},
    record::{Fact, RunEnd},
};

pub(super) fn only_when_done_or_copied(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut copied = BTreeSet::new();
    for (position, event) in model.record.events.iter().enumerate() {
        match event.fact {
            Fact::Copied(number) => drop(copied.insert((event.worker, number))),
            Fact::Deleted(received) => {
                let number = received.number;
                let runs = model.runs.iter().filter(|run| {
                    run.worker == event.worker && run.received.number == number && run.end_position < position
                });
                let is_over = |run: &Run| match run.ended {
                    Some((_, RunEnd::Done)) => !is_behind_a_failure(model, run),
                    Some((_, RunEnd::Rejected)) => copied.contains(&(event.worker, number)),
                    _ => false,
                };
                if !runs.into_iter().any(is_over) {
                    broken.push(format!("deleted without a reason: {event}"));
                }
            }
            _ => {}
        }
    }
    broken
}

/// True if an earlier message of its group in the same call is certain to come again.
fn is_behind_a_failure(model: &Model<'_>, run: &Run) -> bool {
    failures_before(model, run).any(|failed| !model.is_last_attempt(failed))
}

/// The failed runs of its group before this one in the same call.
pub(super) fn failures_before<'a>(model: &'a Model<'_>, run: &Run) -> impl Iterator<Item = &'a Run> {
    let (run, is_fifo) = (*run, model.world().queue.fifo);
    model.runs.iter().filter(move |other| {
        let is_before = other.call == run.call && other.position < run.position;
        let is_of_group = model.group(other.received.number) == model.group(run.received.number);
        is_fifo && is_before && is_of_group && has_failed(model, other)
    })
}

/// True unless the run was done, or rejected and copied.
fn has_failed(model: &Model<'_>, run: &Run) -> bool {
    match run.ended {
        Some((_, RunEnd::Done)) => false,
        Some((_, RunEnd::Rejected)) => !model.is_copied_after(run),
        _ => true,
    }
}

/// No delete is sent with a receipt whose visibility has ended, by the store's clock.
pub(super) fn only_while_the_lease_lasts(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for event in &model.record.events {
        let Fact::Sent { action: Action::Delete, entries, .. } = &event.fact else {
            continue;
        };
        for (received, _) in entries {
            let until = model.holds[received].until_at(event.at);
            let is_duplicated = model.duplicates.iter().any(|(_, number)| *number == received.number);
            if until < event.at && !is_duplicated {
                broken.push(format!("{received:?} was visible since {until:?}: {event}"));
            }
        }
    }
    broken
}
