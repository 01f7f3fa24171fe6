//! Preparations: the seam for work on a message between its receive and its call, and the ends of their claims.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::{runtime::Handle, time::timeout};
use tokio_util::task::TaskTracker;

use crate::{
    consumer::lease::{Dependent, Lease, LeaseFollower},
    handler::Outcome,
    message::Message,
    tasks,
};

/// The time limit of the end of a claim.
const CLAIM_END_LIMIT: Duration = Duration::from_secs(10);

/// Prepares messages between their receive and their call: fetches a body, unwraps an envelope, claims a message.
///
/// The lease is kept meanwhile. The returned future must be safe to cancel at every await: it is dropped when the lease
/// is lost, when the worker stops, and when an earlier message of the FIFO group is given back.
pub(crate) trait Preparation: Send + Sync + 'static {
    /// Prepares one message, as the preparations before it have left it.
    ///
    /// Id, receive count and group of the message must stay as they are. Messages of one FIFO group are prepared one
    /// after another in their order, while those before it may still be running; others are prepared concurrently.
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>>;
}

/// A message as its handler will receive it.
pub(crate) struct PreparedMessage {
    /// The message, rewritten or not.
    pub(crate) message: Arc<Message>,
    /// The work that remains until the message is settled, if any.
    pub(crate) claim: Option<Box<dyn PreparationClaim>>,
}

/// The reason for which a message does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unprepared {
    /// It is concluded as if its handler had returned this outcome.
    Ended(Outcome),
    /// It was done before: it is deleted, and counts as a duplicate.
    DoneBefore,
    /// It is not to run yet, which is no failure: it is given back and visible again after this delay.
    ///
    /// At its last attempt, after which SQS would move it to the dead-letter queue, it is kept for the delay and prepared
    /// again.
    NotYet(Duration),
}

impl From<Outcome> for Unprepared {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

/// The part of a preparation that lasts until its message is settled. It ends with one of `complete` and `undo`.
pub(crate) trait PreparationClaim: Send + Sync + 'static {
    /// Notes the deadline that each extension gives the lease.
    fn follower(&self) -> Option<Arc<dyn LeaseFollower>> {
        None
    }

    /// Runs once the handler was done, before the message is deleted; not for a rejected one.
    ///
    /// The message is deleted only after the future has ended, which may take as long as the lease lasts. When the lease is
    /// lost first, the future is dropped. When it was lost before the handler was done, the future runs all the same, and
    /// the message is not deleted.
    fn done(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

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

/// The state of a message's preparations; its drop undoes them.
pub(super) struct PreparedState {
    /// The message as it was received.
    received: Arc<Message>,
    /// In the order of the preparations.
    claims: Vec<Box<dyn PreparationClaim>>,
    tasks: PreparationTasks,
}

impl PreparedState {
    pub(super) fn new(received: Arc<Message>, tasks: PreparationTasks) -> Self {
        Self { received, claims: Vec::new(), tasks }
    }

    /// The message as it was received.
    pub(super) fn received(&self) -> Arc<Message> {
        self.received.clone()
    }

    /// Adds the claim of the next preparation, which follows the lease from now on.
    pub(super) fn add(&mut self, claim: Box<dyn PreparationClaim>, lease: &mut Lease) {
        if let Some(follower) = claim.follower() {
            lease.add_follower(&follower);
        }
        self.claims.push(claim);
    }

    /// The work that must precede the deletion of a message whose handler was done, if there is any.
    pub(super) fn done(&self) -> Option<BoxFuture<'static, ()>> {
        let ends: Vec<_> = self.claims.iter().filter_map(|claim| claim.done()).collect();
        if ends.is_empty() {
            return None;
        }
        let run = async move {
            for end in ends {
                // A panic in it does not affect the message.
                drop(AssertUnwindSafe(end).catch_unwind().await);
            }
        };
        Some(run.boxed())
    }

    /// Runs that work within the time limit, for a message that is not deleted.
    pub(super) fn done_undeleted(self: Box<Self>) {
        if let Some(done) = self.done() {
            let tasks = self.tasks.clone();
            tasks.spawn(async move {
                drop(timeout(CLAIM_END_LIMIT, done).await);
                self.undo().await;
            });
        }
    }

    /// Undoes the preparations.
    pub(super) async fn undo(mut self: Box<Self>) {
        end_claims(self.take_newest_first(), PreparationClaim::undo).await;
    }

    fn complete(mut self) {
        let claims = std::mem::take(&mut self.claims);
        if !claims.is_empty() {
            self.tasks.spawn(end_claims(claims, PreparationClaim::complete));
        }
    }

    fn take_newest_first(&mut self) -> Vec<Box<dyn PreparationClaim>> {
        std::mem::take(&mut self.claims).into_iter().rev().collect()
    }
}

impl Drop for PreparedState {
    fn drop(&mut self) {
        let claims = self.take_newest_first();
        if !claims.is_empty() {
            self.tasks.spawn(end_claims(claims, PreparationClaim::undo));
        }
    }
}

/// Ends claims, each within the time limit; a panic in one affects neither the message nor the others.
async fn end_claims<F>(claims: Vec<Box<dyn PreparationClaim>>, end: F)
where
    F: Fn(Box<dyn PreparationClaim>) -> BoxFuture<'static, ()>,
{
    for claim in claims {
        let end = AssertUnwindSafe(async { end(claim).await }).catch_unwind();
        drop(timeout(CLAIM_END_LIMIT, end).await);
    }
}

/// Completes the preparations when the message is deleted, and otherwise undoes them.
pub(super) struct CompleteAtDeletion(pub(super) Box<PreparedState>);

impl Dependent for CompleteAtDeletion {
    fn proceed(self: Box<Self>) {
        self.0.complete();
    }

    fn postpone(&mut self, _: Duration) -> Option<BoxFuture<'static, ()>> {
        let claims = self.0.take_newest_first();
        (!claims.is_empty()).then(|| end_claims(claims, PreparationClaim::undo).boxed())
    }
}
