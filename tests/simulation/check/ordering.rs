//! Promise 6: within a FIFO group messages run in order and one at a time.

use crate::tests::simulation::model::{Model, Run};

/// No message begins before an earlier one of its group that runs later, except after it in the same call.
pub(super) fn in_order_within_a_group(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if !model.world().queue.fifo {
        return broken;
    }
    for run in &model.runs {
        let earlier = model.runs.iter().filter(|other| {
            let is_of_group = model.group(other.received.number) == model.group(run.received.number);
            is_of_group && other.received.number < run.received.number && other.position > run.position
        });
        for other in earlier {
            if !ran_before_in_call(model, other, run) && !may_hold_up_no_other(model, other, run) {
                broken.push(format!(
                    "{:?} began at {:?}, before {:?} of its group at {:?}",
                    run.received, run.began, other.received, other.began
                ));
            }
        }
    }
    broken
}

/// True if the message ran before the other one in the same call.
fn ran_before_in_call(model: &Model<'_>, message: &Run, other: &Run) -> bool {
    model.runs.iter().any(|run| {
        run.call == other.call
            && run.received.number == message.received.number
            && run.position < other.position
    })
}

/// True if the other one's worker took a run before for the message's last, by a policy that has changed since it read it.
fn may_hold_up_no_other(model: &Model<'_>, message: &Run, other: &Run) -> bool {
    model.runs.iter().any(|run| {
        run.worker == other.worker
            && run.received.number == message.received.number
            && run.position < other.position
            && model.is_last_attempt(run)
    })
}

/// No message begins while another of its group runs, unless that one's lease is lost and its worker is another.
pub(super) fn one_at_a_time_within_a_group(model: &Model<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    if !model.world().queue.fifo {
        return broken;
    }
    for run in &model.runs {
        let others = model.runs.iter().filter(|other| {
            let is_of_group = model.group(other.received.number) == model.group(run.received.number);
            is_of_group && other.call != run.call && other.position < run.position && other.overlaps(run)
        });
        for other in others {
            let until = model.holds[&other.received].until_at(run.began);
            let is_held = until > run.began || other.worker == run.worker;
            let is_excused =
                may_hold_up_no_other(model, run, other) || may_hold_up_no_other(model, other, run);
            if is_held && !is_excused {
                broken.push(format!("{run:?} began beside {other:?}, held until {until:?}"));
            }
        }
    }
    broken
}
