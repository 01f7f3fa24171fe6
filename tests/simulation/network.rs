//! One worker's way to the queues: faults by chance, a record of every call, and an end of all calls at a crash.

use std::{
    collections::HashMap,
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use fastrand::Rng;
use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    message::{Message, MessageId, OutgoingMessage, Receipt},
    queue::{
        BatchResult, EmulatorQueue, EntryError, Queue, QueueAttributes, QueueError, QueueName,
        ReceiveRequest, RetryClass, VisibilityChange, limits,
    },
    tasks,
};
use tokio::time::{Instant, sleep};

use super::{
    plan::{FaultKind, World},
    record::{Fact, Number, Received, Recorder},
};
use crate::support::calls::Action;

/// So many calls in one simulation are a hot loop: no world needs a tenth.
const MOST_CALLS: usize = 200_000;

/// The state that all workers of a world share.
pub(super) struct Sky {
    pub(super) world: World,
    pub(super) recorder: Recorder,
    calls: AtomicUsize,
    runs: AtomicUsize,
    receipts: Mutex<HashMap<Receipt, Received>>,
    is_calm: AtomicBool,
    outage_until: Mutex<Option<Instant>>,
}

impl Sky {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            recorder: Recorder::new(),
            calls: AtomicUsize::new(0),
            runs: AtomicUsize::new(0),
            receipts: Mutex::default(),
            is_calm: AtomicBool::new(false),
            outage_until: Mutex::new(None),
        }
    }

    /// Ends all faults.
    pub(super) fn calm(&self) {
        self.is_calm.store(true, Ordering::SeqCst);
    }

    /// Lets every call fail for this time.
    pub(super) fn outage(&self, lasts: Duration) {
        *self.outage_until.lock().unwrap() = Some(Instant::now() + lasts);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::SeqCst)
    }

    pub(super) fn is_hot(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > MOST_CALLS
    }

    fn is_out(&self) -> bool {
        self.outage_until.lock().unwrap().is_some_and(|until| Instant::now() < until)
    }
}

/// The queue of one worker.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) sky: Arc<Sky>,
    pub(super) worker: usize,
    queue: EmulatorQueue,
    is_cut: Arc<AtomicBool>,
    has_received: Arc<AtomicBool>,
    random: Arc<Mutex<Rng>>,
}

/// A call with its fault.
#[derive(Clone, Copy, Debug)]
struct Fate {
    call: usize,
    fault: Option<(FaultKind, Duration)>,
    chance: f64,
}

impl Fate {
    fn is(&self, kind: FaultKind) -> bool {
        self.fault.is_some_and(|(fault, _)| fault == kind)
    }

    /// The failure of the whole call, without an effect.
    async fn failure(&self) -> Result<(), QueueError> {
        match self.fault {
            Some((FaultKind::Throttled, _)) => Err(QueueError::answered("RequestThrottled", "planned")),
            Some((FaultKind::Refused, _)) => Err(QueueError::answered("AccessDenied", "planned")),
            Some((FaultKind::Broken, _)) => Err(broken()),
            Some((FaultKind::FailsLate, by)) => {
                sleep(by).await;
                Err(broken())
            }
            Some((FaultKind::Hangs, _)) => pending().await,
            _ => Ok(()),
        }
    }

    /// Runs the call that has an effect, with its delay before or after; it goes on if its client is gone.
    async fn effect<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, QueueError>> + Send + 'static,
    ) -> Result<T, QueueError> {
        match self.fault {
            Some((FaultKind::Late, by)) => {
                let call = async move {
                    sleep(by).await;
                    call.await
                };
                tasks::detach("late", call).await.unwrap()
            }
            Some((FaultKind::AnswersLate, by)) => {
                let answer = call.await;
                sleep(by).await;
                answer
            }
            Some((FaultKind::AnswerLost, _)) => {
                call.await?;
                Err(broken())
            }
            _ => call.await,
        }
    }
}

fn broken() -> QueueError {
    QueueError::new(RetryClass::Transient, "connection reset, as planned")
}

impl Wire {
    pub(super) fn new(sky: &Arc<Sky>, worker: usize, queue: EmulatorQueue, seed: u64) -> Self {
        let random = Arc::new(Mutex::new(Rng::with_seed(seed)));
        let (is_cut, has_received) = (Arc::default(), Arc::default());
        Self { sky: sky.clone(), worker, queue, is_cut, has_received, random }
    }

    /// The worker's way to another queue, cut together with this one.
    pub(super) fn to(&self, queue: EmulatorQueue) -> Self {
        Self { queue, ..self.clone() }
    }

    /// Cuts the worker off: no call of it begins or ends any more.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    pub(super) fn note(&self, fact: Fact) {
        if !self.is_cut() {
            self.sky.recorder.note(self.worker, fact);
        }
    }

    /// The number of the next call of a handler.
    pub(super) fn next_run(&self) -> usize {
        self.sky.runs.fetch_add(1, Ordering::SeqCst)
    }

    /// Records an effect in the store, which the worker's death does not undo.
    pub(super) fn took_effect(&self, fact: Fact) {
        self.sky.recorder.note(self.worker, fact);
    }

    async fn begin(&self, action: Action, max: usize, entries: Vec<(Received, Option<Duration>)>) -> Fate {
        if self.is_cut() || self.sky.is_hot() {
            pending::<()>().await;
        }
        let call = self.sky.calls.fetch_add(1, Ordering::SeqCst);
        self.note(Fact::Sent { call, action, max, entries });
        let fate = self.fate(call, action);
        if let Some((kind, by)) = fate.fault {
            self.note(Fact::Faulty { call, kind, by });
        }
        fate
    }

    fn fate(&self, call: usize, action: Action) -> Fate {
        let network = &self.sky.world.network;
        let mut random = self.random.lock().unwrap();
        let percent = match action {
            Action::Receive => network.receive,
            Action::Delete => network.delete,
            Action::ChangeVisibility => network.change,
            Action::Send => network.copy,
            Action::Describe => network.receive / 2,
        };
        let (happens, chance) = (random.u8(0..100) < percent, random.f64());
        let kind = network.kinds[random.usize(0..network.kinds.len())];
        let longest = if random.bool() { 800 } else { 12_000 };
        let by = Duration::from_millis(random.u64(1..longest));
        let happens = happens && !self.sky.is_calm.load(Ordering::SeqCst);
        let fault = happens.then_some((kind, by));
        Fate { call, fault: if self.sky.is_out() { Some((FaultKind::Broken, by)) } else { fault }, chance }
    }

    fn answered<T>(
        &self,
        fate: Fate,
        answer: Result<T, QueueError>,
        messages: impl FnOnce(&T) -> Vec<Received>,
    ) -> Result<T, QueueError> {
        let received = answer.as_ref().map(messages).unwrap_or_default();
        self.note(Fact::Answered { call: fate.call, is_ok: answer.is_ok(), messages: received });
        answer
    }

    /// Ends an answer for a worker that has died meanwhile.
    async fn unless_cut(&self) {
        if self.is_cut() {
            pending::<()>().await;
        }
    }

    fn received(&self, receipt: &Receipt) -> Received {
        self.sky.receipts.lock().unwrap()[receipt]
    }

    async fn take(self, call: usize, request: ReceiveRequest) -> Result<Vec<Message>, QueueError> {
        let visibility = request.visibility;
        let mut messages = self.queue.receive(request).await?;
        let ahead = self.sky.world.queue.clock_ahead;
        for message in &mut messages {
            message.sent_at = message.sent_at.map(|time| shifted(time, ahead));
            message.system.first_received_at =
                message.system.first_received_at.map(|time| shifted(time, ahead));
            let received = Received { number: number_of(&message.body), count: message.receive_count };
            self.sky.receipts.lock().unwrap().insert(message.receipt.clone(), received);
            self.took_effect(Fact::Taken { call, received, visibility });
        }
        Ok(messages)
    }

    async fn receive_with(
        &self,
        fate: Fate,
        mut request: ReceiveRequest,
    ) -> Result<Vec<Message>, QueueError> {
        fate.failure().await?;
        if fate.is(FaultKind::Partly) {
            if fate.chance < 0.7 {
                return Ok(Vec::new());
            }
            request.max = limits::BATCH_ENTRIES;
        }
        let messages = fate.effect(self.clone().take(fate.call, request)).await?;
        self.duplicate(&messages);
        Ok(messages)
    }

    /// Makes a message visible although it is held, as a standard queue may.
    fn duplicate(&self, messages: &[Message]) {
        let network = &self.sky.world.network;
        let happens = self.random.lock().unwrap().u8(0..100) < network.duplicates;
        let Some(message) = messages.first().filter(|_| happens && !self.sky.is_calm.load(Ordering::SeqCst))
        else {
            return;
        };
        let account = self.queue.account();
        if account.change_visibility(self.queue.name(), message.receipt.as_str(), Duration::ZERO).is_ok() {
            self.took_effect(Fact::Duplicated(number_of(&message.body)));
        }
    }

    /// Runs a batch call with its fault; `through` records the effects.
    async fn batch<E, T, F>(
        &self,
        fate: Fate,
        entries: &[E],
        through: impl FnOnce(Vec<E>) -> F,
    ) -> BatchResult<T>
    where
        E: Clone,
        T: Send + 'static,
        F: Future<Output = BatchResult<T>> + Send + 'static,
    {
        fate.failure().await?;
        if !fate.is(FaultKind::Partly) {
            return fate.effect(through(entries.to_vec())).await;
        }
        let is_failing: Vec<bool> = entries.iter().map(|_| self.random.lock().unwrap().bool()).collect();
        let sound =
            entries.iter().zip(&is_failing).filter(|(_, fails)| !**fails).map(|(entry, _)| entry.clone());
        let sound: Vec<_> = sound.collect();
        let done = if sound.is_empty() { Vec::new() } else { through(sound).await? };
        let mut done = done.into_iter();
        let error = || EntryError::new("InternalError", "planned", false);
        Ok(is_failing
            .into_iter()
            .map(|fails| if fails { Err(error()) } else { done.next().unwrap() })
            .collect())
    }

    fn note_entries<T>(
        &self,
        receipts: &[Received],
        answer: &BatchResult<T>,
        fact: impl Fn(usize, Received) -> Fact,
    ) {
        for (position, (received, entry)) in receipts.iter().zip(answer.iter().flatten()).enumerate() {
            let fact = match entry {
                Ok(_) => fact(position, *received),
                Err(_) => Fact::Refused(*received),
            };
            self.took_effect(fact);
        }
    }
}

/// The number of the message with this body.
pub(super) fn number_of(body: &str) -> Number {
    body.trim_start_matches("bad ").parse().unwrap()
}

fn shifted(time: SystemTime, ahead: i64) -> SystemTime {
    let by = Duration::from_secs(ahead.unsigned_abs());
    if ahead < 0 { time - by } else { time + by }
}

impl Queue for Wire {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            let fate = self.begin(Action::Receive, request.max, Vec::new()).await;
            self.has_received.store(true, Ordering::SeqCst);
            let answer = self.receive_with(fate, request).await;
            self.unless_cut().await;
            self.answered(fate, answer, |messages: &Vec<Message>| {
                messages.iter().map(|message| self.received(&message.receipt)).collect()
            })
        }
        .boxed()
    }

    fn cut_receives_hide_nothing(&self) -> bool {
        self.sky.world.network.receive == 0
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        async move {
            let entries = receipts.iter().map(|receipt| (self.received(receipt), None)).collect();
            let fate = self.begin(Action::Delete, 0, entries).await;
            let wire = self.clone();
            let through = |receipts: Vec<Receipt>| async move {
                let received: Vec<_> = receipts.iter().map(|receipt| wire.received(receipt)).collect();
                let answer = wire.queue.delete(&receipts).await;
                wire.note_entries(&received, &answer, |_, received| Fact::Deleted(received));
                answer
            };
            let answer = self.batch(fate, receipts, through).await;
            self.unless_cut().await;
            self.answered(fate, answer, |_| Vec::new())
        }
        .boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        async move {
            let entry = |change: &VisibilityChange| (self.received(&change.receipt), Some(change.visibility));
            let fate = self.begin(Action::ChangeVisibility, 0, changes.iter().map(entry).collect()).await;
            let wire = self.clone();
            let through = |changes: Vec<VisibilityChange>| async move {
                let received: Vec<_> = changes.iter().map(|change| wire.received(&change.receipt)).collect();
                let answer = wire.queue.change_visibility(&changes).await;
                let fact = |position: usize, received| Fact::Changed {
                    received,
                    visibility: changes[position].visibility,
                };
                wire.note_entries(&received, &answer, fact);
                answer
            };
            let answer = self.batch(fate, changes, through).await;
            self.unless_cut().await;
            self.answered(fate, answer, |_| Vec::new())
        }
        .boxed()
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        async move {
            let copy =
                |message: &OutgoingMessage| (Received { number: number_of(&message.body), count: 0 }, None);
            let fate = self.begin(Action::Send, 0, messages.iter().map(copy).collect()).await;
            let wire = self.clone();
            let through = |messages: Vec<OutgoingMessage>| async move {
                let received: Vec<_> = messages.iter().map(|message| copy(message).0).collect();
                let answer = wire.queue.send(&messages).await;
                wire.note_entries(&received, &answer, |_, received| Fact::Copied(received.number));
                answer
            };
            let answer = self.batch(fate, messages, through).await;
            self.unless_cut().await;
            self.answered(fate, answer, |_| Vec::new())
        }
        .boxed()
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        async move {
            let fate = self.begin(Action::Describe, 0, Vec::new()).await;
            // The start gives up after a few failures, which are not the subject here.
            if self.has_received.load(Ordering::SeqCst) {
                fate.failure().await?;
            }
            let answer = self.queue.describe().await;
            self.unless_cut().await;
            if let Ok(QueueAttributes { redrive: Some(policy), .. }) = &answer {
                self.note(Fact::PolicyRead(policy.max_receive_count.get()));
            }
            self.answered(fate, answer, |_| Vec::new())
        }
        .boxed()
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        self.queue.open_other(name)
    }
}
