//! The state of a dispatcher: the messages that wait for their call, and the numbers on which the next receive depends.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    availability::Availability,
    buffer::{Buffer, Group, LostMessages},
    preparation_lines::{PreparationLines, PreparationTurn},
    prepare::HeldMessage,
    receive_mode::{FailedGroups, ReceiveMode},
    schedule::MessageRate,
};

/// The waiting messages of one queue, and the running calls.
pub(super) struct DispatcherState {
    pub(super) buffer: Buffer<HeldMessage>,
    /// The messages of FIFO groups that wait for their preparation, behind those in the buffer.
    pub(super) unprepared: PreparationLines<HeldMessage>,
    pub(super) rate: MessageRate,
    pub(super) failed_groups: FailedGroups,
}

/// The number of waiting messages and the rate at which messages end, which decide the next receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Messages that could start if slots were free.
    pub(super) ready_to_start: usize,
    /// Messages that wait behind one of their group.
    pub(super) blocked: usize,
    /// The time at which a batch that is not full starts, or more calls may start.
    pub(super) next_start: Option<Instant>,
    pub(super) messages_per_second: f64,
    /// The longest time that available permits wait for more permits before a receive.
    pub(super) patience: Duration,
    pub(super) receive_mode: ReceiveMode,
    /// True if the breaker is open and every waiting message was tried: one more may be received, as they may be the cause.
    pub(super) needs_one_to_try: bool,
}

/// The numbers of running calls and waiting messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct DispatcherLoad {
    pub(super) running: usize,
    pub(super) waiting: usize,
}

impl DispatcherState {
    pub(super) fn new(buffer: Buffer<HeldMessage>, now: Instant) -> Self {
        Self {
            buffer,
            unprepared: PreparationLines::default(),
            rate: MessageRate::new(now),
            failed_groups: FailedGroups::default(),
        }
    }

    pub(super) fn load(&self) -> DispatcherLoad {
        DispatcherLoad { running: self.buffer.running(), waiting: self.buffer.waiting() }
    }

    /// Returns the numbers on which the next receive depends.
    pub(super) fn demand(&mut self, availability: &Availability, now: Instant) -> Demand {
        let Self { buffer, unprepared, rate, failed_groups } = self;
        let may_start = availability.may_start(buffer.running(), now);
        Demand {
            ready_to_start: buffer.ready_to_start(),
            blocked: buffer.blocked() + unprepared.waiting(),
            next_start: if may_start { buffer.next_start() } else { availability.next_start() },
            messages_per_second: rate.per_second(now),
            patience: rate.patience(),
            receive_mode: failed_groups.mode(now),
            needs_one_to_try: availability.may_receive_one_to_try()
                && buffer.all_first(|held| held.kept_since.is_some())
                && unprepared.waiting() == 0,
        }
    }

    /// Adds messages with their sizes to the buffer; returns those that have lost their turn, each with its delay.
    pub(super) fn push(
        &mut self,
        weighed: Vec<(usize, HeldMessage)>,
        now: Instant,
    ) -> Vec<(HeldMessage, Duration)> {
        let mut out_of_turn = Vec::new();
        for (bytes, mut held) in weighed {
            if let Some(delay) = held.turn.take().and_then(PreparationTurn::lost_by_now) {
                out_of_turn.push((held, delay));
            } else {
                let group = held.group.clone();
                self.buffer.push(held, group, bytes, now);
            }
        }
        out_of_turn
    }

    /// Puts the messages of a call that did not start back before all others, in their order.
    ///
    /// Those that were kept because of their handler follow all others: the next one to be tried is another.
    pub(super) fn put_back(&mut self, weighed: Vec<(usize, HeldMessage)>, now: Instant) {
        for (bytes, held) in weighed.into_iter().rev() {
            match held.group.clone() {
                None if held.kept_since.is_some() => self.buffer.put_last(held, bytes, now),
                group => self.buffer.put_back(held, group, bytes, now),
            }
        }
    }

    /// Takes the next batch, if one may start now.
    pub(super) fn take_startable(
        &mut self,
        availability: &Availability,
        now: Instant,
    ) -> Option<Vec<HeldMessage>> {
        if !availability.may_start(self.buffer.running(), now) {
            return None;
        }
        let batch = if availability.tries_single_messages() {
            self.buffer.start_one(now)
        } else {
            self.buffer.start(now)
        };
        availability.tried_to_start(batch.is_some(), now);
        batch
    }

    /// Takes the messages that wait behind a message of their group that is visible again after `delay`.
    pub(super) fn take_behind(&mut self, group: &Group, delay: Duration) -> Vec<HeldMessage> {
        let Some(mut behind) = self.buffer.fail(group) else { return Vec::new() };
        behind.append(&mut self.unprepared.fail(group, delay));
        behind
    }

    pub(super) fn take_waiting(&mut self, delay: Duration) -> Vec<HeldMessage> {
        let mut waiting = self.buffer.take_waiting();
        waiting.append(&mut self.unprepared.take_all(delay));
        waiting
    }

    /// Takes the messages that may go, and those behind them in their groups, to be visible again after `delay`.
    pub(super) fn take_waiting_if(
        &mut self,
        may_go: impl Fn(&HeldMessage) -> bool,
        delay: Duration,
    ) -> Vec<HeldMessage> {
        let mut taken = self.buffer.take_waiting_if(may_go);
        let groups: Vec<Group> = taken.iter().filter_map(|held| held.group.clone()).collect();
        for group in groups {
            taken.append(&mut self.unprepared.fail(&group, delay));
        }
        taken
    }

    pub(super) fn take_lost(&mut self) -> LostMessages<HeldMessage> {
        let is_lost = |held: &HeldMessage| !held.lease.is_held();
        let mut taken = self.buffer.take_lost(is_lost);
        for group in taken.lost.iter().filter_map(|held| held.group.as_ref()) {
            taken.behind.append(&mut self.unprepared.fail(group, Duration::ZERO));
        }
        let mut unprepared = self.unprepared.take_lost(is_lost);
        taken.lost.append(&mut unprepared.lost);
        taken.behind.append(&mut unprepared.behind);
        taken
    }
}
