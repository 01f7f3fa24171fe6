//! No history of sends, receives, changes, deletes and waits breaks the promises of a queue.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, prelude::*, sample::Index};
use tokio::time::Instant;

use super::harness::{names, now, of_group};
use crate::{
    message::{NewMessage, StringMap},
    sqs::{
        AccountIdentity, AccountLimits, DeliveredMessage, ReceiveOptions,
        store::{Now, SqsStore},
    },
    storage::Storage,
};

const MAX_RECEIVES: u32 = 3;
const GROUPS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Send { group: Index, delay: u64 },
    Receive { from: Location, max: usize, visibility: u64 },
    Change { receive: Index, visibility: u64 },
    Delete { receive: Index },
    Pass { seconds: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Location {
    Source,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard,
    Fifo,
}

fn any_step() -> impl Strategy<Value = Step> {
    let location = prop_oneof![4 => Just(Location::Source), 1 => Just(Location::Dead)];
    prop_oneof![
        4 => (any::<Index>(), 0..4_u64).prop_map(|(group, delay)| Step::Send { group, delay }),
        6 => (location, 1..=10_usize, 0..6_u64)
            .prop_map(|(from, max, visibility)| Step::Receive { from, max, visibility }),
        2 => (any::<Index>(), 0..8_u64).prop_map(|(receive, visibility)| Step::Change { receive, visibility }),
        2 => any::<Index>().prop_map(|receive| Step::Delete { receive }),
        4 => (1..4_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_standard_queue(steps in vec(any_step(), 0..80)) {
        History::of(Kind::Standard).run(steps);
    }

    #[test]
    fn no_history_breaks_a_fifo_queue(steps in vec(any_step(), 0..80)) {
        History::of(Kind::Fifo).run(steps);
    }
}

/// The expected state of one message.
#[derive(Debug)]
struct Known {
    group: Option<String>,
    location: Location,
    hidden_until: u64,
    /// True if it was hidden by a receive, not by its delay.
    held: bool,
    receives: u32,
    latest: Option<String>,
}

/// A store, and the expected state of its messages.
struct History {
    kind: Kind,
    store: SqsStore,
    storage: Storage,
    start: Instant,
    seconds: u64,
    /// The messages that were not deleted, in the order of sending.
    alive: BTreeMap<usize, Known>,
    numbers: BTreeMap<Arc<str>, usize>,
    /// Every receive there was: the message and the handle.
    receives: Vec<(usize, Location, String)>,
}

impl History {
    fn of(kind: Kind) -> Self {
        let (identity, limits) = (AccountIdentity::default(), AccountLimits::default());
        let storage = Storage::new(limits.stored_bytes);
        let mut store = SqsStore::new(identity, limits, storage.clone());
        let start = Instant::now();
        let at_start = Now { at: start, wall: SystemTime::UNIX_EPOCH };
        let fifo: &[(&str, &str)] = if kind == Kind::Fifo { &[("FifoQueue", "true")] } else { &[] };
        let dead = name_of(kind, Location::Dead);
        store.create(dead, &names(fifo), &StringMap::new(), at_start).unwrap();
        let arn = store.open(dead, at_start).unwrap().arn.clone();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{MAX_RECEIVES}}}"#);
        let mut attributes = names(fifo);
        attributes.insert("RedrivePolicy".to_owned(), policy);
        store.create(name_of(kind, Location::Source), &attributes, &StringMap::new(), at_start).unwrap();
        let (alive, numbers, receives) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { kind, store, storage, start, seconds: 0, alive, numbers, receives }
    }

    fn run(mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send { group, delay } => self.send(GROUPS[group.index(GROUPS.len())], delay),
                Step::Receive { from, max, visibility } => drop(self.receive(from, max, visibility)),
                Step::Change { receive, visibility } => self.change(receive, visibility),
                Step::Delete { receive } => self.delete(receive),
                Step::Pass { seconds } => self.seconds += seconds,
            }
        }
        self.drain();
    }

    fn now(&self) -> Now {
        let passed = Duration::from_secs(self.seconds);
        Now { at: self.start + passed, wall: SystemTime::UNIX_EPOCH + passed }
    }

    fn send(&mut self, group: &str, delay: u64) {
        let number = self.numbers.len();
        let message = match self.kind {
            Kind::Standard => {
                let delay = Some(Duration::from_secs(delay));
                NewMessage { delay, ..NewMessage::new(number.to_string()) }
            }
            Kind::Fifo => of_group(group, &number.to_string()),
        };
        let (group, delay) = (message.group_id.clone(), message.delay.unwrap_or_default().as_secs());
        let sent = self.store.send(name_of(self.kind, Location::Source), message, self.now()).unwrap();
        assert!(self.numbers.insert(sent.id, number).is_none(), "ids are unique");
        let (location, hidden_until) = (Location::Source, self.seconds + delay);
        let known = Known { group, location, hidden_until, held: false, receives: 0, latest: None };
        self.alive.insert(number, known);
    }

    /// Receives, and checks both the received messages and the others.
    fn receive(&mut self, from: Location, max: usize, visibility: u64) -> usize {
        let in_flight = self.first_in_flight(from);
        let receive = ReceiveOptions { max, ..now(Some(Duration::from_secs(visibility))) };
        let received = self.store.receive(name_of(self.kind, from), &receive, self.now()).unwrap();
        assert!(received.len() <= max, "no more than requested");
        for message in &received {
            self.note(from, message, visibility);
        }
        let numbers: Vec<usize> = received.iter().map(|message| self.numbers[&message.content.id]).collect();
        self.check_groups(&numbers, from, &in_flight);
        if received.len() < max {
            self.check_nothing_was_left(from, &numbers, &in_flight);
        }
        numbers.len()
    }

    fn note(&mut self, from: Location, message: &DeliveredMessage, visibility: u64) {
        let number = self.numbers[&message.content.id];
        let known = self.alive.get_mut(&number).expect("a deleted message came back");
        assert!(known.hidden_until <= self.seconds, "a hidden message was received");
        if from == Location::Dead && known.location == Location::Source {
            assert!(known.receives >= MAX_RECEIVES, "a message moved before its time");
            known.location = Location::Dead;
        }
        assert_eq!(known.location, from, "a message was in two queues");
        assert!(from == Location::Dead || known.receives < MAX_RECEIVES, "a message stayed after its time");
        assert_eq!(message.dead_letter_source_arn.is_some(), from == Location::Dead);
        known.receives += 1;
        assert_eq!(message.receive_count, known.receives, "each receive counts once");
        known.hidden_until = self.seconds + visibility;
        known.held = true;
        let handle = message.receipt_handle.clone();
        known.latest = Some(handle.clone());
        self.receives.push((number, from, handle));
    }

    /// The first message in flight of each group that has any.
    fn first_in_flight(&self, location: Location) -> BTreeMap<String, usize> {
        let held =
            |known: &Known| known.location == location && known.held && known.hidden_until > self.seconds;
        let held = self.alive.iter().rev().filter(|(_, known)| held(known));
        held.filter_map(|(number, known)| Some((known.group.clone()?, *number))).collect()
    }

    /// Checks that each group returned its first messages, in order, and none behind one in flight.
    fn check_groups(&self, received: &[usize], from: Location, in_flight: &BTreeMap<String, usize>) {
        if self.kind == Kind::Standard {
            return;
        }
        for group in GROUPS {
            let in_group = |number: &&usize| self.alive[*number].group.as_deref() == Some(group);
            let came: Vec<_> = received.iter().filter(in_group).copied().collect();
            let end = in_flight.get(group).copied().unwrap_or(usize::MAX);
            assert!(
                came.iter().all(|number| *number < end),
                "group {group} was in flight from {end} on: {came:?}"
            );
            let receivable = |number: &&usize| {
                let known = &self.alive[*number];
                known.location == from
                    && (from == Location::Dead || !is_exhausted_before(known, &came, **number))
            };
            let first: Vec<_> =
                self.alive.keys().filter(in_group).filter(receivable).take(came.len()).copied().collect();
            assert_eq!(came, first, "group {group} is out of order");
        }
    }

    /// Checks that a receive of fewer messages than requested left no receivable one.
    fn check_nothing_was_left(
        &self,
        from: Location,
        received: &[usize],
        in_flight: &BTreeMap<String, usize>,
    ) {
        for (number, known) in &self.alive {
            let first_in_flight = known.group.as_ref().and_then(|group| in_flight.get(group));
            let is_receivable = known.location == from
                && known.hidden_until <= self.seconds
                && (from == Location::Dead || known.receives < MAX_RECEIVES)
                && first_in_flight.is_none_or(|first| number < first);
            assert!(!is_receivable || received.contains(number), "message {number} was left");
        }
    }

    fn change(&mut self, receive: Index, visibility: u64) {
        if self.receives.is_empty() {
            return;
        }
        let (number, location, handle) = receive.get(&self.receives).clone();
        let (now, name) = (self.now(), name_of(self.kind, location));
        let queue = self.store.open(name, now).unwrap();
        let changed = queue.change_visibility(&handle, Duration::from_secs(visibility), now);
        let known = self.alive.get_mut(&number);
        let kind = self.kind;
        let is_known = |known: &&mut Known| {
            known.location == location && (kind == Kind::Standard || known.latest.as_ref() == Some(&handle))
        };
        let Some(known) = known.filter(is_known) else {
            assert!(changed.is_err(), "a stale handle changed a message");
            return;
        };
        if known.hidden_until > self.seconds {
            known.hidden_until = self.seconds + visibility;
        }
        // A message that has moved meanwhile is no longer in the source.
        assert!(changed.is_ok() || known.receives >= MAX_RECEIVES, "a good handle was refused");
    }

    fn delete(&mut self, receive: Index) {
        if self.receives.is_empty() {
            return;
        }
        let (number, location, handle) = receive.get(&self.receives).clone();
        let deleted = self.store.delete(name_of(self.kind, location), &handle, self.now());
        let Some(known) = self.alive.get(&number) else {
            assert_eq!(deleted, Ok(()), "a second delete succeeds");
            return;
        };
        let is_latest = known.latest.as_ref() == Some(&handle);
        let holds = is_latest && known.hidden_until > self.seconds;
        let has_moved = location == Location::Source && self.has_moved(&handle);
        if self.kind == Kind::Fifo && !holds && !has_moved {
            assert!(deleted.is_err(), "a FIFO queue accepts only a handle in flight");
        } else {
            assert_eq!(deleted, Ok(()));
            if !has_moved {
                self.alive.remove(&number);
            }
        }
    }

    /// Returns true if the message of a source's handle is in the dead-letter queue.
    fn has_moved(&mut self, handle: &str) -> bool {
        let now = self.now();
        let source = self.store.open(name_of(self.kind, Location::Source), now).unwrap();
        let receive = source.receipts.decode(handle).unwrap();
        let dead = self.store.open(name_of(self.kind, Location::Dead), now).unwrap();
        dead.messages.get(receive.key).is_some()
    }

    /// Checks that after all visibility timeouts every message that was not deleted is received exactly once.
    fn drain(mut self) {
        self.seconds += 100;
        let expected: Vec<usize> = self.alive.keys().copied().collect();
        let mut drained = Vec::new();
        for location in [Location::Source, Location::Dead] {
            while self.receive(location, 10, 1_000) > 0 {
                let held = self.alive.iter().filter(|(_, known)| known.hidden_until > self.seconds);
                for number in held.map(|(number, _)| *number).collect::<Vec<_>>() {
                    let handle = self.alive.remove(&number).and_then(|known| known.latest).unwrap();
                    self.store.delete(name_of(self.kind, location), &handle, self.now()).unwrap();
                    drained.push(number);
                }
            }
        }
        drained.sort_unstable();
        assert_eq!(drained, expected, "messages were lost");
        for location in [Location::Source, Location::Dead] {
            let now = self.now();
            self.store.remove(name_of(self.kind, location), now).unwrap();
        }
        assert_eq!(self.storage.used(), 0, "the bytes of deleted messages are free");
    }
}

/// Returns true if a message had used up its receives before the latest one.
fn is_exhausted_before(known: &Known, came: &[usize], number: usize) -> bool {
    known.receives - u32::from(came.contains(&number)) >= MAX_RECEIVES
}

fn name_of(kind: Kind, location: Location) -> &'static str {
    match (kind, location) {
        (Kind::Standard, Location::Source) => "source",
        (Kind::Standard, Location::Dead) => "dead",
        (Kind::Fifo, Location::Source) => "source.fifo",
        (Kind::Fifo, Location::Dead) => "dead.fifo",
    }
}
