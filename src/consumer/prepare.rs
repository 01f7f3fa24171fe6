//! The stage between the receive of a message and its call: takes leases, and prepares messages.

use std::{future::pending, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use super::{
    breaker::KeptFailures,
    buffer::Group,
    dispatcher::Dispatcher,
    disposition::{LeaseStatus, MessageFacts},
    fifo::{Order, OrderedSettler},
    preparation_lines::PreparationTurn,
};
use crate::{
    consumer::lease::{Acquired, Dependent, Lease, Leases, ReceiveTimes, Reservation},
    consumer::metrics::ConsumerMetrics,
    handler::Outcome,
    message::Message,
    stop::Stop,
    tasks,
    telemetry::{context::TraceContext, events},
};

/// The time limit of the end of a preparation.
const CLAIM_END_LIMIT: Duration = Duration::from_secs(10);

/// A received message whose lease is held.
pub(super) struct HeldMessage {
    pub(super) message: Arc<Message>,
    pub(super) lease: Lease,
    /// The group in which it keeps its order, on a FIFO queue.
    pub(super) group: Option<Group>,
    /// The turn of its preparation, on a FIFO queue.
    pub(super) turn: Option<PreparationTurn>,
    /// The state of its preparation, to complete or to undo.
    pub(super) prepared: Option<Box<PreparedState>>,
    /// The time at which it was first kept because of its handler.
    pub(super) kept_since: Option<Instant>,
}

impl HeldMessage {
    /// A message that was just received.
    fn new(message: Message, lease: Lease, group: Option<Group>) -> Self {
        Self { message: Arc::new(message), lease, group, turn: None, prepared: None, kept_since: None }
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

    /// Returns the message as it was received, and its lease, whose deletion completes the preparation.
    pub(super) fn into_lease_to_delete(self) -> (Arc<Message>, Lease) {
        let Self { message, mut lease, prepared, .. } = self;
        let Some(prepared) = prepared else { return (message, lease) };
        let received = prepared.received.clone();
        lease.add_dependent(Box::new(CompleteAtDeletion(prepared)));
        (received, lease)
    }
}

/// Prepares messages between their receive and their call: fetches a body, unwraps an envelope, claims a message.
///
/// The lease is kept meanwhile. The returned future must be safe to cancel at every await: it is dropped when the lease
/// is lost, when the worker stops, and when an earlier message of the FIFO group is given back.
pub(crate) trait Preparation: Send + Sync + 'static {
    /// Prepares one message; `Err` concludes it as if its handler had returned this outcome.
    ///
    /// Id, receive count and group of the message must stay as they are. Messages of one FIFO group are prepared one
    /// after another in their order, while those before it may still be running; others are prepared concurrently.
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Outcome>>;
}

/// A message as its handler will receive it.
pub(crate) struct PreparedMessage {
    /// The message, rewritten or not.
    pub(crate) message: Arc<Message>,
    /// The work that remains until the message is settled, if any.
    pub(crate) claim: Option<Box<dyn PreparationClaim>>,
}

/// The part of a preparation that lasts until its message is settled. Exactly one of the two methods is called.
pub(crate) trait PreparationClaim: Send + Sync + 'static {
    /// Runs after SQS has deleted the message: its handler was done, or its copy is in the DLQ.
    fn complete(self: Box<Self>) -> BoxFuture<'static, ()>;

    /// Runs before the message is made visible again, or after its lease was lost.
    fn undo(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// The tasks of preparations, for which a stop waits. Clones share one state.
#[derive(Clone, Debug)]
pub(super) struct PreparationTasks {
    tracker: TaskTracker,
    runtime: Handle,
}

impl PreparationTasks {
    pub(super) fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tasks::detach_on(&self.runtime, "prepare", self.tracker.track_future(task));
    }

    /// Waits until all tasks have ended.
    pub(super) async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// The state of one preparation; its drop undoes it.
pub(super) struct PreparedState {
    /// The message as it was received.
    received: Arc<Message>,
    claim: Option<Box<dyn PreparationClaim>>,
    tasks: PreparationTasks,
}

impl PreparedState {
    /// Undoes the preparation.
    pub(super) async fn undo(mut self: Box<Self>) {
        if let Some(claim) = self.claim.take() {
            end_claim(claim, PreparationClaim::undo).await;
        }
    }

    fn complete(mut self) {
        if let Some(claim) = self.claim.take() {
            self.tasks.spawn(end_claim(claim, PreparationClaim::complete));
        }
    }
}

impl Drop for PreparedState {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.tasks.spawn(end_claim(claim, PreparationClaim::undo));
        }
    }
}

/// Ends a claim within a time limit; a panic in it does not affect the message.
async fn end_claim<F>(claim: Box<dyn PreparationClaim>, end: F)
where
    F: FnOnce(Box<dyn PreparationClaim>) -> BoxFuture<'static, ()>,
{
    let end = AssertUnwindSafe(async { end(claim).await }).catch_unwind();
    drop(timeout(CLAIM_END_LIMIT, end).await);
}

/// Completes a preparation when its message is deleted, and otherwise undoes it.
struct CompleteAtDeletion(Box<PreparedState>);

impl Dependent for CompleteAtDeletion {
    fn proceed(self: Box<Self>) {
        self.0.complete();
    }

    fn postpone(&mut self, _: Duration) -> Option<BoxFuture<'static, ()>> {
        let claim = self.0.claim.take()?;
        Some(end_claim(claim, PreparationClaim::undo).boxed())
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
    pub(super) preparation: Option<Arc<dyn Preparation>>,
    pub(super) tasks: PreparationTasks,
    pub(super) dispatcher: Dispatcher,
    pub(super) settler: OrderedSettler,
    pub(super) stop: Stop,
    pub(super) metrics: Arc<ConsumerMetrics>,
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
            let is_blocked = group.as_ref().is_some_and(|group| blocked.contains(group));
            match self.0.leases.acquire(&message, permit, times) {
                Acquired::New(lease) => {
                    let held = HeldMessage::new(message, lease, group);
                    if is_blocked { behind.push(held) } else { admitted.push(held) }
                }
                Acquired::AlreadyDone(lease) => self.delete_again(lease, group),
                // Several of a group that wait for ends of runs could start in any order.
                Acquired::Overlapping(lease, _) if is_blocked => {
                    behind.push(HeldMessage::new(message, lease, group));
                }
                Acquired::Overlapping(lease, run_ended) => {
                    blocked.extend(group.clone());
                    self.admit_after(run_ended, HeldMessage::new(message, lease, group));
                }
                // The held message may be about to be given back, and then no longer blocks its group: the messages behind
                // the duplicate are given back, to be received after it.
                Acquired::Duplicate => blocked.extend(group),
            }
        }
        self.0.settler.give_back(behind, Duration::ZERO);
        self.start(admitted);
    }

    /// Passes messages to the preparation or the dispatcher.
    fn start(&self, admitted: Vec<HeldMessage>) {
        match &self.0.preparation {
            None => self.0.dispatcher.dispatch(admitted),
            Some(preparation) => self.prepare_all(preparation, admitted),
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
    fn prepare_all(&self, preparation: &Arc<dyn Preparation>, admitted: Vec<HeldMessage>) {
        for held in admitted {
            let (intake, preparation) = (self.clone(), preparation.clone());
            match held.group.clone() {
                None => self.0.tasks.spawn(async move { intake.prepare(&*preparation, held).await }),
                Some(group) => {
                    if self.0.dispatcher.line_up(held, group.clone()) {
                        self.0.tasks.spawn(async move { intake.prepare_group(&*preparation, &group).await });
                    }
                }
            }
        }
    }

    async fn prepare_group(&self, preparation: &dyn Preparation, group: &Group) {
        while let Some(held) = self.0.dispatcher.next_unprepared(group) {
            self.prepare(preparation, held).await;
        }
    }

    /// Prepares a message and hands it on; if that fails, the messages behind it in its group are given back.
    async fn prepare(&self, preparation: &dyn Preparation, held: HeldMessage) {
        let group = held.group.clone();
        match self.run_preparation(preparation, held).await {
            PreparationEnd::Prepared(held) => self.0.dispatcher.dispatch(vec![held]),
            PreparationEnd::Failed { held, outcome, took } => {
                self.0.dispatcher.conclude_unrun(held, outcome, took);
            }
            PreparationEnd::LeaseLost => {
                if let Some(group) = group {
                    self.0.dispatcher.preparation_failed(&group, Duration::ZERO);
                }
            }
            PreparationEnd::GivenBack { held, delay } => self.0.settler.give_back(vec![held], delay),
        }
    }

    async fn run_preparation(&self, preparation: &dyn Preparation, mut held: HeldMessage) -> PreparationEnd {
        let began = Instant::now();
        let prepare =
            AssertUnwindSafe(async { preparation.prepare(held.message.clone()).await }).catch_unwind();
        // The stop is polled first, because it cancels leases, too, and then the message is given back.
        let result = tokio::select! {
            biased;
            () = self.0.stop.draining() => return PreparationEnd::GivenBack { held, delay: Duration::ZERO },
            () = held.lease.cancellation().cancelled() => return PreparationEnd::LeaseLost,
            delay = turn_lost(&mut held.turn) => return PreparationEnd::GivenBack { held, delay },
            result = prepare => result,
        };
        let failed = |held, outcome| PreparationEnd::Failed { held, outcome, took: began.elapsed() };
        match result {
            Ok(Ok(prepared)) => PreparationEnd::Prepared(self.prepared(held, prepared)),
            Ok(Err(outcome)) => failed(held, outcome),
            Err(_panic) => failed(held, Outcome::Retry("the preparation panicked".to_owned())),
        }
    }

    fn prepared(
        &self,
        held: HeldMessage,
        PreparedMessage { message, claim }: PreparedMessage,
    ) -> HeldMessage {
        let state = PreparedState { received: held.message, claim, tasks: self.0.tasks.clone() };
        HeldMessage { message, prepared: Some(Box::new(state)), ..held }
    }
}

/// Waits until a message of a FIFO group loses its turn.
async fn turn_lost(turn: &mut Option<PreparationTurn>) -> Duration {
    match turn {
        Some(turn) => turn.lost().await,
        None => pending().await,
    }
}

/// The end of one message's preparation.
enum PreparationEnd {
    Prepared(HeldMessage),
    Failed {
        held: HeldMessage,
        outcome: Outcome,
        took: Duration,
    },
    LeaseLost,
    /// The worker stops, or an earlier message of the group is given back.
    GivenBack {
        held: HeldMessage,
        delay: Duration,
    },
}
