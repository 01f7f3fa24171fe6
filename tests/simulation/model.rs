//! The model of a record: the calls, the holds of messages by the store's clock, the runs and the workers; pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use longshore::worker::Drained;

use super::{
    plan::{FaultKind, World},
    record::{Event, Fact, Number, Received, Record, RunEnd},
};
use crate::support::calls::Action;

/// A delay of an answer that takes nothing from a lease of 11 s or more.
const SHORT_DELAY: Duration = Duration::from_millis(1_500);

/// One call to a queue.
#[derive(Clone, Debug)]
pub(super) struct SimulatedCall {
    pub(super) worker: usize,
    pub(super) action: Action,
    pub(super) max: usize,
    pub(super) sent: Duration,
    pub(super) entries: Vec<(Received, Option<Duration>)>,
    pub(super) fault: Option<(FaultKind, Duration)>,
    pub(super) answered: Option<(Duration, bool)>,
}

/// The time between a receive of a message and its next receive or its deletion.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) worker: usize,
    pub(super) call: usize,
    pub(super) taken: Duration,
    /// The time at which the worker had the message.
    pub(super) answered: Option<Duration>,
    /// The end of its visibility by the store, after each change.
    pub(super) untils: Vec<(Duration, Duration)>,
    /// The time of the deletion.
    pub(super) deleted: Option<Duration>,
    /// The time of the next receive, by anyone.
    pub(super) taken_again: Option<Duration>,
    /// The time at which the worker sent a change of visibility that is no extension.
    pub(super) give_back_sent: Option<Duration>,
    /// The time at which such a change had its effect.
    pub(super) given_back: Option<Duration>,
    pub(super) delete_sent: Option<Duration>,
}

/// One message in one call of a handler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) worker: usize,
    /// The call of the handler, which the messages of a batch share.
    pub(super) call: usize,
    pub(super) received: Received,
    pub(super) began: Duration,
    /// The position of the begin among the events.
    pub(super) position: usize,
    pub(super) ended: Option<(Duration, RunEnd)>,
    pub(super) end_position: usize,
}

/// The life of one worker.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    pub(super) drain_began: Option<Duration>,
    pub(super) drained: Option<(Duration, Drained)>,
    pub(super) crashed: Option<Duration>,
}

impl Life {
    /// The time from which on the worker stops or is dead.
    pub(super) fn stops(&self) -> Duration {
        [self.drain_began, self.crashed].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }
}

/// A record in order.
pub(super) struct Model<'a> {
    pub(super) record: &'a Record,
    pub(super) calls: BTreeMap<usize, SimulatedCall>,
    pub(super) holds: BTreeMap<Received, Hold>,
    pub(super) runs: Vec<Run>,
    /// The runs of each receive.
    pub(super) runs_of: HashMap<Received, Vec<usize>>,
    pub(super) lives: BTreeMap<usize, Life>,
    pub(super) freezes: Vec<(Duration, Duration)>,
    pub(super) duplicates: Vec<(Duration, Number)>,
    /// The worker and the time of each change of its task's protection, and the end of the protection, if there is one.
    pub(super) protections: Vec<(usize, Duration, Option<Duration>)>,
    /// The worker and the time of each failure of its agent.
    pub(super) agent_failures: Vec<(usize, Duration)>,
    /// The worker, the message and the position of each copy that the DLQ took.
    copies: Vec<(usize, Number, usize)>,
    /// The worker, the `maxReceiveCount` and the position of each time a worker read it.
    policy_reads: Vec<(usize, u32, usize)>,
    latest: HashMap<Number, Received>,
    calls_of: HashMap<Number, Vec<usize>>,
    open: HashMap<(usize, Received), usize>,
}

impl<'a> Model<'a> {
    pub(super) fn of(record: &'a Record) -> Self {
        let mut model = Self {
            record,
            calls: BTreeMap::new(),
            holds: BTreeMap::new(),
            runs: Vec::new(),
            runs_of: HashMap::new(),
            lives: BTreeMap::new(),
            freezes: Vec::new(),
            duplicates: Vec::new(),
            protections: Vec::new(),
            agent_failures: Vec::new(),
            copies: Vec::new(),
            policy_reads: Vec::new(),
            latest: HashMap::new(),
            calls_of: HashMap::new(),
            open: HashMap::new(),
        };
        for (position, event) in record.events.iter().enumerate() {
            model.add(position, event);
        }
        model
    }

    pub(super) fn world(&self) -> &'a World {
        &self.record.world
    }

    pub(super) fn group(&self, number: Number) -> u8 {
        self.world().messages[number].group
    }

    fn add(&mut self, position: usize, event: &Event) {
        let (at, worker) = (event.at, event.worker);
        match &event.fact {
            Fact::Started => drop(self.lives.insert(worker, Life::default())),
            Fact::DrainBegan => self.life(worker).drain_began = Some(at),
            Fact::Drained(drained) => self.life(worker).drained = Some((at, *drained)),
            Fact::Crashed => {
                self.life(worker).crashed = Some(at);
                for run in self.runs.iter_mut().filter(|run| run.worker == worker && run.ended.is_none()) {
                    (run.ended, run.end_position) = (Some((at, RunEnd::Cut)), position);
                }
            }
            Fact::Sent { call, action, max, entries } => self.sent(
                *call,
                SimulatedCall {
                    worker,
                    action: *action,
                    max: *max,
                    sent: at,
                    entries: entries.clone(),
                    fault: None,
                    answered: None,
                },
            ),
            Fact::Faulty { call, kind, by } => self.call(*call).fault = Some((*kind, *by)),
            Fact::Taken { call, received, visibility } => {
                self.taken(at, (worker, *call), *received, *visibility);
            }
            Fact::Deleted(received) => self.hold(*received).deleted = Some(at),
            Fact::Changed { received, visibility } => self.changed(at, *received, *visibility),
            Fact::Answered { call, is_ok, messages } => {
                self.call(*call).answered = Some((at, *is_ok));
                for received in messages {
                    self.hold(*received).answered.get_or_insert(at);
                }
            }
            Fact::Duplicated(number) => self.duplicates.push((at, *number)),
            Fact::Began { run, received } => {
                self.open.insert((*run, *received), self.runs.len());
                self.runs_of.entry(*received).or_default().push(self.runs.len());
                let (call, received, began) = (*run, *received, at);
                let (ended, end_position) = (None, usize::MAX);
                self.runs.push(Run { worker, call, received, began, position, ended, end_position });
            }
            Fact::Ended { run, received, end } => {
                let index = self.open[&(*run, *received)];
                (self.runs[index].ended, self.runs[index].end_position) = (Some((at, *end)), position);
            }
            Fact::Frozen(lasted) => self.freezes.push((at.saturating_sub(*lasted), at)),
            Fact::Copied(number) => self.copies.push((worker, *number, position)),
            Fact::PolicyRead(most) => self.policy_reads.push((worker, *most, position)),
            Fact::Protection(until) => self.protections.push((worker, at, *until)),
            Fact::AgentFailed => self.agent_failures.push((worker, at)),
            Fact::Refused(_) | Fact::Policy(_) | Fact::Calm | Fact::Shown(_) => {}
        }
    }

    fn life(&mut self, worker: usize) -> &mut Life {
        self.lives.get_mut(&worker).unwrap()
    }

    fn call(&mut self, call: usize) -> &mut SimulatedCall {
        self.calls.get_mut(&call).unwrap()
    }

    fn hold(&mut self, received: Received) -> &mut Hold {
        self.holds.get_mut(&received).unwrap()
    }

    /// True for a change of visibility that extends a lease: no give-back has its length.
    fn is_extension(&self, visibility: Duration) -> bool {
        visibility == self.world().worker.visibility
    }

    fn sent(&mut self, number: usize, call: SimulatedCall) {
        for (received, visibility) in &call.entries {
            self.calls_of.entry(received.number).or_default().push(number);
            let is_give_back = visibility.is_some_and(|visibility| !self.is_extension(visibility));
            if call.action == Action::Send {
                continue;
            }
            let hold = self.hold(*received);
            if is_give_back {
                hold.give_back_sent.get_or_insert(call.sent);
            }
            if call.action == Action::Delete {
                hold.delete_sent.get_or_insert(call.sent);
            }
        }
        self.calls.insert(number, call);
    }

    fn taken(
        &mut self,
        at: Duration,
        (worker, call): (usize, usize),
        received: Received,
        visibility: Duration,
    ) {
        if let Some(hold) = self.holds.get_mut(&received) {
            // A repeated receive of a FIFO queue.
            hold.untils.push((at, at + visibility));
            return;
        }
        if let Some(before) = self.latest.insert(received.number, received) {
            self.hold(before).taken_again = Some(at);
        }
        let hold = Hold {
            worker,
            call,
            taken: at,
            answered: None,
            untils: vec![(at, at + visibility)],
            deleted: None,
            taken_again: None,
            give_back_sent: None,
            given_back: None,
            delete_sent: None,
        };
        self.holds.insert(received, hold);
    }

    fn changed(&mut self, at: Duration, received: Received, visibility: Duration) {
        let is_extension = self.is_extension(visibility);
        let hold = self.hold(received);
        hold.untils.push((at, at + visibility));
        if !is_extension {
            hold.given_back.get_or_insert(at);
        }
    }

    /// True if the DLQ took a copy of the message from the worker of this run after it.
    pub(super) fn is_copied_after(&self, run: &Run) -> bool {
        self.copies.iter().any(|(worker, number, position)| {
            (*worker, *number) == (run.worker, run.received.number) && *position > run.end_position
        })
    }

    /// True if this was the message's last attempt, by what the worker had read of the policy at the end of the run.
    pub(super) fn is_last_attempt(&self, run: &Run) -> bool {
        let is_known = |(worker, _, position): &&(usize, u32, usize)| {
            *worker == run.worker && *position < run.end_position
        };
        let known = self.policy_reads.iter().rev().find(is_known);
        known.is_some_and(|(_, most, _)| run.received.count >= *most)
    }

    /// True if a fault, a freeze or a duplicate in this time may have ended this hold or hidden its message.
    pub(super) fn is_touched(&self, received: Received, from: Duration, to: Duration) -> bool {
        self.is_disturbed(received, from, to) || self.has_faulty_call(received, from, to)
    }

    fn is_disturbed(&self, received: Received, from: Duration, to: Duration) -> bool {
        // A lease counts from the sending of its receive.
        let sent = self.holds.get(&received).map_or(from, |hold| self.calls[&hold.call].sent);
        let is_frozen = self.freezes.iter().any(|(began, ended)| *began <= to && *ended >= from.min(sent));
        let is_duplicated =
            self.duplicates.iter().any(|(at, number)| *number == received.number && *at <= to);
        is_frozen
            || is_duplicated
            || self.is_receive_faulty(received)
            || self.is_settled_by_an_older_hold(received, from, to)
    }

    /// True if a fault may have ended this hold: more than one failed extension, which the worker tries again.
    pub(super) fn is_lost_by_faults(&self, received: Received, from: Duration, to: Duration) -> bool {
        let calls = self.calls_of.get(&received.number).into_iter().flatten();
        let faulty = calls.map(|call| &self.calls[call]).filter(|call| {
            let ended = call.answered.map_or(Duration::MAX, |(at, _)| at);
            call.fault.is_some() && call.sent <= to && ended >= from
        });
        let (extensions, others): (Vec<_>, Vec<_>) = faulty.partition(|call| {
            let entry = call.entries.iter().find(|(entry, _)| entry.number == received.number);
            entry.is_some_and(|(_, visibility)| {
                visibility.is_some_and(|visibility| self.is_extension(visibility))
            })
        });
        let is_slow = |call: &&SimulatedCall| {
            let kind = call.fault.map(|(kind, _)| kind);
            matches!(
                kind,
                Some(FaultKind::Hangs | FaultKind::FailsLate | FaultKind::Late | FaultKind::AnswersLate)
            )
        };
        // After a long poll a third of the visibility is left, which one slow extension may take.
        let is_lost = extensions.len() > 1 || extensions.iter().any(is_slow);
        is_lost || !others.is_empty() || self.is_disturbed(received, from, to)
    }

    /// True if a worker settled the message in this time by an older receive: one that it still held for all it knew, as a
    /// fault had ended that hold, or by a give-back that is repeated for want of an answer. SQS takes older receipts.
    fn is_settled_by_an_older_hold(&self, received: Received, from: Duration, to: Duration) -> bool {
        let first = Received { count: 0, ..received };
        self.holds.range(first..received).any(|(older, hold)| {
            let is_within = |at: Duration| from <= at && at <= to;
            let is_settled = hold.given_back.is_some_and(is_within) || hold.deleted.is_some_and(is_within);
            let is_lost = |again| self.is_lost_by_faults(*older, hold.taken, again);
            let is_repeated =
                |given_back| hold.untils.iter().any(|(at, _)| *at > given_back && is_within(*at));
            is_settled && hold.taken_again.is_some_and(is_lost) || hold.given_back.is_some_and(is_repeated)
        })
    }

    fn is_receive_faulty(&self, received: Received) -> bool {
        let Some(hold) = self.holds.get(&received) else { return false };
        match self.calls[&hold.call].fault {
            Some((FaultKind::AnswersLate | FaultKind::Late, by)) => by > SHORT_DELAY,
            fault => fault.is_some(),
        }
    }

    /// True if a call in this time, which names the message, has a fault.
    pub(super) fn has_faulty_call(&self, received: Received, from: Duration, to: Duration) -> bool {
        let calls = self.calls_of.get(&received.number).into_iter().flatten();
        calls.map(|call| &self.calls[call]).any(|call| {
            let ended = call.answered.map_or(Duration::MAX, |(at, _)| at);
            call.fault.is_some() && call.sent <= to && ended >= from
        })
    }
}

impl Hold {
    /// The end of the visibility by the store, as of this time.
    pub(super) fn until_at(&self, at: Duration) -> Duration {
        self.untils
            .iter()
            .take_while(|(changed, _)| *changed <= at)
            .last()
            .map_or(self.taken, |(_, until)| *until)
    }

    /// The end of the hold by the store: the deletion or the next receive.
    pub(super) fn end(&self) -> Duration {
        [self.deleted, self.taken_again].into_iter().flatten().min().unwrap_or(Duration::MAX)
    }
}

impl Run {
    pub(super) fn end(&self) -> Duration {
        self.ended.map_or(Duration::MAX, |(at, _)| at)
    }

    pub(super) fn is_over_with(&self, end: RunEnd) -> bool {
        self.ended.is_some_and(|(_, ended)| ended == end)
    }

    /// True if both run at once at some time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.position < other.end_position && other.position < self.end_position
    }
}
