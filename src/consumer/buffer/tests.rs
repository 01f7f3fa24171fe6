//! Histories of lanes, checked against what a FIFO queue promises.

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

fn lanes_of(items: &[Item], now: Instant) -> Lanes<Item> {
    let mut lanes = Lanes::new();
    for item in items {
        lanes.push(*item, item.0.map(group), 1, now);
    }
    lanes
}

#[test]
fn messages_without_a_group_start_in_their_order() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(None, 1), (None, 2), (None, 3)], now);
    assert_eq!(lanes.take(&batch(2, 0), now), Some(vec![(None, 1), (None, 2)]));
    assert_eq!(lanes.take(&batch(2, 0), now), Some(vec![(None, 3)]));
    assert_eq!(lanes.take(&batch(2, 0), now), None);
}

#[test]
fn a_message_waits_for_the_one_before_it_in_its_group() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1), (Some(1), 2), (Some(2), 3)], now);
    let one = batch(1, 0);
    assert_eq!(lanes.take(&one, now), Some(vec![(Some(1), 1)]));
    assert_eq!(lanes.take(&one, now), Some(vec![(Some(2), 3)]));
    assert_eq!((lanes.take(&one, now), lanes.blocked()), (None, 1));
    lanes.release(&group(1), now);
    assert_eq!(lanes.take(&one, now), Some(vec![(Some(1), 2)]));
}

#[test]
fn a_failure_takes_what_waits_behind_it_and_no_other_group() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1), (Some(1), 2), (Some(1), 3), (Some(2), 4)], now);
    lanes.take(&batch(1, 0), now);
    assert_eq!(lanes.fail(&group(1)), [(Some(1), 2), (Some(1), 3)]);
    assert_eq!(lanes.waiting(), 1);
}

#[test]
fn what_comes_again_after_a_failure_waits_until_the_failed_message_is_settled() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1)], now);
    let one = batch(1, 0);
    lanes.take(&one, now);
    assert!(lanes.fail(&group(1)).is_empty());
    lanes.push((Some(1), 1), Some(group(1)), 1, now);
    assert_eq!(lanes.fail(&group(1)), [], "it came after the failure");
    assert_eq!(lanes.take(&one, now), None);
    lanes.release(&group(1), now);
    assert_eq!(lanes.take(&one, now), Some(vec![(Some(1), 1)]));
}

#[test]
fn a_batch_waits_for_its_window_unless_it_is_full() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(None, 1), (Some(1), 2)], now);
    let settings = batch(3, 5);
    assert_eq!(lanes.take(&settings, now), None);
    assert_eq!(lanes.ripe_at(&settings), Some(now + Duration::from_secs(5)));
    assert_eq!(lanes.take(&settings, now + Duration::from_secs(5)).map(|batch| batch.len()), Some(2));
    let mut full = lanes_of(&[(None, 1), (None, 2), (None, 3)], now);
    assert_eq!(full.take(&settings, now).map(|batch| batch.len()), Some(3));
}

#[test]
fn a_batch_is_no_larger_than_its_bytes_unless_one_message_is() {
    let now = Instant::now();
    let mut lanes = Lanes::new();
    for (number, bytes) in [(1, 60), (2, 50), (3, 500), (4, 10)] {
        lanes.push(number, None, bytes, now);
    }
    let settings = BatchSettings { bytes: 100, ..batch(10, 0) };
    let taken: Vec<_> = std::iter::from_fn(|| lanes.take(&settings, now)).collect();
    assert_eq!(taken, [vec![1], vec![2], vec![3], vec![4]]);
}

#[test]
fn a_batch_of_one_group_waits_for_no_company() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1), (Some(2), 2), (Some(2), 3)], now);
    let settings = BatchSettings { groups: Groups::One, ..batch(2, 5) };
    assert_eq!(lanes.take(&settings, now), Some(vec![(Some(1), 1)]));
    assert_eq!(lanes.take(&settings, now), Some(vec![(Some(2), 2), (Some(2), 3)]));
}

#[test]
fn what_waits_behind_a_lost_message_of_its_group_does_not_overtake_it() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1), (Some(1), 2), (Some(1), 3), (Some(2), 4), (None, 5)], now);
    let Lost { lost, behind } = lanes.take_lost(|item| item.1 == 2);
    assert_eq!((lost, behind), (vec![(Some(1), 2)], vec![(Some(1), 3)]));
    assert_eq!((lanes.waiting(), lanes.startable()), (3, 3));
}

#[test]
fn a_group_waits_for_a_message_that_is_settled_without_having_waited() {
    let now = Instant::now();
    let mut lanes = lanes_of(&[(Some(1), 1), (Some(2), 2)], now);
    lanes.occupy(&group(1));
    lanes.push((Some(1), 3), Some(group(1)), 1, now);
    assert_eq!((lanes.startable(), lanes.blocked()), (1, 2));
    let several = batch(5, 0);
    assert_eq!(lanes.take(&several, now), Some(vec![(Some(2), 2)]));
    assert_eq!(lanes.take(&several, now), None);
    lanes.release(&group(1), now);
    assert_eq!(lanes.take(&several, now), Some(vec![(Some(1), 1), (Some(1), 3)]));
}

/// What happens in a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A message of this group comes, or of none.
    Come(Option<u8>),
    Start,
    /// One of the running batches ends, this one counted round, and each of its messages is done.
    Done(usize),
    /// It ends, and its first message of a group has failed.
    Fail(usize),
    /// A waiting message of this number is lost.
    Lose(u32),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::option::of(0u8..4).prop_map(Step::Come),
        3 => Just(Step::Start),
        2 => (0usize..8).prop_map(Step::Done),
        1 => (0usize..8).prop_map(Step::Fail),
        1 => (0u32..60).prop_map(Step::Lose),
        1 => Just(Step::Tick),
    ]
}

proptest! {
    #[test]
    fn a_group_runs_in_order_and_in_one_batch_at_a_time(
        steps in proptest::collection::vec(step(), 1..200),
        size in 1usize..5,
        window in 0u64..3,
        groups in prop_oneof![Just(Groups::Several), Just(Groups::One)],
    ) {
        let settings = BatchSettings { groups, ..batch(size, window) };
        let (mut lanes, mut now, mut next) = (Lanes::new(), Instant::now(), 0u32);
        let mut running: Vec<Vec<Item>> = Vec::new();
        let mut waiting = 0usize;
        let mut newest: BTreeMap<u8, u32> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Come(group_number) => {
                    lanes.push((group_number, next), group_number.map(group), 1, now);
                    (next, waiting) = (next + 1, waiting + 1);
                }
                Step::Start => {
                    let Some(taken) = lanes.take(&settings, now) else { continue };
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
                Step::Done(which) | Step::Fail(which) if !running.is_empty() => {
                    let ended = running.swap_remove(which % running.len());
                    let failed = matches!(step, Step::Fail(_));
                    for group_number in ended.iter().filter_map(|item| item.0).filter(|_| failed) {
                        waiting -= lanes.fail(&group(group_number)).len();
                    }
                    for group_number in ended.iter().filter_map(|item| item.0) {
                        lanes.release(&group(group_number), now);
                    }
                }
                Step::Lose(number) => {
                    let Lost { lost, behind } = lanes.take_lost(|item| item.1 == number);
                    prop_assert!(behind.iter().all(|item| item.1 > number && item.0 == lost[0].0));
                    waiting -= lost.len() + behind.len();
                }
                Step::Tick => now += Duration::from_secs(1),
                Step::Done(_) | Step::Fail(_) => {}
            }
            prop_assert_eq!(lanes.waiting(), waiting);
            prop_assert!(lanes.startable() <= waiting);
        }
        // Whatever happened, all that waits can still run.
        for group_number in running.iter().flatten().filter_map(|item| item.0) {
            lanes.release(&group(group_number), now);
        }
        now += Duration::from_secs(10);
        while let Some(taken) = lanes.take(&settings, now) {
            waiting -= taken.len();
            for group_number in taken.iter().filter_map(|item| item.0) {
                lanes.release(&group(group_number), now);
            }
            now += Duration::from_secs(10);
        }
        prop_assert_eq!((waiting, lanes.waiting(), lanes.startable()), (0, 0, 0));
    }
}
