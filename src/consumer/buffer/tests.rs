//! Tests of the buffer's order, in examples and in random histories.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::duration::Span;

type Item = (Option<u8>, u32);

fn batch(size: usize, window: u64) -> BatchSettings {
    BatchSettings { size, window: Span::secs(window), ..BatchSettings::default() }
}

fn group(number: u8) -> Group {
    number.to_string().into()
}

/// A buffer with these messages, and slots for any number of calls.
fn buffer_of(items: &[Item], batch: BatchSettings, now: Instant) -> Buffer<Item> {
    let mut buffer = Buffer::new(usize::MAX, batch);
    for item in items {
        buffer.push(*item, item.0.map(group), 1, now);
    }
    buffer
}

#[test]
fn messages_without_a_group_start_in_their_order() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(None, 1), (None, 2), (None, 3)], batch(2, 0), now);
    assert_eq!(buffer.start(now), Some(vec![(None, 1), (None, 2)]));
    assert_eq!(buffer.start(now), Some(vec![(None, 3)]));
    assert_eq!(buffer.start(now), None);
}

#[test]
fn the_room_is_what_free_slots_take_beyond_what_waits() {
    let now = Instant::now();
    let mut buffer: Buffer<Item> = Buffer::new(2, batch(3, 0));
    assert_eq!((buffer.concurrency(), buffer.batch_size(), buffer.room()), (2, 3, 6));
    buffer.push((None, 1), None, 1, now);
    assert_eq!(buffer.room(), 5);
    assert_eq!(buffer.start(now), Some(vec![(None, 1)]));
    assert_eq!(buffer.room(), 3);
    buffer.set_concurrency(4);
    assert_eq!((buffer.concurrency(), buffer.room()), (4, 9));
}

#[test]
fn a_message_that_is_put_last_runs_after_all_others_and_starts_alone_if_one_is_asked_for() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(None, 1), (None, 2)], batch(3, 0), now);
    assert_eq!(buffer.start_one(now), Some(vec![(None, 1)]));
    buffer.put_last((None, 1), 1, now);
    assert!(buffer.all_first(|item| item.0.is_none()) && !buffer.all_first(|item| item.1 == 2));
    assert_eq!(buffer.start(now), Some(vec![(None, 2), (None, 1)]));
}

#[test]
fn a_message_waits_for_the_one_before_it_in_its_group() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(1), 2), (Some(2), 3)], batch(1, 0), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1)]));
    assert_eq!(buffer.start(now), Some(vec![(Some(2), 3)]));
    assert_eq!((buffer.start(now), buffer.blocked()), (None, 1));
    buffer.release(&group(1), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 2)]));
}

#[test]
fn a_failure_takes_the_messages_behind_it_and_no_other_group() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(1), 2), (Some(1), 3), (Some(2), 4)], batch(1, 0), now);
    buffer.start(now);
    assert_eq!(buffer.fail(&group(1)), Some(vec![(Some(1), 2), (Some(1), 3)]));
    assert_eq!(buffer.waiting(), 1);
}

#[test]
fn a_message_received_again_after_a_failure_waits_until_the_failed_one_is_settled() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1)], batch(1, 0), now);
    buffer.start(now);
    assert_eq!(buffer.fail(&group(1)), Some(Vec::new()));
    buffer.push((Some(1), 1), Some(group(1)), 1, now);
    assert_eq!(buffer.fail(&group(1)), None, "it came after the failure");
    assert_eq!(buffer.start(now), None);
    buffer.release(&group(1), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1)]));
}

#[test]
fn a_batch_waits_for_its_window_unless_it_is_full() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(None, 1), (Some(1), 2)], batch(3, 5), now);
    assert_eq!(buffer.start(now), None);
    assert_eq!(buffer.ripe_at(), Some(now + Duration::from_secs(5)));
    assert_eq!(buffer.start(now + Duration::from_secs(5)).map(|batch| batch.len()), Some(2));
    let mut full = buffer_of(&[(None, 1), (None, 2), (None, 3)], batch(3, 5), now);
    assert_eq!(full.start(now).map(|batch| batch.len()), Some(3));
}

#[test]
fn a_batch_is_not_larger_than_its_bytes_unless_one_message_is() {
    let now = Instant::now();
    let mut buffer = Buffer::new(usize::MAX, BatchSettings { bytes: 100, ..batch(10, 0) });
    for (number, bytes) in [(1, 60), (2, 50), (3, 500), (4, 10)] {
        buffer.push(number, None, bytes, now);
    }
    let taken: Vec<_> = std::iter::from_fn(|| buffer.start(now)).collect();
    assert_eq!(taken, [vec![1], vec![2], vec![3], vec![4]]);
}

#[test]
fn a_batch_of_several_groups_is_not_larger_than_its_bytes() {
    let now = Instant::now();
    let mut buffer = Buffer::new(usize::MAX, BatchSettings { bytes: 100, ..batch(10, 0) });
    for (number, bytes) in [(1, 59), (2, 40), (3, 2)] {
        buffer.push(number, Some(group(number)), bytes, now);
    }
    let taken: Vec<_> = std::iter::from_fn(|| buffer.start(now)).collect();
    assert_eq!(taken, [vec![1, 2], vec![3]]);
}

#[test]
fn the_bytes_of_a_started_batch_do_not_fill_the_next_one() {
    let now = Instant::now();
    let mut buffer = Buffer::new(usize::MAX, BatchSettings { bytes: 100, ..batch(10, 5) });
    buffer.push(1, None, 100, now);
    assert_eq!(buffer.start(now), Some(vec![1]));
    buffer.push(2, None, 1, now);
    assert_eq!(buffer.start(now), None);
}

#[test]
fn only_full_batches_are_ready_to_start() {
    let items: Vec<_> = (1..=5).map(|number| (None, number)).collect();
    assert_eq!(buffer_of(&items, batch(2, 5), Instant::now()).ready_to_start(), 4);
}

#[test]
fn messages_are_blocked_while_one_of_their_group_runs() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(1), 2)], batch(1, 0), now);
    assert!(!buffer.has_blocked(&group(1)), "none of it runs");
    buffer.start(now);
    assert!(buffer.has_blocked(&group(1)));
    buffer.fail(&group(1));
    assert!(!buffer.has_blocked(&group(1)), "none of it waits");
}

#[test]
fn the_next_start_is_known_while_a_slot_is_free() {
    let (now, window) = (Instant::now(), Duration::from_secs(5));
    let mut buffer = Buffer::new(1, batch(2, 5));
    buffer.push(1, None, 1, now);
    assert_eq!(buffer.next_start(), Some(now + window));
    buffer.start(now + window);
    buffer.push(2, None, 1, now);
    assert_eq!(buffer.next_start(), None, "its one slot is taken");
    buffer.call_ended();
    assert_eq!(buffer.next_start(), Some(now + window));
    buffer.close();
    assert_eq!(buffer.next_start(), None);
}

#[test]
fn a_batch_of_one_group_does_not_wait_to_become_full() {
    let now = Instant::now();
    let settings = BatchSettings { groups: Groups::One, ..batch(2, 5) };
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(2), 2), (Some(2), 3)], settings, now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1)]));
    assert_eq!(buffer.start(now), Some(vec![(Some(2), 2), (Some(2), 3)]));
}

#[test]
fn messages_behind_a_lost_one_of_their_group_do_not_overtake_it() {
    let now = Instant::now();
    let mut buffer =
        buffer_of(&[(Some(1), 1), (Some(1), 2), (Some(1), 3), (Some(2), 4), (None, 5)], batch(1, 0), now);
    let LostMessages { lost, behind } = buffer.take_lost(|item| item.1 == 2);
    assert_eq!((lost, behind), (vec![(Some(1), 2)], vec![(Some(1), 3)]));
    assert_eq!((buffer.waiting(), buffer.startable.messages), (3, 3));
}

#[test]
fn a_group_waits_for_a_message_that_is_settled_without_a_call() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(2), 2)], batch(5, 0), now);
    buffer.occupy(&group(1));
    buffer.push((Some(1), 3), Some(group(1)), 1, now);
    assert_eq!((buffer.startable.messages, buffer.blocked()), (1, 2));
    assert_eq!(buffer.start(now), Some(vec![(Some(2), 2)]));
    assert_eq!(buffer.start(now), None);
    buffer.release(&group(1), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1), (Some(1), 3)]));
}

/// A step of a history.
#[derive(Clone, Copy, Debug)]
enum HistoryStep {
    /// A message of this group arrives, or one without a group.
    Come(Option<u8>),
    Start,
    /// A running batch (this number modulo their count) ends, and each of its messages is done.
    Done(usize),
    /// A running batch ends, and its messages with a group have failed.
    Fail(usize),
    /// A waiting message of this number is lost.
    Lose(u32),
    Tick,
}

fn history_step() -> impl Strategy<Value = HistoryStep> {
    prop_oneof![
        4 => proptest::option::of(0u8..4).prop_map(HistoryStep::Come),
        3 => Just(HistoryStep::Start),
        2 => (0usize..8).prop_map(HistoryStep::Done),
        1 => (0usize..8).prop_map(HistoryStep::Fail),
        1 => (0u32..60).prop_map(HistoryStep::Lose),
        1 => Just(HistoryStep::Tick),
    ]
}

proptest! {
    #[test]
    fn a_group_runs_in_order_and_in_one_batch_at_a_time(
        steps in proptest::collection::vec(history_step(), 1..200),
        size in 1usize..5,
        window in 0u64..3,
        groups in prop_oneof![Just(Groups::Several), Just(Groups::One)],
    ) {
        let settings = BatchSettings { groups, ..batch(size, window) };
        let (mut buffer, mut now, mut next) = (Buffer::new(usize::MAX, settings), Instant::now(), 0u32);
        let mut running: Vec<Vec<Item>> = Vec::new();
        let mut waiting = 0usize;
        let mut newest: BTreeMap<u8, u32> = BTreeMap::new();
        for step in steps {
            match step {
                HistoryStep::Come(group_number) => {
                    buffer.push((group_number, next), group_number.map(group), 1, now);
                    (next, waiting) = (next + 1, waiting + 1);
                }
                HistoryStep::Start => {
                    let Some(taken) = buffer.start(now) else { continue };
                    waiting -= taken.len();
                    prop_assert!((1..=size).contains(&taken.len()));
                    for (group_number, number) in &taken {
                        let Some(group_number) = group_number else { continue };
                        let is_busy = running.iter().flatten().any(|item| item.0 == Some(*group_number));
                        prop_assert!(!is_busy, "one batch of a group at a time");
                        prop_assert!(newest.insert(*group_number, *number).is_none_or(|before| before < *number));
                    }
                    if groups == Groups::One {
                        let first = taken[0].0;
                        prop_assert!(taken.iter().all(|item| item.0 == first));
                    }
                    running.push(taken);
                }
                HistoryStep::Done(which) | HistoryStep::Fail(which) if !running.is_empty() => {
                    let ended = running.swap_remove(which % running.len());
                    let failed = matches!(step, HistoryStep::Fail(_));
                    for group_number in ended.iter().filter_map(|item| item.0).filter(|_| failed) {
                        waiting -= buffer.fail(&group(group_number)).map_or(0, |taken| taken.len());
                    }
                    for group_number in ended.iter().filter_map(|item| item.0) {
                        buffer.release(&group(group_number), now);
                    }
                }
                HistoryStep::Lose(number) => {
                    let LostMessages { lost, behind } = buffer.take_lost(|item| item.1 == number);
                    prop_assert!(behind.iter().all(|item| item.1 > number && item.0 == lost[0].0));
                    waiting -= lost.len() + behind.len();
                }
                HistoryStep::Tick => now += Duration::from_secs(1),
                HistoryStep::Done(_) | HistoryStep::Fail(_) => {}
            }
            prop_assert_eq!(buffer.waiting(), waiting);
            prop_assert!(buffer.startable.messages <= waiting);
        }
// After any history all waiting messages can still run.
        for group_number in running.iter().flatten().filter_map(|item| item.0) {
            buffer.release(&group(group_number), now);
        }
        now += Duration::from_secs(10);
        while let Some(taken) = buffer.start(now) {
            waiting -= taken.len();
            for group_number in taken.iter().filter_map(|item| item.0) {
                buffer.release(&group(group_number), now);
            }
            now += Duration::from_secs(10);
        }
        prop_assert_eq!((waiting, buffer.waiting(), buffer.startable.messages), (0, 0, 0));
    }
}

#[test]
fn nothing_starts_after_the_close() {
    let (mut buffer, now) = (Buffer::new(1, BatchSettings::default()), Instant::now());
    buffer.push(7, None, 1, now);
    buffer.close();
    assert_eq!(buffer.start(now), None);
    assert_eq!(buffer.take_waiting(), [7]);
}

proptest! {
    #[test]
    fn never_more_calls_run_than_the_concurrency_and_all_run_in_order(
        concurrency in 1usize..20,
        steps in proptest::collection::vec(any::<bool>(), 1..300),
    ) {
        let (mut buffer, now) = (Buffer::new(concurrency, BatchSettings::default()), Instant::now());
        let (mut next, mut started) = (0, Vec::new());
        for arrives in steps {
            if arrives {
                buffer.push(next, None, 1, now);
                next += 1;
            } else if buffer.running() > 0 {
                buffer.call_ended();
            }
            started.extend(std::iter::from_fn(|| buffer.start(now)).flatten());
            prop_assert!(buffer.running() <= concurrency);
            prop_assert!(buffer.waiting() == 0 || buffer.running() == concurrency, "no slot idles while one waits");
        }
        prop_assert_eq!(started.clone(), (0..started.len()).collect::<Vec<_>>());
    }
}

#[test]
fn messages_put_back_start_before_all_others_without_waiting_for_their_window_again() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(None, 1), (None, 2), (None, 3)], batch(2, 60), now);
    assert_eq!(buffer.start(now), Some(vec![(None, 1), (None, 2)]));
    for item in [(None, 2), (None, 1)] {
        buffer.put_back(item, None, 1, now + Duration::from_mins(1));
    }
    buffer.call_ended();
    assert_eq!(buffer.waiting(), 3);
    assert_eq!(buffer.start(now + Duration::from_mins(1)), Some(vec![(None, 1), (None, 2)]));
}

#[test]
fn a_message_put_back_is_the_first_of_its_group_once_it_is_released() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(1), 2)], batch(1, 0), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1)]));
    buffer.put_back((Some(1), 1), Some(group(1)), 1, now);
    buffer.call_ended();
    assert_eq!(buffer.start(now), None);
    buffer.release(&group(1), now);
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 1)]));
    assert_eq!(buffer.blocked(), 1);
}

#[test]
fn messages_that_may_not_go_keep_their_group() {
    let now = Instant::now();
    let items = [(None, 1), (None, 2), (Some(1), 3), (Some(1), 4), (Some(2), 5)];
    let mut buffer = buffer_of(&items, batch(1, 0), now);
    let taken = buffer.take_waiting_if(|(_, number)| ![2, 4].contains(number));
    assert_eq!(taken, [(None, 1), (Some(2), 5)]);
    assert_eq!(buffer.start(now), Some(vec![(None, 2)]));
    assert_eq!(buffer.start(now), Some(vec![(Some(1), 3)]));
    assert_eq!((buffer.start(now), buffer.waiting()), (None, 1));
}

#[test]
fn a_group_runs_on_after_its_waiting_messages_were_taken() {
    let now = Instant::now();
    let mut buffer = buffer_of(&[(Some(1), 1), (Some(1), 2), (Some(2), 3)], batch(1, 0), now);
    buffer.start(now);
    assert_eq!(buffer.take_waiting(), [(Some(1), 2), (Some(2), 3)]);
    buffer.push((Some(1), 4), Some(group(1)), 1, now);
    buffer.push((Some(2), 5), Some(group(2)), 1, now);
    assert_eq!(buffer.start(now), Some(vec![(Some(2), 5)]), "the other group is free");
    assert_eq!(buffer.start(now), None, "one of the first group still runs");
}
