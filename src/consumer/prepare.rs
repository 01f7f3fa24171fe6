//! The stage between the receive of a message and its call: takes leases, and prepares messages.

use std::{future::pending, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    breaker::{KeptFailures, KeptMessage},
    buffer::Group,
    dispatcher::Dispatcher,
    disposition::{Conclusion, DispositionRules, LeaseStatus, MessageFacts},
    fifo::{Order, OrderedSettler},
    limits::GroupShare,
    preparation::{
        CompleteAtDeletion, Preparation, PreparationTasks, PreparedMessage, PreparedState, Unprepared,
    },
    preparation_lines::PreparationTurn,
};
use crate::{
    consumer::lease::{Acquired, Lease, Leases, MessageStage, ReceiveTimes, Reservation},
    consumer::metrics::ConsumerMetrics,
    consumer::running::{RunningCalls, WaitingForCall},
    handler::Outcome,
    message::Message,
    stop::Stop,
    telemetry::{GiveBackCause, context::TraceContext, events},
};

/// A received message whose lease is held.
pub(super) struct HeldMessage {
    pub(super) message: Arc<Message>,
    pub(super) lease: Lease,
    /// The group in which it keeps its order, on a FIFO queue.
    pub(super) group: Option<Group>,
    /// The turn of its preparation, on a FIFO queue.
    pub(super) turn: Option<PreparationTurn>,
    /// The state of its preparations, to complete or to undo.
    pub(super) prepared: Option<Box<PreparedState>>,
    /// The time of its receive's answer.
    pub(super) received: Instant,
    /// Its wait for its call; absent while it runs.
    pub(super) waiting: Option<WaitingForCall>,
    /// Set once it was kept because of its handler.
    pub(super) kept: Option<Box<KeptMessage>>,
    /// Its share of what its group may run, where groups have limits.
    #[expect(dead_code, reason = "its drop ends the share")]
    pub(super) share: Option<GroupShare>,
}

impl HeldMessage {
    /// A message that was received at this time, and waits for its call.
    fn new(message: Message, lease: Lease, group: Option<Group>, waiting: (Instant, WaitingForCall)) -> Self {
        let (received, waiting) = waiting;
        let (turn, prepared, kept, share) = (None, None, None, None);
        let (message, waiting) = (Arc::new(message), Some(waiting));
        Self { message, lease, group, turn, prepared, received, waiting, kept, share }
    }

    /// The facts on which its disposition depends.
    pub(super) fn facts(&self, kept_failures: KeptFailures) -> MessageFacts<'_> {
        let lease = if !self.lease.is_held() {
            LeaseStatus::Lost
        } else if self.lease.cancellation().is_cancelled() {
            LeaseStatus::Cancelled
        } else {
            LeaseStatus::Held
        };
        let receive_count = self.message.receive_count;
        MessageFacts { group: self.group.as_ref(), receive_count, lease, kept_failures }
    }

    /// Notes the end of the message's call, for what records its stages.
    pub(super) fn note_end(&self, conclusion: &Conclusion, rules: &DispositionRules, at: Instant) {
        let Conclusion { ending, reason, .. } = conclusion;
        self.lease.note_at(MessageStage::Ended { ending: *ending, reason }, at);
        if rules.is_exhausted(conclusion, self.message.receive_count) {
            self.lease.note_at(MessageStage::Exhausted, at);
        }
    }

    /// Returns the message as it was received, and its lease, whose deletion completes the preparations.
    pub(super) fn into_lease_to_delete(self) -> (Arc<Message>, Lease) {
        let Self { message, mut lease, prepared, .. } = self;
        let Some(prepared) = prepared else { return (message, lease) };
        let received = prepared.received();
        lease.add_dependent(Box::new(CompleteAtDeletion(prepared)));
        (received, lease)
    }
}

/// Takes leases on received messages, prepares them, and hands them to the dispatcher; clones share one state.
#[derive(Clone)]
pub(super) struct Intake(Arc<IntakeParts>);

/// The parts of an [`Intake`].
pub(super) struct IntakeParts {
    pub(super) queue: Arc<str>,
    pub(super) order: Order,
    pub(super) leases: Leases,
    /// In the order in which each message passes them.
    pub(super) preparations: Vec<Arc<dyn Preparation>>,
    pub(super) tasks: PreparationTasks,
    pub(super) dispatcher: Dispatcher,
    pub(super) settler: OrderedSettler,
    pub(super) stop: Stop,
    pub(super) metrics: Arc<ConsumerMetrics>,
    pub(super) running: RunningCalls,
}

impl Intake {
    pub(super) fn new(parts: IntakeParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Takes leases on the messages of a receive, and passes them to the preparation or the dispatcher.
    pub(super) fn admit(&self, messages: Vec<Message>, mut reservation: Reservation, times: ReceiveTimes) {
        self.0.metrics.consumed.inc_by(messages.len() as u64);
        let mut admitted = Vec::with_capacity(messages.len());
        let (mut blocked, mut behind) = (Vec::new(), Vec::new());
        for mut message in messages {
            self.0.settler.restore(&mut message);
            let Some(permit) = reservation.take() else {
                self.report_excess(&message);
                continue;
            };
            let group = self.0.order.group_of(&message);
            let held = |message, lease, group| {
                let waiting = (times.answered, self.0.running.wait(times.answered));
                HeldMessage::new(message, lease, group, waiting)
            };
            let is_blocked = group.as_ref().is_some_and(|group| blocked.contains(group));
            match self.0.leases.acquire(&message, permit, times) {
                Acquired::New(lease) => {
                    let held = held(message, lease, group);
                    if is_blocked { behind.push(held) } else { admitted.push(held) }
                }
                Acquired::AlreadyDone(lease) => self.delete_again(lease, group),
                // Several of a group that wait for ends of runs could start in any order.
                Acquired::Overlapping(lease, _) if is_blocked => {
                    behind.push(held(message, lease, group));
                }
                Acquired::Overlapping(lease, run_ended) => {
                    blocked.extend(group.clone());
                    self.admit_after(run_ended, held(message, lease, group));
                }
                // The held message may be about to be given back, and then no longer blocks its group: the messages behind
                // the duplicate are given back, to be received after it.
                Acquired::Duplicate => blocked.extend(group),
            }
        }
        self.0.settler.give_back(behind, Duration::ZERO, GiveBackCause::OutOfTurn);
        self.start(admitted);
    }

    /// Passes messages to the preparation or the dispatcher.
    fn start(&self, admitted: Vec<HeldMessage>) {
        if self.0.preparations.is_empty() {
            self.0.dispatcher.dispatch(admitted);
        } else {
            self.prepare_all(admitted);
        }
    }

    /// Admits a message when its earlier run, whose lease was lost, has ended.
    ///
    /// Its receive is spent already, so the message is not left to wait for its visibility timeout.
    fn admit_after(&self, run_ended: oneshot::Receiver<()>, held: HeldMessage) {
        let intake = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = intake.0.stop.draining() => {}
                _ = run_ended => {}
            }
            if held.lease.is_done_before() {
                intake.delete_again(held.lease, held.group);
            } else {
                intake.start(vec![held]);
            }
        });
    }

    fn report_excess(&self, message: &Message) {
        let producer = TraceContext::of_message(message);
        let _trace = producer.as_ref().map(TraceContext::enter);
        events::ExcessReceived { queue: &self.0.queue, message_id: &message.id }.emit();
    }

    /// Deletes a message that was done before. Its group waits, so that it cannot run elsewhere after a later message.
    fn delete_again(&self, mut lease: Lease, group: Option<Group>) {
        if let Some(group) = group {
            self.0.dispatcher.occupy_group(&mut lease, group);
        }
        self.0.settler.delete_again(lease);
    }

    /// Drops the waiting messages whose lease was lost, if any lease was lost since `losses`.
    pub(super) fn drop_lost_since(&self, losses: &mut u64) {
        let now = self.0.leases.losses();
        if std::mem::replace(losses, now) != now {
            self.0.dispatcher.drop_lost();
        }
    }

    /// Prepares each message in a task of its own, and those of one FIFO group one after another.
    fn prepare_all(&self, admitted: Vec<HeldMessage>) {
        for held in admitted {
            let intake = self.clone();
            match held.group.clone() {
                None => self.0.tasks.spawn(async move { intake.prepare(held).await }),
                Some(group) => {
                    if self.0.dispatcher.line_up(held, group.clone()) {
                        self.0.tasks.spawn(async move { intake.prepare_group(&group).await });
                    }
                }
            }
        }
    }

    async fn prepare_group(&self, group: &Group) {
        while let Some(held) = self.0.dispatcher.next_unprepared(group) {
            self.prepare(held).await;
        }
    }

    /// Prepares a message and hands it on; if that fails, the messages behind it in its group are given back.
    async fn prepare(&self, held: HeldMessage) {
        let (dispatcher, settler) = (&self.0.dispatcher, &self.0.settler);
        let group = held.group.clone();
        match self.run_preparations(held).await {
            PreparationEnd::Prepared(held) => dispatcher.dispatch(vec![held]),
            PreparationEnd::Failed { held, outcome, took } => dispatcher.conclude_unrun(held, outcome, took),
            PreparationEnd::DoneBefore(mut held) => {
                self.0.leases.report_duplicate(&held.message.id);
                // Its group waits, so that it cannot run elsewhere after a later message.
                if let Some(group) = group {
                    dispatcher.occupy_group(&mut held.lease, group);
                }
                settler.delete_unrun(held);
            }
            PreparationEnd::NotYet { held, delay } => {
                settler.give_back(vec![held], delay, GiveBackCause::NotReady);
                if let Some(group) = group {
                    dispatcher.preparation_failed(&group, delay);
                }
            }
            PreparationEnd::LeaseLost => {
                if let Some(group) = group {
                    dispatcher.preparation_failed(&group, Duration::ZERO);
                }
            }
            PreparationEnd::GivenBack { held, delay, cause } => {
                settler.give_back(vec![held], delay, cause);
            }
        }
    }

    /// Lets a message pass every preparation; each sees it as those before have left it.
    async fn run_preparations(&self, mut held: HeldMessage) -> PreparationEnd {
        let began = Instant::now();
        for preparation in &self.0.preparations {
            match self.run_preparation(&**preparation, &mut held).await {
                Ok(PreparedMessage { message, claim }) => {
                    let new_state = || PreparedState::new(held.message.clone(), self.0.tasks.clone());
                    let state = held.prepared.get_or_insert_with(|| Box::new(new_state()));
                    if let Some(claim) = claim {
                        state.add(claim, &mut held.lease);
                    }
                    held.message = message;
                }
                Err(Interruption::Unprepared(Unprepared::Ended(outcome))) => {
                    return PreparationEnd::Failed { held, outcome, took: began.elapsed() };
                }
                Err(Interruption::Unprepared(Unprepared::DoneBefore)) => {
                    return PreparationEnd::DoneBefore(held);
                }
                Err(Interruption::Unprepared(Unprepared::NotYet(delay))) => {
                    return PreparationEnd::NotYet { held, delay };
                }
                Err(Interruption::LeaseLost) => return PreparationEnd::LeaseLost,
                Err(Interruption::GiveBack(delay, cause)) => {
                    return PreparationEnd::GivenBack { held, delay, cause };
                }
            }
        }
        PreparationEnd::Prepared(held)
    }

    async fn run_preparation(
        &self,
        preparation: &dyn Preparation,
        held: &mut HeldMessage,
    ) -> Result<PreparedMessage, Interruption> {
        let prepare = self.prepared_in_time(preparation, held.message.clone());
        // The stop is polled first, because it cancels leases, too, and then the message is given back.
        let result = tokio::select! {
            biased;
            () = self.0.stop.draining() => return Err(Interruption::GiveBack(Duration::ZERO, GiveBackCause::Stop)),
            () = held.lease.cancellation().cancelled() => return Err(Interruption::LeaseLost),
            delay = turn_lost(&mut held.turn) => return Err(Interruption::GiveBack(delay, GiveBackCause::BehindFailure)),
            result = AssertUnwindSafe(prepare).catch_unwind() => result,
        };
        let panicked = |_| Err(Outcome::Retry("the preparation panicked".to_owned()).into());
        result.unwrap_or_else(panicked).map_err(Interruption::Unprepared)
    }

    /// Prepares a message; one that is not to run yet is prepared again later, if it may not be received again.
    async fn prepared_in_time(
        &self,
        preparation: &dyn Preparation,
        message: Arc<Message>,
    ) -> Result<PreparedMessage, Unprepared> {
        loop {
            match preparation.prepare(message.clone()).await {
                Err(Unprepared::NotYet(delay))
                    if self.0.settler.rules().is_last_attempt(message.receive_count) =>
                {
                    sleep(delay).await;
                }
                result => return result,
            }
        }
    }
}

/// Waits until a message of a FIFO group loses its turn.
async fn turn_lost(turn: &mut Option<PreparationTurn>) -> Duration {
    match turn {
        Some(turn) => turn.lost().await,
        None => pending().await,
    }
}

/// The cause for which a message did not pass a preparation.
enum Interruption {
    Unprepared(Unprepared),
    LeaseLost,
    /// The worker stops, or an earlier message of the group is given back.
    GiveBack(Duration, GiveBackCause),
}

/// The end of one message's preparations.
enum PreparationEnd {
    Prepared(HeldMessage),
    Failed {
        held: HeldMessage,
        outcome: Outcome,
        took: Duration,
    },
    DoneBefore(HeldMessage),
    NotYet {
        held: HeldMessage,
        delay: Duration,
    },
    LeaseLost,
    /// The worker stops, or an earlier message of the group is given back.
    GivenBack {
        held: HeldMessage,
        delay: Duration,
        cause: GiveBackCause,
    },
}
