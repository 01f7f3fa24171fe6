//! Promises 8 and 16: deletes that are refused and calls that hang are seen.

use std::{collections::BTreeMap, time::Duration};

use crate::support::calls::Action;
use crate::tests::simulation::{
    model::{Model, Run},
    plan::FaultKind,
    record::Fact,
};

/// The time for which refused deletes are seen at least.
const WITHIN: Duration = Duration::from_mins(1);
/// The difference between the age of a call and what the metrics show.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Deletes that are refused for a minute make the worker not ready.
pub(super) fn refused_deletes(model: &Model<'_>) -> Vec<String> {
    let mut refused_since: BTreeMap<usize, Option<Duration>> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in &model.record.events {
        match &event.fact {
            Fact::Answered { call, is_ok, .. } => {
                let call = &model.calls[call];
                let is_refused = matches!(call.fault, Some((FaultKind::Refused, _)));
                let since = refused_since.entry(event.worker).or_default();
                match call.action {
                    Action::Delete if is_refused => drop(since.get_or_insert(event.at)),
                    Action::Delete | Action::ChangeVisibility if *is_ok => *since = None,
                    _ => {}
                }
            }
            Fact::Shown(shown) => {
                let since = refused_since.get(&event.worker).copied().flatten();
                let is_stopping = model.lives[&event.worker].stops() <= event.at;
                let is_recent =
                    since.is_some_and(|since| event.at.saturating_sub(since) < WITHIN) && !is_stopping;
                if is_recent && !shown.fails_to_settle {
                    broken.push(format!(
                        "deletes are refused since {since:?}, and the worker is ready: {event}"
                    ));
                }
            }
            _ => {}
        }
    }
    broken
}

/// The metrics always show the age of the oldest call that runs, also of one that never answers.
pub(super) fn the_oldest_call(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for (position, event) in model.record.events.iter().enumerate() {
        let Fact::Shown(shown) = &event.fact else { continue };
        let is_running =
            |run: &&Run| run.worker == event.worker && run.position < position && run.end_position > position;
        let oldest = model.runs.iter().filter(is_running).map(|run| event.at.saturating_sub(run.began)).max();
        let oldest = oldest.unwrap_or_default();
        if oldest.abs_diff(shown.oldest_running) > TOLERANCE {
            broken.push(format!("the oldest call has run for {oldest:?}: {event}"));
        }
    }
    broken
}
