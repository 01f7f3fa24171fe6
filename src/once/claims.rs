//! Claims messages before they run, keeps the claims as long as the leases, and finishes them before the deletes.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Claim, ClaimAnswer, ClaimError, ClaimStore, Once, OnceKey};
use crate::{
    backoff::{Backoff, Jitter},
    consumer::{LeaseFollower, Order, Preparation, PreparationClaim, PreparedMessage, Unprepared},
    duration::Span,
    handler::Outcome,
    health::{Condition, FAILURE_SHOWN},
    message::{Message, MessageId},
    tasks,
    telemetry::{WarningSampler, events},
};

/// The time by which a claim outlives its lease: clocks of workers may differ by as much.
const MARGIN: Duration = Duration::from_secs(2);
/// The rest of another's claim for which a message waits instead of being given back: that of a worker that was killed,
/// whose message has come back to the queue.
const PATIENCE: Duration = Duration::from_secs(5);
/// The shortest wait for the end of another's claim.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// The delay after which a message that is in work elsewhere is visible again, by its receive count.
const IN_WORK: Backoff = Backoff {
    initial: Duration::from_secs(30),
    factor: 4.0,
    max: Duration::from_mins(15),
    jitter: Jitter::Half,
};
/// The pauses after failed calls to the store.
const RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    factor: 2.0,
    max: Duration::from_secs(30),
    jitter: Jitter::Half,
};
/// The attempts of an extension; the next extension of the lease brings another.
const EXTENSIONS: u32 = 3;
/// The time limit of a release, which the return of the message waits for.
const RELEASE_LIMIT: Duration = Duration::from_secs(3);

/// The parts of a queue that its claims need.
pub(crate) struct OnceParts {
    /// The queue's configured name.
    pub queue: Arc<str>,
    /// The queue's name in SQS, which every worker on it has.
    pub name_in_sqs: String,
    /// The order of the queue's messages.
    pub order: Order,
    /// The visibility of a receive.
    pub visibility: Duration,
    /// Unready while the store cannot be used.
    pub ready: Condition,
    /// Samples the warnings about claims.
    pub warnings: Arc<WarningSampler>,
}

/// The claims of one queue's messages.
pub(super) struct OnceClaims(Arc<Inner>);

struct Inner {
    parts: OnceParts,
    store: Arc<dyn ClaimStore>,
    key: OnceKey,
    keep: Span,
    /// Begins the name of each holder.
    worker: Uuid,
    deliveries: AtomicU64,
    /// The keys of messages that this worker holds.
    local: LocalKeys,
}

impl OnceClaims {
    pub(super) fn new(once: &Once, parts: OnceParts) -> Self {
        parts.ready.ready();
        let Once { store, key, keep } = once.clone();
        Self(Arc::new(Inner {
            parts,
            store,
            key,
            keep,
            worker: Uuid::new_v4(),
            deliveries: AtomicU64::new(0),
            local: LocalKeys::default(),
        }))
    }
}

impl Preparation for OnceClaims {
    fn prepare(&self, message: Arc<Message>) -> BoxFuture<'_, Result<PreparedMessage, Unprepared>> {
        self.0.prepare(message).boxed()
    }
}

impl Inner {
    async fn prepare(self: &Arc<Self>, message: Arc<Message>) -> Result<PreparedMessage, Unprepared> {
        let claim = Arc::new(self.claim_of(&message)?);
        let left = match self.lock_here(&claim.key).await {
            None => Duration::ZERO,
            Some(lock) => match self.claimed(&claim).await {
                ClaimAnswer::Granted => return Ok(self.prepared(message, claim, lock)),
                ClaimAnswer::Finished => return Err(Unprepared::DoneBefore),
                ClaimAnswer::Held { left } => left,
            },
        };
        let (queue, message_id) = (&*self.parts.queue, &message.id);
        events::InWorkElsewhere { queue, message_id, seconds_left: left.as_secs_f64() }.emit();
        // SQS counts in whole seconds.
        let left = Duration::from_secs(left.as_secs() + 1);
        Err(Unprepared::NotYet(left.max(IN_WORK.random_delay(message.receive_count))))
    }

    fn prepared(
        self: &Arc<Self>,
        message: Arc<Message>,
        claim: Arc<Claim>,
        lock: KeyLock,
    ) -> PreparedMessage {
        let held = HeldClaim {
            store: self.clone(),
            claim,
            id: message.id.clone(),
            is_done: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            lock: Mutex::new(Some(lock)),
        };
        PreparedMessage { message, claim: Some(Box::new(MessageClaim(Arc::new(held)))) }
    }

    /// Waits until no other message that this worker holds has the key; `None` if that takes too long.
    ///
    /// In a FIFO group the message could not run before the other one in any case, so it waits for as long as it takes.
    async fn lock_here(&self, key: &str) -> Option<KeyLock> {
        let too_long = async {
            match self.parts.order {
                Order::None => sleep(PATIENCE).await,
                Order::Groups => pending().await,
            }
        };
        tokio::select! {
            biased;
            lock = self.local.lock(key) => Some(lock),
            () = too_long => None,
        }
    }

    /// The claim of a delivery; a message without the key can never run.
    fn claim_of(&self, message: &Message) -> Result<Claim, Outcome> {
        let key = self.key.of(message).map_err(Outcome::Reject)?;
        let delivery = self.deliveries.fetch_add(1, Ordering::Relaxed);
        let (key, holder) =
            (format!("{}#{key}", self.parts.name_in_sqs), format!("{}/{delivery}", self.worker));
        Ok(Claim { key, holder, keep: self.keep.0 })
    }

    /// Claims a key. While the store fails the message waits, since nothing else would cost no receive.
    async fn claimed(self: &Arc<Self>, claim: &Arc<Claim>) -> ClaimAnswer {
        let (patient_until, mut failures) = (Instant::now() + PATIENCE, 0);
        loop {
            match self.try_claim(claim.clone()).await {
                Ok(ClaimAnswer::Held { left }) if Instant::now() + left < patient_until => {
                    sleep(left.max(SHORTEST_WAIT)).await;
                }
                Ok(answer) => {
                    self.parts.ready.ready();
                    return answer;
                }
                Err(error) => {
                    failures += 1;
                    self.report(&error);
                    sleep(RETRY.random_delay(failures)).await;
                }
            }
        }
    }

    /// Claims a key in a task of its own, so that a claim whose message was given back meanwhile is released.
    async fn try_claim(self: &Arc<Self>, claim: Arc<Claim>) -> Result<ClaimAnswer, ClaimError> {
        let (inner, (answered, answer)) = (self.clone(), oneshot::channel());
        tasks::detach("claim", async move {
            let lifetime = inner.parts.visibility + MARGIN;
            let unheard = answered.send(inner.store.claim(&claim, lifetime).await);
            if let Err(Ok(ClaimAnswer::Granted)) = unheard {
                inner.release(&claim).await;
            }
        });
        answer.await.unwrap_or_else(|_| Err(ClaimError::new("the store panicked")))
    }

    async fn release(&self, claim: &Claim) {
        match timeout(RELEASE_LIMIT, self.store.release(claim)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.report(&error),
            Err(_) => self.report(&ClaimError::new("a release was not answered in time")),
        }
    }

    /// Finishes a key; repeats that for as long as it is asked to.
    async fn finish(&self, claim: &Claim) {
        let mut failures = 0;
        while let Err(error) = self.store.finish(claim).await {
            failures += 1;
            self.report(&error);
            sleep(RETRY.random_delay(failures)).await;
        }
        self.parts.ready.ready();
    }

    fn report(&self, error: &ClaimError) {
        self.parts.ready.unready_for(FAILURE_SHOWN, format!("messages cannot be claimed: {error}"));
        events::ClaimsFail { queue: &self.parts.queue, error }.emit(&self.parts.warnings);
    }
}

/// A granted claim.
struct HeldClaim {
    store: Arc<Inner>,
    claim: Arc<Claim>,
    id: MessageId,
    /// True once its handler was done, and it is being finished.
    is_done: AtomicBool,
    /// True once it is finished or released.
    is_over: AtomicBool,
    /// Present until then.
    lock: Mutex<Option<KeyLock>>,
}

impl HeldClaim {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn set_over(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Makes the claim last as long as the lease.
    async fn extend(&self, deadline: Instant) {
        for attempt in 1..=EXTENSIONS {
            let lifetime = deadline.saturating_duration_since(Instant::now()) + MARGIN;
            match self.store.store.extend(&self.claim, lifetime).await {
                // A finish or a release may have overtaken the extension.
                Ok(false) if !self.is_ending() => {
                    let (queue, message_id) = (&*self.store.parts.queue, &self.id);
                    return events::ClaimLost { queue, message_id }.emit();
                }
                Ok(_) => return,
                Err(_) if self.is_over() => return,
                Err(error) => self.store.report(&error),
            }
            sleep(RETRY.random_delay(attempt)).await;
        }
    }

    fn is_ending(&self) -> bool {
        self.is_over() || self.is_done.load(Ordering::Acquire)
    }

    /// Finishes the claim before its message is deleted.
    async fn finish(&self) {
        self.is_done.store(true, Ordering::Release);
        self.store.finish(&self.claim).await;
        self.set_over();
        self.unlock();
    }

    /// Releases a claim that is not finished.
    async fn release(&self) {
        if !self.is_over() {
            self.set_over();
            self.store.release(&self.claim).await;
            self.unlock();
        }
    }

    /// Lets the next message of the key go on.
    fn unlock(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// The claim of a message, for the engine.
struct MessageClaim(Arc<HeldClaim>);

/// Extends a claim with its lease.
struct ClaimExtender(Arc<HeldClaim>);

impl LeaseFollower for ClaimExtender {
    fn extended(&self, deadline: Instant) {
        if !self.0.is_over() {
            let held = self.0.clone();
            tasks::detach("claim", async move { held.extend(deadline).await });
        }
    }
}

impl PreparationClaim for MessageClaim {
    fn follower(&self) -> Option<Arc<dyn LeaseFollower>> {
        Some(Arc::new(ClaimExtender(self.0.clone())))
    }

    fn done(&self) -> Option<BoxFuture<'static, ()>> {
        let held = self.0.clone();
        Some(async move { held.finish().await }.boxed())
    }

    /// A message that was rejected is not finished: it may be moved back from the DLQ and run.
    fn complete(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.undo()
    }

    fn undo(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.release().await }.boxed()
    }
}

/// The keys of messages that this worker holds, each with the end of its lock; clones share them.
#[derive(Clone, Default)]
struct LocalKeys(Arc<Mutex<HashMap<String, CancellationToken>>>);

/// The only lock of this worker on a key; its drop lets the next message of the key go on.
struct KeyLock {
    keys: LocalKeys,
    key: String,
}

impl LocalKeys {
    fn keys(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks a key, once the lock before has ended.
    async fn lock(&self, key: &str) -> KeyLock {
        loop {
            let before = {
                let mut keys = self.keys();
                let before = keys.get(key).cloned();
                if before.is_none() {
                    keys.insert(key.to_owned(), CancellationToken::new());
                }
                before
            };
            match before {
                None => return KeyLock { keys: self.clone(), key: key.to_owned() },
                Some(before) => before.cancelled().await,
            }
        }
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if let Some(ended) = self.keys.keys().remove(&self.key) {
            ended.cancel();
        }
    }
}
