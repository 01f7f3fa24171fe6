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
};

const MAX_RECEIVES: u32 = 3;
const GROUPS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Send { group: Index, delay: u64 },
    Receive { from: Place, max: usize, visibility: u64 },
    Change { receive: Index, visibility: u64 },
    Delete { receive: Index },
    Pass { seconds: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Source,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Standard,
    Fifo,
}

fn any_step() -> impl Strategy<Value = Step> {
    let place = prop_oneof![4 => Just(Place::Source), 1 => Just(Place::Dead)];
    prop_oneof![
        4 => (any::<Index>(), 0..4_u64).prop_map(|(group, delay)| Step::Send { group, delay }),
        6 => (place, 1..=10_usize, 0..6_u64)
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
    place: Place,
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
    start: Instant,
    seconds: u64,
    /// The messages that were not deleted, in the order of sending.
    alive: BTreeMap<usize, Known>,
    numbers: BTreeMap<Arc<str>, usize>,
    /// Every receive there was: the message and the handle.
    receives: Vec<(usize, Place, String)>,
}

impl History {
    fn of(kind: Kind) -> Self {
        let mut store = SqsStore::new(AccountIdentity::default(), AccountLimits::default());
        let start = Instant::now();
        let at_start = Now { at: start, wall: SystemTime::UNIX_EPOCH };
        let fifo: &[(&str, &str)] = if kind == Kind::Fifo { &[("FifoQueue", "true")] } else { &[] };
        let dead = name_of(kind, Place::Dead);
        store.create(dead, &names(fifo), &StringMap::new(), at_start).unwrap();
        let arn = store.open(dead, at_start).unwrap().arn.clone();
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{MAX_RECEIVES}}}"#);
        let mut attributes = names(fifo);
        attributes.insert("RedrivePolicy".to_owned(), policy);
        store.create(name_of(kind, Place::Source), &attributes, &StringMap::new(), at_start).unwrap();
        let (alive, numbers, receives) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { kind, store, start, seconds: 0, alive, numbers, receives }
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
        let sent = self.store.send(name_of(self.kind, Place::Source), message, self.now()).unwrap();
        assert!(self.numbers.insert(sent.id, number).is_none(), "ids are unique");
        let (place, hidden_until) = (Place::Source, self.seconds + delay);
        let known = Known { group, place, hidden_until, held: false, receives: 0, latest: None };
        self.alive.insert(number, known);
    }

    /// Receives, and checks the messages that came and those that did not.
    fn receive(&mut self, from: Place, max: usize, visibility: u64) -> usize {
        let blocked = self.groups_in_flight(from);
        let receive = ReceiveOptions { max, ..now(Some(Duration::from_secs(visibility))) };
        let received = self.store.receive(name_of(self.kind, from), &receive, self.now()).unwrap();
        assert!(received.len() <= max, "no more than requested");
        for message in &received {
            self.note(from, message, visibility);
        }
        let numbers: Vec<usize> = received.iter().map(|message| self.numbers[&message.content.id]).collect();
        self.check_groups(&numbers, from, &blocked);
        if received.len() < max {
            self.check_nothing_was_left(from, &numbers, &blocked);
        }
        numbers.len()
    }

    fn note(&mut self, from: Place, message: &DeliveredMessage, visibility: u64) {
        let number = self.numbers[&message.content.id];
        let known = self.alive.get_mut(&number).expect("a deleted message came back");
        assert!(known.hidden_until <= self.seconds, "a hidden message was received");
        if from == Place::Dead && known.place == Place::Source {
            assert!(known.receives >= MAX_RECEIVES, "a message moved before its time");
            known.place = Place::Dead;
        }
        assert_eq!(known.place, from, "a message was in two queues");
        assert!(from == Place::Dead || known.receives < MAX_RECEIVES, "a message stayed after its time");
        assert_eq!(message.dead_letter_source_arn.is_some(), from == Place::Dead);
        known.receives += 1;
        assert_eq!(message.receive_count, known.receives, "each receive counts once");
        known.hidden_until = self.seconds + visibility;
        known.held = true;
        let handle = message.receipt_handle.clone();
        known.latest = Some(handle.clone());
        self.receives.push((number, from, handle));
    }

    /// The groups that gave messages which are still hidden.
    fn groups_in_flight(&self, place: Place) -> Vec<String> {
        let held = |known: &&Known| known.place == place && known.held && known.hidden_until > self.seconds;
        self.alive.values().filter(held).filter_map(|known| known.group.clone()).collect()
    }

    /// Of each group came the first messages that are left, in order, and none while others were in flight.
    fn check_groups(&self, received: &[usize], from: Place, blocked: &[String]) {
        if self.kind == Kind::Standard {
            return;
        }
        for group in GROUPS {
            let in_group = |number: &&usize| self.alive[*number].group.as_deref() == Some(group);
            let came: Vec<_> = received.iter().filter(in_group).copied().collect();
            assert!(came.is_empty() || !blocked.iter().any(|id| id == group), "group {group} was in flight");
            let ours = |number: &&usize| {
                let known = &self.alive[*number];
                known.place == from && (from == Place::Dead || !is_exhausted_before(known, &came, **number))
            };
            let first: Vec<_> =
                self.alive.keys().filter(in_group).filter(ours).take(came.len()).copied().collect();
            assert_eq!(came, first, "group {group} is out of order");
        }
    }

    /// A receive with room left took everything it could.
    fn check_nothing_was_left(&self, from: Place, received: &[usize], blocked: &[String]) {
        for (number, known) in &self.alive {
            let is_receivable = known.place == from
                && known.hidden_until <= self.seconds
                && (from == Place::Dead || known.receives < MAX_RECEIVES)
                && !known.group.as_ref().is_some_and(|group| blocked.contains(group));
            assert!(!is_receivable || received.contains(number), "message {number} was left");
        }
    }

    fn change(&mut self, receive: Index, visibility: u64) {
        if self.receives.is_empty() {
            return;
        }
        let (number, place, handle) = receive.get(&self.receives).clone();
        let (now, name) = (self.now(), name_of(self.kind, place));
        let queue = self.store.open(name, now).unwrap();
        let changed = queue.change_visibility(&handle, Duration::from_secs(visibility), now);
        let known = self.alive.get_mut(&number);
        let Some(known) = known.filter(|known| known.latest.as_ref() == Some(&handle)) else {
            assert!(changed.is_err(), "a stale handle changed a message");
            return;
        };
        if known.hidden_until > self.seconds {
            known.hidden_until = self.seconds + visibility;
        }
        // A message that has moved meanwhile is not to be found in the source.
        assert!(changed.is_ok() || known.receives >= MAX_RECEIVES, "a good handle was refused");
    }

    fn delete(&mut self, receive: Index) {
        if self.receives.is_empty() {
            return;
        }
        let (number, place, handle) = receive.get(&self.receives).clone();
        let deleted = self.store.delete(name_of(self.kind, place), &handle, self.now());
        let Some(known) = self.alive.get(&number) else {
            assert_eq!(deleted, Ok(()), "deleting twice is fine");
            return;
        };
        let is_latest = known.latest.as_ref() == Some(&handle);
        let holds = is_latest && known.hidden_until > self.seconds;
        let has_moved = place == Place::Source && self.has_moved(&handle);
        if self.kind == Kind::Fifo && !holds && !has_moved {
            assert!(deleted.is_err(), "a FIFO queue deletes with a handle that holds alone");
        } else {
            assert_eq!(deleted, Ok(()));
            if is_latest && !has_moved {
                self.alive.remove(&number);
            }
        }
    }

    /// Returns true if the message of a source's handle is in the dead-letter queue.
    fn has_moved(&mut self, handle: &str) -> bool {
        let now = self.now();
        let source = self.store.open(name_of(self.kind, Place::Source), now).unwrap();
        let receive = source.receipts.decode(handle).unwrap();
        let dead = self.store.open(name_of(self.kind, Place::Dead), now).unwrap();
        dead.messages.get(receive.key).is_some()
    }

    /// Once all visibilities are over, every message that was not deleted comes exactly once.
    fn drain(mut self) {
        self.seconds += 100;
        let expected: Vec<usize> = self.alive.keys().copied().collect();
        let mut drained = Vec::new();
        for place in [Place::Source, Place::Dead] {
            while self.receive(place, 10, 1_000) > 0 {
                let held = self.alive.iter().filter(|(_, known)| known.hidden_until > self.seconds);
                for number in held.map(|(number, _)| *number).collect::<Vec<_>>() {
                    let handle = self.alive.remove(&number).and_then(|known| known.latest).unwrap();
                    self.store.delete(name_of(self.kind, place), &handle, self.now()).unwrap();
                    drained.push(number);
                }
            }
        }
        drained.sort_unstable();
        assert_eq!(drained, expected, "messages were lost");
    }
}

/// Returns true if a message had used up its receives before the latest one.
fn is_exhausted_before(known: &Known, came: &[usize], number: usize) -> bool {
    known.receives - u32::from(came.contains(&number)) >= MAX_RECEIVES
}

fn name_of(kind: Kind, place: Place) -> &'static str {
    match (kind, place) {
        (Kind::Standard, Place::Source) => "source",
        (Kind::Standard, Place::Dead) => "dead",
        (Kind::Fifo, Place::Source) => "source.fifo",
        (Kind::Fifo, Place::Dead) => "dead.fifo",
    }
}
