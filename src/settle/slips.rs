//! Which outcomes go to SQS together, and when: pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{queue::limits::BATCH_ENTRIES, telemetry::Action};

/// What is to be done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Delete,
    GiveBack(Duration),
}

impl Verb {
    pub(super) fn action(self) -> Action {
        match self {
            Self::Delete => Action::Delete,
            Self::GiveBack(_) => Action::GiveBack,
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
}

/// The slips of one queue: those that wait for company, and those that failed and wait for their next try.
#[derive(Debug)]
pub(super) struct Slips<T> {
    linger: Duration,
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
            deletes: line(),
            give_backs: line(),
            later: BTreeMap::new(),
            next_number: 0,
            longest_pause: Duration::MAX,
        }
    }

    fn line(&mut self, verb: Verb) -> &mut Line<T> {
        match verb {
            Verb::Delete => &mut self.deletes,
            Verb::GiveBack(_) => &mut self.give_backs,
        }
    }

    pub(super) fn push(&mut self, slip: Slip<T>) -> Pushed {
        let line = self.line(slip.verb);
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
            self.line(slip.verb).slips.push_back(slip);
        }
        self.rush();
    }

    /// Lets nothing that is here wait for company; true when that changed anything.
    pub(super) fn rush(&mut self) -> bool {
        let before = self.deletes.rushed + self.give_backs.rushed;
        for line in [&mut self.deletes, &mut self.give_backs] {
            line.rushed = line.slips.len();
        }
        self.deletes.rushed + self.give_backs.rushed > before
    }

    /// Takes a batch that is full or has waited long enough: up to ten slips of one kind.
    pub(super) fn take(&mut self, now: Instant) -> Vec<Slip<T>> {
        self.recall(now);
        let linger = self.linger;
        let lines = [&mut self.deletes, &mut self.give_backs];
        let due = lines.into_iter().filter(|line| line.is_due(now, linger));
        due.min_by_key(|line| line.due(linger)).map(Line::take).unwrap_or_default()
    }

    /// Brings the slips whose pause is over to the front of their lines: they have waited long enough.
    fn recall(&mut self, now: Instant) {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let slip = first.remove();
            let line = self.line(slip.verb);
            line.slips.push_front(slip);
            line.rushed += 1;
        }
    }

    /// When the next batch is due; now or earlier when one is due already.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let linger = self.linger;
        let fresh = [&self.deletes, &self.give_backs].into_iter().filter_map(|line| line.due(linger));
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
        let entries = self.slips.len().min(BATCH_ENTRIES);
        self.rushed = self.rushed.saturating_sub(entries);
        self.slips.drain(..entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            pauses in proptest::collection::vec((0u64..15, any::<bool>()), 1..200),
        ) {
            let mut now = Instant::now();
            let (mut slips, mut taken) = (Slips::new(LINGER), Vec::new());
            for (number, (pause, delete)) in pauses.iter().enumerate() {
                let target = now + Duration::from_millis(*pause);
                while let Some(due) = slips.next_due().filter(|due| *due <= target) {
                    let batch = slips.take(due.max(now));
                    prop_assert!(!batch.is_empty() && batch.len() <= BATCH_ENTRIES);
                    let is_delete = |slip: &Slip<usize>| slip.verb == Verb::Delete;
                    prop_assert!(batch.iter().all(is_delete) || !batch.iter().any(is_delete));
                    prop_assert!(batch.iter().all(|slip| due.max(now) <= slip.since + LINGER));
                    taken.extend(batch.into_iter().map(|slip| slip.lease));
                }
                now = target;
                let verb = if *delete { Verb::Delete } else { Verb::GiveBack(Duration::ZERO) };
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
