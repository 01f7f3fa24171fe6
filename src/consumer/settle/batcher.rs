//! The batcher: decides which settlements share a call to SQS, and when it is due; pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::dead_letter::DeadLetter;
use crate::{
    queue::limits::{BATCH_ENTRIES, MESSAGE_BYTES},
    telemetry::Action,
};

/// The shortest linger, unless the longest is shorter.
const SHORTEST_LINGER: Duration = Duration::from_millis(20);
/// The settlements of a full batch.
const FULL_BATCH: f64 = 10.0;
/// The part of the time until a batch should be full that a settlement lingers, so that few batches miss their last.
const SLACK: f64 = 1.25;

/// The action that settles a message.
#[derive(Debug)]
pub(super) enum SettleAction {
    /// Copies the message to the DLQ. A delete follows.
    Copy(Box<DeadLetter>),
    Delete,
    /// Makes the message visible again after this delay.
    ChangeVisibility(Duration),
}

impl SettleAction {
    /// The name of the action in logs, metrics and traces.
    pub(super) fn label(&self) -> Action {
        match self {
            Self::Copy(_) => Action::Copy,
            Self::Delete => Action::Delete,
            Self::ChangeVisibility(_) => Action::GiveBack,
        }
    }

    /// The delay after which the message is visible again.
    pub(super) fn delay(&self) -> Duration {
        match self {
            Self::ChangeVisibility(delay) => *delay,
            Self::Copy(_) | Self::Delete => Duration::ZERO,
        }
    }

    /// The bytes that count towards the size limit of a request.
    fn bytes(&self) -> usize {
        match self {
            Self::Copy(dead_letter) => dead_letter.message.size_bytes(),
            Self::Delete | Self::ChangeVisibility(_) => 0,
        }
    }
}

/// The settlement of one message.
#[derive(Debug)]
pub(super) struct Settlement<T> {
    pub(super) action: SettleAction,
    pub(super) lease: T,
    pub(super) since: Instant,
    /// The number of this attempt; the first is 1.
    pub(super) attempt: u32,
}

impl<T> Settlement<T> {
    pub(super) fn new(action: SettleAction, lease: T, now: Instant) -> Self {
        Self { action, lease, since: now, attempt: 1 }
    }

    /// The next action for the same message.
    pub(super) fn followed_by(self, action: SettleAction) -> Self {
        Self { action, attempt: 1, ..self }
    }
}

/// The settlements of one queue: those that wait to share a call, and those that wait for their retry.
#[derive(Debug)]
pub(super) struct Batcher<T> {
    copies: ActionQueue<T>,
    deletes: ActionQueue<T>,
    visibility_changes: ActionQueue<T>,
    delayed: BTreeMap<(Instant, u64), Settlement<T>>,
    next_number: u64,
    /// The limit of each delay, shorter during a drain.
    longest_delay: Duration,
}

/// The settlements of one action, in the order of their arrival. The first `ready` of them do not linger.
#[derive(Debug)]
struct ActionQueue<T> {
    settlements: VecDeque<Settlement<T>>,
    ready: usize,
    linger: Linger,
}

/// The time that a settlement waits for others: until a batch should be full at the rate of late.
#[derive(Clone, Copy, Debug)]
struct Linger {
    longest: Duration,
    last: Option<Instant>,
    /// The average time between two settlements, each counted as the longest linger at most.
    interval: Duration,
}

impl Linger {
    fn new(longest: Duration) -> Self {
        Self { longest, last: None, interval: Duration::ZERO }
    }

    /// Notes that a settlement has arrived.
    fn arrived(&mut self, now: Instant) {
        let interval = self.last.map_or(self.interval, |last| now.saturating_duration_since(last));
        self.interval = (self.interval * 7 + interval.min(self.longest)) / 8;
        self.last = Some(now);
    }

    fn time(&self) -> Duration {
        let until_full = self.interval.mul_f64(FULL_BATCH * SLACK);
        until_full.max(SHORTEST_LINGER).min(self.longest)
    }
}

impl<T> Batcher<T> {
    /// A batcher without settlements, each of which lingers for at most `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let queue = || ActionQueue { settlements: VecDeque::new(), ready: 0, linger: Linger::new(longest) };
        Self {
            copies: queue(),
            deletes: queue(),
            visibility_changes: queue(),
            delayed: BTreeMap::new(),
            next_number: 0,
            longest_delay: Duration::MAX,
        }
    }

    fn queue(&mut self, action: &SettleAction) -> &mut ActionQueue<T> {
        match action {
            SettleAction::Copy(_) => &mut self.copies,
            SettleAction::Delete => &mut self.deletes,
            SettleAction::ChangeVisibility(_) => &mut self.visibility_changes,
        }
    }

    /// Adds a settlement; returns true if that may change the due time of the next batch.
    pub(super) fn push(&mut self, settlement: Settlement<T>) -> bool {
        let queue = self.queue(&settlement.action);
        queue.linger.arrived(settlement.since);
        queue.settlements.push_back(settlement);
        let length = queue.settlements.len();
        length == 1 || length.is_multiple_of(BATCH_ENTRIES)
    }

    /// Adds a settlement that is due after a delay.
    pub(super) fn push_delayed(&mut self, settlement: Settlement<T>, now: Instant, delay: Duration) {
        self.next_number += 1;
        self.delayed.insert((now + delay.min(self.longest_delay), self.next_number), settlement);
    }

    /// Ends every linger and delay, and limits later delays.
    pub(super) fn drain(&mut self, longest_delay: Duration) {
        self.longest_delay = longest_delay;
        for settlement in std::mem::take(&mut self.delayed).into_values() {
            self.queue(&settlement.action).settlements.push_back(settlement);
        }
        self.flush();
    }

    /// Ends the linger of everything pushed so far; returns true if that changed anything.
    pub(super) fn flush(&mut self) -> bool {
        let mut has_changed = false;
        for queue in self.queues_mut() {
            has_changed |= queue.ready < queue.settlements.len();
            queue.ready = queue.settlements.len();
        }
        has_changed
    }

    fn queues(&self) -> [&ActionQueue<T>; 3] {
        [&self.copies, &self.deletes, &self.visibility_changes]
    }

    fn queues_mut(&mut self) -> [&mut ActionQueue<T>; 3] {
        [&mut self.copies, &mut self.deletes, &mut self.visibility_changes]
    }

    /// Takes the batch that was due first: up to ten settlements of one action, at most 1 MiB; empty when none is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Settlement<T>> {
        self.end_delays(now);
        let due = self.queues_mut().into_iter().filter(|queue| queue.is_due(now));
        due.min_by_key(|queue| queue.due()).map(ActionQueue::take).unwrap_or_default()
    }

    /// Moves the settlements whose delay is over to the front of their queues, where they do not linger.
    fn end_delays(&mut self, now: Instant) {
        while let Some(first) = self.delayed.first_entry()
            && first.key().0 <= now
        {
            let settlement = first.remove();
            let queue = self.queue(&settlement.action);
            queue.settlements.push_front(settlement);
            queue.ready += 1;
        }
    }

    /// The due time of the next batch; in the past if one is due already.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let lingering = self.queues().into_iter().filter_map(ActionQueue::due);
        lingering.chain(self.delayed.keys().next().map(|(time, _)| *time)).min()
    }
}

impl<T> ActionQueue<T> {
    fn due(&self) -> Option<Instant> {
        let first = self.settlements.front()?;
        let is_ready = self.ready > 0 || self.settlements.len() >= BATCH_ENTRIES;
        Some(if is_ready { first.since } else { first.since + self.linger.time() })
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    fn take(&mut self) -> Vec<Settlement<T>> {
        let mut bytes = 0;
        let fitting = self.settlements.iter().take(BATCH_ENTRIES).take_while(|settlement| {
            bytes += settlement.action.bytes();
            bytes <= MESSAGE_BYTES
        });
        // A message that is too large is sent alone, and SQS refuses it.
        let entries = fitting.count().max(1).min(self.settlements.len());
        self.ready = self.ready.saturating_sub(entries);
        self.settlements.drain(..entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::OutgoingMessage;

    const LINGER: Duration = Duration::from_millis(20);

    fn batcher_of(count: u32, now: Instant) -> Batcher<u32> {
        let mut batcher = Batcher::new(LINGER);
        for number in 0..count {
            batcher.push(Settlement::new(SettleAction::Delete, number, now));
        }
        batcher
    }

    #[test]
    fn ten_settlements_are_due_at_once_and_the_rest_linger() {
        let now = Instant::now();
        let mut batcher = batcher_of(12, now);
        assert_eq!(batcher.take_due(now).len(), 10);
        assert_eq!(batcher.take_due(now).len(), 0);
        assert_eq!(batcher.next_due(), Some(now + LINGER));
        assert_eq!(batcher.take_due(now + LINGER).len(), 2);
    }

    #[test]
    fn the_due_time_changes_with_the_first_and_with_each_tenth_settlement_and_by_a_flush() {
        let now = Instant::now();
        let mut batcher = Batcher::new(LINGER);
        assert!(!batcher.flush(), "nothing lingers");
        let changes =
            (1..=20).filter(|number| batcher.push(Settlement::new(SettleAction::Delete, *number, now)));
        assert_eq!(changes.collect::<Vec<_>>(), [1, 10, 20]);
        assert_eq!((batcher.flush(), batcher.flush()), (true, false));
    }

    #[test]
    fn settlements_with_one_due_time_are_all_kept_and_do_not_linger_once_it_has_come() {
        let (now, mut batcher) = (Instant::now(), Batcher::new(LINGER));
        for number in 0..3 {
            batcher.push_delayed(Settlement::new(SettleAction::Delete, number, now), now, LINGER / 2);
        }
        assert!(batcher.take_due(now).is_empty());
        assert_eq!(batcher.take_due(now + LINGER / 2).len(), 3);
    }

    #[test]
    fn the_next_action_of_a_message_begins_with_its_first_attempt() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let failed = Settlement { attempt: 3, ..Settlement::new(SettleAction::Delete, 1, now) };
        let next = failed.followed_by(SettleAction::ChangeVisibility(second));
        assert_eq!((next.action.delay(), next.attempt, next.lease), (second, 1, 1));
        assert_eq!(SettleAction::Delete.delay(), Duration::ZERO);
    }

    #[test]
    fn a_settlement_lingers_until_ten_should_have_come_and_never_longer_than_the_longest() {
        for (interval, expected) in [(1, 20), (8, 100), (16, 200), (100, 300)] {
            let (mut now, mut batcher) = (Instant::now(), Batcher::new(Duration::from_millis(300)));
            for number in 0..100 {
                batcher.push(Settlement::new(SettleAction::Delete, number, now));
                batcher.flush();
                batcher.take_due(now);
                now += Duration::from_millis(interval);
            }
            batcher.push(Settlement::new(SettleAction::Delete, 100, now));
            let linger = batcher.next_due().unwrap() - now;
            let expected = Duration::from_millis(expected);
            assert!(linger.abs_diff(expected) <= Duration::from_millis(1), "every {interval} ms: {linger:?}");
        }
    }

    fn copy_of(bytes: usize) -> SettleAction {
        let message = OutgoingMessage::new("x".repeat(bytes));
        SettleAction::Copy(Box::new(DeadLetter { message, retry_in: Duration::ZERO }))
    }

    #[test]
    fn copies_share_a_request_up_to_its_size_limit() {
        let now = Instant::now();
        let mut batcher = Batcher::new(LINGER);
        for bytes in [400_000, 600_000, 48_576, 1, MESSAGE_BYTES + 1, 7] {
            batcher.push(Settlement::new(copy_of(bytes), bytes, now));
        }
        batcher.flush();
        let mut next =
            || batcher.take_due(now).into_iter().map(|settlement| settlement.lease).collect::<Vec<_>>();
        assert_eq!(next(), [400_000, 600_000, 48_576]);
        assert_eq!((next(), next()), (vec![1], vec![MESSAGE_BYTES + 1]));
        assert_eq!((next(), next()), (vec![7], vec![]));
    }

    #[test]
    fn a_flush_ends_every_linger() {
        let now = Instant::now();
        let mut batcher = batcher_of(3, now);
        assert!(batcher.flush());
        assert_eq!(batcher.take_due(now).len(), 3);
        batcher.push(Settlement::new(SettleAction::Delete, 4, now));
        assert!(batcher.take_due(now).is_empty(), "a settlement after the flush lingers again");
    }

    #[test]
    fn a_delayed_settlement_is_due_when_its_delay_is_over() {
        let now = Instant::now();
        let mut batcher = batcher_of(1, now);
        let settlement = batcher.take_due(now + LINGER).remove(0);
        let later = now + Duration::from_secs(1);
        batcher.push_delayed(settlement, now, later - now);
        assert_eq!(batcher.next_due(), Some(later));
        assert!(batcher.take_due(later - LINGER).is_empty());
        assert_eq!(batcher.take_due(later).len(), 1);
    }

    #[test]
    fn a_drain_ends_every_delay_and_limits_later_ones() {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut batcher = batcher_of(1, now);
        let settlement = batcher.take_due(now + LINGER).remove(0);
        batcher.push_delayed(settlement, now, minute);
        batcher.drain(LINGER);
        let settlement = batcher.take_due(now).remove(0);
        batcher.push_delayed(settlement, now, minute);
        assert_eq!(batcher.next_due(), Some(now + LINGER));
    }

    proptest! {
        #[test]
        fn every_settlement_is_taken_once_and_never_after_its_linger(
            pauses in proptest::collection::vec((0u64..15, 0usize..3), 1..200),
        ) {
            let mut now = Instant::now();
            let (mut batcher, mut taken) = (Batcher::new(LINGER), Vec::new());
            for (number, (pause, action)) in pauses.iter().enumerate() {
                let target = now + Duration::from_millis(*pause);
                while let Some(due) = batcher.next_due().filter(|due| *due <= target) {
                    let batch = batcher.take_due(due.max(now));
                    prop_assert!(!batch.is_empty() && batch.len() <= BATCH_ENTRIES);
                    prop_assert!(batch.iter().all(|settlement| settlement.action.label() == batch[0].action.label()));
                    prop_assert!(batch.iter().all(|settlement| due.max(now) <= settlement.since + LINGER));
                    taken.extend(batch.into_iter().map(|settlement| settlement.lease));
                }
                now = target;
                let action = match action {
                    0 => copy_of(1),
                    1 => SettleAction::Delete,
                    _ => SettleAction::ChangeVisibility(Duration::ZERO),
                };
                batcher.push(Settlement::new(action, number, now));
            }
            batcher.flush();
            loop {
                let batch = batcher.take_due(now);
                if batch.is_empty() { break; }
                taken.extend(batch.into_iter().map(|settlement| settlement.lease));
            }
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..pauses.len()).collect::<Vec<_>>());
        }
    }
}
