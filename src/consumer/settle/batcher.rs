//! Which outcomes go to SQS together, and when: pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::letter::DeadLetter;
use crate::{
    queue::limits::{BATCH_ENTRIES, MESSAGE_BYTES},
    telemetry::Action,
};

/// What is to be done with a message.
#[derive(Debug)]
pub(super) enum Verb {
    /// Copy it to the DLQ; it is deleted after that.
    Copy(Box<DeadLetter>),
    Delete,
    GiveBack(Duration),
}

impl Verb {
    pub(super) fn action(&self) -> Action {
        match self {
            Self::Copy(_) => Action::Copy,
            Self::Delete => Action::Delete,
            Self::GiveBack(_) => Action::GiveBack,
        }
    }

    /// What it adds to the size of its request, where that has a limit.
    fn bytes(&self) -> usize {
        match self {
            Self::Copy(letter) => letter.message.size_bytes(),
            Self::Delete | Self::GiveBack(_) => 0,
        }
    }
}

/// One message's outcome on its way to SQS.
#[derive(Debug)]
pub(super) struct Slip<T> {
    pub(super) verb: Verb,
    pub(super) lease: T,
    pub(super) since: Instant,
    pub(super) attempt: u32,
}

impl<T> Slip<T> {
    pub(super) fn new(verb: Verb, lease: T, now: Instant) -> Self {
        Self { verb, lease, since: now, attempt: 1 }
    }

    /// The next step for the same message.
    pub(super) fn turned_into(self, verb: Verb) -> Self {
        Self { verb, attempt: 1, ..self }
    }
}

/// The slips of one queue: those that wait for company, and those that failed and wait for their next try.
#[derive(Debug)]
pub(super) struct Slips<T> {
    linger: Duration,
    copies: Line<T>,
    deletes: Line<T>,
    give_backs: Line<T>,
    later: BTreeMap<(Instant, u64), Slip<T>>,
    next_number: u64,
    /// The longest that a slip is put aside.
    longest_pause: Duration,
}

/// Slips of one kind in the order of their arrival; the first `rushed` of them do not wait.
#[derive(Debug)]
struct Line<T> {
    slips: VecDeque<Slip<T>>,
    rushed: usize,
}

/// Whether a push changes when the next batch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    First,
    Among,
    Full,
}

impl Pushed {
    pub(super) fn is_worth_a_look(self) -> bool {
        self != Self::Among
    }
}

impl<T> Slips<T> {
    pub(super) fn new(linger: Duration) -> Self {
        let line = || Line { slips: VecDeque::new(), rushed: 0 };
        Self {
            linger,
            copies: line(),
            deletes: line(),
            give_backs: line(),
            later: BTreeMap::new(),
            next_number: 0,
            longest_pause: Duration::MAX,
        }
    }

    fn line(&mut self, verb: &Verb) -> &mut Line<T> {
        match verb {
            Verb::Copy(_) => &mut self.copies,
            Verb::Delete => &mut self.deletes,
            Verb::GiveBack(_) => &mut self.give_backs,
        }
    }

    pub(super) fn push(&mut self, slip: Slip<T>) -> Pushed {
        let line = self.line(&slip.verb);
        line.slips.push_back(slip);
        match line.slips.len() {
            1 => Pushed::First,
            length if length % BATCH_ENTRIES == 0 => Pushed::Full,
            _ => Pushed::Among,
        }
    }

    /// Puts a slip aside for a pause.
    pub(super) fn push_later(&mut self, slip: Slip<T>, now: Instant, pause: Duration) {
        self.next_number += 1;
        self.later.insert((now + pause.min(self.longest_pause), self.next_number), slip);
    }

    /// Lets nothing wait any more, what was put aside included, and nothing be put aside for long.
    pub(super) fn hurry(&mut self, longest_pause: Duration) {
        self.longest_pause = longest_pause;
        for slip in std::mem::take(&mut self.later).into_values() {
            self.line(&slip.verb).slips.push_back(slip);
        }
        self.rush();
    }

    /// Lets nothing that is here wait for company; true when that changed anything.
    pub(super) fn rush(&mut self) -> bool {
        let mut has_changed = false;
        for line in self.lines_mut() {
            has_changed |= line.rushed < line.slips.len();
            line.rushed = line.slips.len();
        }
        has_changed
    }

    fn lines(&self) -> [&Line<T>; 3] {
        [&self.copies, &self.deletes, &self.give_backs]
    }

    fn lines_mut(&mut self) -> [&mut Line<T>; 3] {
        [&mut self.copies, &mut self.deletes, &mut self.give_backs]
    }

    /// Takes a batch that is full or has waited long enough: up to ten slips of one kind, 1 MiB at most.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Slip<T>> {
        self.recall(now);
        let linger = self.linger;
        let due = self.lines_mut().into_iter().filter(|line| line.is_due(now, linger));
        due.min_by_key(|line| line.due(linger)).map(Line::take).unwrap_or_default()
    }

    /// Brings the slips whose pause is over to the front of their lines: they have waited long enough.
    fn recall(&mut self, now: Instant) {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let slip = first.remove();
            let line = self.line(&slip.verb);
            line.slips.push_front(slip);
            line.rushed += 1;
        }
    }

    /// When the next batch is due; now or earlier when one is due already.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let linger = self.linger;
        let fresh = self.lines().into_iter().filter_map(|line| line.due(linger));
        fresh.chain(self.later.keys().next().map(|(moment, _)| *moment)).min()
    }
}

impl<T> Line<T> {
    fn due(&self, linger: Duration) -> Option<Instant> {
        let first = self.slips.front()?;
        let is_ripe = self.rushed > 0 || self.slips.len() >= BATCH_ENTRIES;
        Some(if is_ripe { first.since } else { first.since + linger })
    }

    fn is_due(&self, now: Instant, linger: Duration) -> bool {
        self.due(linger).is_some_and(|due| due <= now)
    }

    fn take(&mut self) -> Vec<Slip<T>> {
        let mut bytes = 0;
        let fitting = self.slips.iter().take(BATCH_ENTRIES).take_while(|slip| {
            bytes += slip.verb.bytes();
            bytes <= MESSAGE_BYTES
        });
        // One that is too large by itself goes alone, and SQS says so.
        let entries = fitting.count().max(1).min(self.slips.len());
        self.rushed = self.rushed.saturating_sub(entries);
        self.slips.drain(..entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::OutgoingMessage;

    const LINGER: Duration = Duration::from_millis(20);

    fn slips_of(count: u32, now: Instant) -> Slips<u32> {
        let mut slips = Slips::new(LINGER);
        for number in 0..count {
            slips.push(Slip::new(Verb::Delete, number, now));
        }
        slips
    }

    #[test]
    fn ten_go_at_once_and_the_rest_wait_for_company() {
        let now = Instant::now();
        let mut slips = slips_of(12, now);
        assert_eq!(slips.take(now).len(), 10);
        assert_eq!(slips.take(now).len(), 0);
        assert_eq!(slips.next_due(), Some(now + LINGER));
        assert_eq!(slips.take(now + LINGER).len(), 2);
    }

    fn copy_of(bytes: usize) -> Verb {
        let message = OutgoingMessage::new("x".repeat(bytes));
        Verb::Copy(Box::new(DeadLetter { message, retry_in: Duration::ZERO }))
    }

    #[test]
    fn copies_go_together_as_far_as_one_request_takes_them() {
        let now = Instant::now();
        let mut slips = Slips::new(LINGER);
        for bytes in [400_000, 600_000, 48_576, 1, MESSAGE_BYTES + 1, 7] {
            slips.push(Slip::new(copy_of(bytes), bytes, now));
        }
        slips.rush();
        let mut batches = || slips.take(now).into_iter().map(|slip| slip.lease).collect::<Vec<_>>();
        assert_eq!(batches(), [400_000, 600_000, 48_576]);
        assert_eq!((batches(), batches()), (vec![1], vec![MESSAGE_BYTES + 1]));
        assert_eq!((batches(), batches()), (vec![7], vec![]));
    }

    #[test]
    fn a_rush_lets_nothing_wait() {
        let now = Instant::now();
        let mut slips = slips_of(3, now);
        assert!(slips.rush());
        assert_eq!(slips.take(now).len(), 3);
        slips.push(Slip::new(Verb::Delete, 4, now));
        assert!(slips.take(now).is_empty(), "what comes after the rush lingers again");
    }

    #[test]
    fn a_slip_put_aside_comes_back_when_its_pause_is_over() {
        let now = Instant::now();
        let mut slips = slips_of(1, now);
        let slip = slips.take(now + LINGER).remove(0);
        let later = now + Duration::from_secs(1);
        slips.push_later(slip, now, later - now);
        assert_eq!(slips.next_due(), Some(later));
        assert!(slips.take(later - LINGER).is_empty());
        assert_eq!(slips.take(later).len(), 1);
    }

    #[test]
    fn a_hurry_recalls_what_was_put_aside_and_lets_nothing_wait_for_long() {
        let (now, minute) = (Instant::now(), Duration::from_mins(1));
        let mut slips = slips_of(1, now);
        let slip = slips.take(now + LINGER).remove(0);
        slips.push_later(slip, now, minute);
        slips.hurry(LINGER);
        let slip = slips.take(now).remove(0);
        slips.push_later(slip, now, minute);
        assert_eq!(slips.next_due(), Some(now + LINGER));
    }

    proptest! {
        #[test]
        fn every_slip_is_taken_once_and_never_after_its_linger(
            pauses in proptest::collection::vec((0u64..15, 0usize..3), 1..200),
        ) {
            let mut now = Instant::now();
            let (mut slips, mut taken) = (Slips::new(LINGER), Vec::new());
            for (number, (pause, verb)) in pauses.iter().enumerate() {
                let target = now + Duration::from_millis(*pause);
                while let Some(due) = slips.next_due().filter(|due| *due <= target) {
                    let batch = slips.take(due.max(now));
                    prop_assert!(!batch.is_empty() && batch.len() <= BATCH_ENTRIES);
                    prop_assert!(batch.iter().all(|slip| slip.verb.action() == batch[0].verb.action()));
                    prop_assert!(batch.iter().all(|slip| due.max(now) <= slip.since + LINGER));
                    taken.extend(batch.into_iter().map(|slip| slip.lease));
                }
                now = target;
                let verb = match verb {
                    0 => copy_of(1),
                    1 => Verb::Delete,
                    _ => Verb::GiveBack(Duration::ZERO),
                };
                slips.push(Slip::new(verb, number, now));
            }
            slips.rush();
            loop {
                let batch = slips.take(now);
                if batch.is_empty() { break; }
                taken.extend(batch.into_iter().map(|slip| slip.lease));
            }
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..pauses.len()).collect::<Vec<_>>());
        }
    }
}
