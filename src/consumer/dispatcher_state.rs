//! The state of a dispatcher: the messages that wait for their call, and the numbers on which the next receive depends.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    availability::Availability,
    buffer::{Buffer, Group, LostMessages},
    limits::{CallLimits, GroupLines},
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
    /// The messages, each with its weight, that wait until their group may have a further call, where groups of a standard
    /// queue have limits.
    lines: Option<GroupLines<(usize, HeldMessage)>>,
    limits: CallLimits,
    pub(super) rate: MessageRate,
    pub(super) failed_groups: FailedGroups,
}

/// The most messages in lines for which others are received beyond them: each costs extensions of its lease.
const MOST_IN_LINES: usize = 1_000;

/// The number of waiting messages and the rate at which messages end, which decide the next receive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// The most messages that run at once.
    pub(super) most_running: usize,
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
    /// The messages for which calls may start soon, where a rate limits them; others would wait here.
    pub(super) most_to_receive: Option<usize>,
}

/// The calls that the limits of the settings allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallAllowance {
    /// By the rate, where one is set.
    pub(super) by_rate: Option<usize>,
    /// True while messages wait for a slot of a pool.
    pub(super) waits_for_pool: bool,
}

/// The numbers of running calls and waiting messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct DispatcherLoad {
    /// The most calls that run at once.
    pub(super) concurrency: usize,
    pub(super) running: usize,
    pub(super) waiting: usize,
}

impl DispatcherState {
    pub(super) fn new(
        buffer: Buffer<HeldMessage>,
        lines: Option<GroupLines<(usize, HeldMessage)>>,
        limits: CallLimits,
        now: Instant,
    ) -> Self {
        Self {
            buffer,
            unprepared: PreparationLines::default(),
            lines,
            limits,
            rate: MessageRate::new(now),
            failed_groups: FailedGroups::default(),
        }
    }

    pub(super) fn load(&self) -> DispatcherLoad {
        DispatcherLoad {
            concurrency: self.buffer.concurrency(),
            running: self.buffer.running(),
            waiting: self.buffer.waiting() + self.in_lines(),
        }
    }

    /// The calls that the limits allow now.
    pub(super) fn allowance(&mut self, now: Instant) -> CallAllowance {
        CallAllowance { by_rate: self.limits.available(now), waits_for_pool: self.limits.wait_for_slot() }
    }

    fn in_lines(&self) -> usize {
        self.lines.as_ref().map_or(0, GroupLines::waiting)
    }

    /// Returns the numbers on which the next receive depends.
    pub(super) fn demand(&mut self, availability: &Availability, now: Instant) -> Demand {
        let may_start = availability.may_start(self.buffer.running(), now);
        let in_lines = self.in_lines();
        let Self { buffer, unprepared, lines, limits, rate, failed_groups } = self;
        let may_leave = lines.as_mut().map_or(0, |lines| lines.may_leave(now));
        let ready_to_start = buffer.ready_to_start() + may_leave;
        let of_limits = limits.next_start();
        let next_of_lines = lines.as_ref().and_then(GroupLines::next);
        let next_start = match (may_start, of_limits) {
            (false, _) => availability.next_start(),
            (true, Some(of_limits)) => Some(of_limits),
            (true, None) if limits.wait_for_slot() => None,
            (true, None) => buffer.next_start().into_iter().chain(next_of_lines).min(),
        };
        let of_rate = limits.available(now).map(|calls| calls.saturating_mul(buffer.batch_size()));
        Demand {
            most_running: buffer.concurrency().saturating_mul(buffer.batch_size()),
            ready_to_start,
            blocked: buffer.blocked() + unprepared.waiting() + in_lines.min(MOST_IN_LINES),
            next_start,
            messages_per_second: rate.per_second(now),
            patience: rate.patience(),
            receive_mode: failed_groups.mode(now),
            needs_one_to_try: availability.may_receive_one_to_try()
                && buffer.all_first(|held| held.kept.is_some())
                && unprepared.waiting() + in_lines == 0,
            most_to_receive: of_rate.map(|messages| messages.saturating_sub(ready_to_start)),
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
                self.line_up(bytes, held, now);
            }
        }
        out_of_turn
    }

    /// Adds a message to the line of its group, where groups have limits, and else to the buffer.
    fn line_up(&mut self, bytes: usize, held: HeldMessage, now: Instant) {
        match (&mut self.lines, held.message.system.group_id.as_deref()) {
            (Some(lines), Some(group)) if held.group.is_none() => lines.push(group.into(), (bytes, held)),
            _ => {
                let group = held.group.clone();
                self.buffer.push(held, group, bytes, now);
            }
        }
    }

    /// Moves as many messages from their lines into the buffer as may start now.
    fn leave_lines(&mut self, now: Instant) {
        let Some(lines) = &mut self.lines else { return };
        for ((bytes, held), share) in lines.leave(self.buffer.room(), now) {
            self.buffer.push(HeldMessage { share: Some(share), ..held }, None, bytes, now);
        }
    }

    /// Puts the messages of a call that did not start back before all others, in their order.
    ///
    /// Those that were kept because of their handler follow all others: the next one to be tried is another.
    pub(super) fn put_back(&mut self, weighed: Vec<(usize, HeldMessage)>, now: Instant) {
        for (bytes, held) in weighed.into_iter().rev() {
            match held.group.clone() {
                None if held.kept.is_some() => self.buffer.put_last(held, bytes, now),
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
            self.limits.nothing_to_start();
            return None;
        }
        self.leave_lines(now);
        let has_waiting = self.buffer.waiting() > 0;
        if has_waiting && !self.limits.take(now) {
            return None;
        }
        let batch = if availability.tries_single_messages() {
            self.buffer.start_one(now)
        } else {
            self.buffer.start(now)
        };
        availability.tried_to_start(batch.is_some(), now);
        match batch {
            Some(_) => self.limits.started(self.buffer.next_start().is_some_and(|next| next <= now), now),
            None if has_waiting => self.limits.give_back(),
            None => self.limits.nothing_to_start(),
        }
        batch
    }

    /// Notes that a call has ended.
    pub(super) fn call_ended(&mut self) {
        self.buffer.call_ended();
        self.limits.give_back();
    }

    /// Starts no further call.
    pub(super) fn close(&mut self) {
        self.buffer.close();
        self.limits.nothing_to_start();
    }

    /// Takes the messages that wait behind a message of their group that is visible again after `delay`.
    pub(super) fn take_behind(&mut self, group: &Group, delay: Duration) -> Vec<HeldMessage> {
        let Some(mut behind) = self.buffer.fail(group) else { return Vec::new() };
        behind.append(&mut self.unprepared.fail(group, delay));
        behind
    }

    pub(super) fn take_waiting(&mut self, delay: Duration) -> Vec<HeldMessage> {
        let mut waiting = self.buffer.take_waiting();
        waiting.append(&mut self.take_from_lines(|_| true));
        waiting.append(&mut self.unprepared.take_all(delay));
        waiting
    }

    /// Takes the messages that may go, and those behind them in their groups, to be visible again after `delay`.
    pub(super) fn take_waiting_if(
        &mut self,
        may_go: impl Fn(&HeldMessage) -> bool,
        delay: Duration,
    ) -> Vec<HeldMessage> {
        let mut taken = self.buffer.take_waiting_if(&may_go);
        taken.append(&mut self.take_from_lines(may_go));
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
        taken.lost.append(&mut self.take_from_lines(is_lost));
        taken.lost.append(&mut unprepared.lost);
        taken.behind.append(&mut unprepared.behind);
        taken
    }

    fn take_from_lines(&mut self, is_such: impl Fn(&HeldMessage) -> bool) -> Vec<HeldMessage> {
        let taken = self.lines.as_mut().map(|lines| lines.take_if(|(_, held)| is_such(held)));
        taken.unwrap_or_default().into_iter().map(|(_, held)| held).collect()
    }
}
