//! The checks of a record, one function per promise; each returns what it finds broken.

mod deleting;
mod ending;
mod holding;
mod ordering;
mod protecting;
mod running;
mod seeing;
mod unavailable;

use super::{model::Model, record::Record};

/// A check of one promise, with the promise's number in `docs/delivery.md`.
type Check = fn(&Model<'_>) -> Vec<String>;

const CHECKS: [(&str, Check); 21] = [
    ("1: deleted only when done, or rejected and copied", deleting::only_when_done_or_copied),
    ("2: hidden while it is held", holding::hidden_while_held),
    ("3: no more calls than the concurrency", running::no_more_calls_than_the_concurrency),
    ("3: no more messages than permits", holding::no_more_messages_than_permits),
    ("4: every receive is a run", holding::every_receive_is_a_run),
    ("5: a lost lease ends its call", running::a_lost_lease_ends_its_call),
    ("5: a lost lease deletes nothing", deleting::only_while_the_lease_lasts),
    ("6: in order within a group", ordering::in_order_within_a_group),
    ("6: one at a time within a group", ordering::one_at_a_time_within_a_group),
    ("7: never twice at once in one worker", running::never_twice_at_once_in_one_worker),
    ("7: never again after done", running::never_again_after_done),
    ("9: a failure touches no other message", running::a_failure_touches_no_other_message),
    ("10: a drain hides nothing and keeps its limit", ending::a_drain_hides_nothing_and_keeps_its_limit),
    ("11: no hot loop", ending::no_hot_loop),
    ("12: everything ends, done or in the DLQ", ending::everything_ends),
    ("13: protected while long work runs", protecting::while_long_work_runs),
    ("13: not protected while idle", protecting::not_while_idle),
    ("15: an outage ends no message", unavailable::no_outage_ends_a_message),
    ("14, 15: an outage spends few receives", unavailable::an_outage_spends_few_receives),
    ("8: refused deletes are seen", seeing::refused_deletes),
    ("16: a call that hangs is seen", seeing::the_oldest_call),
];

/// Returns every promise that the record breaks, with the events that show it.
pub(super) fn broken_promises(record: &Record) -> Vec<String> {
    let model = Model::of(record);
    let broken = CHECKS.iter().flat_map(|(promise, check)| {
        check(&model).into_iter().map(move |finding| format!("promise {promise}: {finding}"))
    });
    broken.collect()
}
