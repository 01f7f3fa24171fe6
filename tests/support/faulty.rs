//! A queue that fails on request and records every call.

use longshore::queue::EmulatorQueue;
use std::{
    collections::HashMap,
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore::{
    message::{Message, MessageId, OutgoingMessage, Receipt},
    queue::{
        BatchResult, EntryError, Queue, QueueAttributes, QueueError, QueueName, ReceiveRequest, RetryClass,
        VisibilityChange, limits,
    },
    tasks,
};
use tokio::time::{Instant, sleep};

use super::calls::{Action, Call, Entry};

/// The fault of one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No fault: the call succeeds.
    None,
    /// It fails as a whole, and changes nothing.
    Fails(Failure),
    /// It changes nothing, and fails after this delay.
    FailsLate(Duration),
    /// It takes effect after this delay.
    Late(Duration),
    /// It takes effect, and its answer never arrives.
    AnswerLost,
    /// It takes effect at once, and its answer arrives after this delay.
    AnswersLate(Duration),
    /// It changes nothing and never ends.
    Hangs,
    /// These entries of a batch fail, the others succeed.
    Entries(Vec<usize>),
    /// These entries of a batch are refused permanently, the others succeed.
    Refusals(Vec<usize>),
    /// A receive returns nothing, at once.
    Empty,
    /// A receive returns up to ten messages, even if it requested fewer.
    Excess,
}

/// The error of a failing call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    Throttled,
    Refused,
    Broken,
}

impl Failure {
    fn error(self) -> QueueError {
        match self {
            Self::Throttled => QueueError::answered("RequestThrottled", "on request"),
            Self::Refused => QueueError::answered("AccessDenied", "on request"),
            Self::Broken => QueueError::new(RetryClass::Transient, "connection reset on request"),
        }
    }
}

type Script = Box<dyn FnMut(usize) -> Fault + Send>;

/// A queue in memory behind a network that fails on request.
pub(crate) struct FaultyQueue {
    inner: EmulatorQueue,
    state: Mutex<State>,
    receives_under_way: AtomicUsize,
    is_described_as_fifo: bool,
    described_retention: Mutex<Option<Duration>>,
    receives_outlive_clients: AtomicBool,
}

#[derive(Default)]
struct State {
    scripts: HashMap<Action, (usize, Script)>,
    calls: Vec<Call>,
    receipts: HashMap<Receipt, (MessageId, usize)>,
    receives: HashMap<MessageId, usize>,
}

impl FaultyQueue {
    pub(crate) fn new(inner: EmulatorQueue) -> Self {
        let (state, receives_under_way) = (Mutex::default(), AtomicUsize::new(0));
        let receives_outlive_clients = AtomicBool::new(false);
        let described_retention = Mutex::default();
        let is_described_as_fifo = false;
        Self {
            inner,
            state,
            receives_under_way,
            is_described_as_fifo,
            described_retention,
            receives_outlive_clients,
        }
    }

    /// Reports the queue as a FIFO queue in its attributes.
    pub(crate) fn described_as_fifo(self) -> Self {
        Self { is_described_as_fifo: true, ..self }
    }

    /// Reports this retention in the queue's attributes from now on.
    pub(crate) fn describe_retention(&self, retention: Duration) {
        *self.described_retention.lock().unwrap() = Some(retention);
    }

    /// Lets every receive go on after its client has gone, as users report of SQS.
    pub(crate) fn let_receives_outlive_clients(&self) {
        self.receives_outlive_clients.store(true, Ordering::SeqCst);
    }

    /// Sets the fault of every further call of this action by its number; the first is 1.
    pub(crate) fn script(&self, action: Action, script: impl FnMut(usize) -> Fault + Send + 'static) {
        self.state.lock().unwrap().scripts.insert(action, (0, Box::new(script)));
    }

    /// Sets the fault of every further call of this action.
    pub(crate) fn always(&self, action: Action, fault: Fault) {
        self.script(action, move |_| fault.clone());
    }

    /// Sets the fault of the next call of this action.
    pub(crate) fn once(&self, action: Action, fault: Fault) {
        self.script(action, move |number| if number == 1 { fault.clone() } else { Fault::None });
    }

    /// Removes the fault of further calls of this action.
    pub(crate) fn heal(&self, action: Action) {
        self.state.lock().unwrap().scripts.remove(&action);
    }

    /// Every call of this action so far.
    pub(crate) fn calls(&self, action: Action) -> Vec<Call> {
        let state = self.state.lock().unwrap();
        state.calls.iter().filter(|call| call.action == action).cloned().collect()
    }

    /// Every delete of this message so far.
    pub(crate) fn deletes_of(&self, id: &MessageId) -> Vec<Call> {
        self.calls(Action::Delete).into_iter().filter(|call| call.names(id)).collect()
    }

    /// The number of calls so far, of any action.
    pub(crate) fn call_count(&self) -> usize {
        self.state.lock().unwrap().calls.len()
    }

    /// The number of receives in flight.
    pub(crate) fn receives_under_way(&self) -> usize {
        self.receives_under_way.load(Ordering::SeqCst)
    }

    fn begin(&self, action: Action, max: usize, receipts: Vec<(&Receipt, Option<Duration>)>) -> Fault {
        let state = self.state.lock().unwrap();
        let entry = |(receipt, visibility): (&Receipt, Option<Duration>)| {
            let (id, receive) = state.receipts[receipt].clone();
            Entry { id, receive, visibility }
        };
        let entries = receipts.into_iter().map(entry).collect();
        drop(state);
        self.note(Call { action, at: Instant::now(), max, bodies: Vec::new(), entries })
    }

    fn note(&self, call: Call) -> Fault {
        let mut state = self.state.lock().unwrap();
        let action = call.action;
        state.calls.push(call);
        match state.scripts.get_mut(&action) {
            Some((number, script)) => {
                *number += 1;
                script(*number)
            }
            None => Fault::None,
        }
    }

    fn remember(&self, messages: &[Message]) {
        let mut state = self.state.lock().unwrap();
        for message in messages {
            let receives = state.receives.entry(message.id.clone()).or_default();
            *receives += 1;
            let receive = *receives;
            state.receipts.insert(message.receipt.clone(), (message.id.clone(), receive));
        }
    }

    async fn receive_through(&self, request: ReceiveRequest) -> Result<Vec<Message>, QueueError> {
        let inner = self.inner.clone();
        let receive = async move { inner.receive(request).await };
        let messages = if self.receives_outlive_clients.load(Ordering::SeqCst) {
            tasks::detach("receive", receive).await.unwrap()?
        } else {
            receive.await?
        };
        self.remember(&messages);
        Ok(messages)
    }

    async fn receive_with(&self, fault: Fault, request: ReceiveRequest) -> Result<Vec<Message>, QueueError> {
        match fault {
            Fault::None | Fault::Entries(_) | Fault::Refusals(_) => self.receive_through(request).await,
            Fault::Fails(failure) => Err(failure.error()),
            Fault::FailsLate(after) => {
                sleep(after).await;
                Err(Failure::Broken.error())
            }
            Fault::Late(by) => {
                sleep(by).await;
                self.receive_through(request).await
            }
            Fault::AnswerLost => {
                self.receive_through(request).await?;
                Err(Failure::Broken.error())
            }
            Fault::AnswersLate(by) => {
                let messages = self.receive_through(request).await?;
                sleep(by).await;
                Ok(messages)
            }
            Fault::Hangs => pending().await,
            Fault::Empty => Ok(Vec::new()),
            Fault::Excess => {
                self.receive_through(ReceiveRequest { max: limits::BATCH_ENTRIES, ..request }).await
            }
        }
    }
}

/// Runs a batch call with its fault.
async fn batch<E: Clone, T, F>(fault: Fault, entries: &[E], through: impl Fn(Vec<E>) -> F) -> BatchResult<T>
where
    F: Future<Output = BatchResult<T>>,
{
    match fault {
        Fault::None | Fault::Empty | Fault::Excess => through(entries.to_vec()).await,
        Fault::Fails(failure) => Err(failure.error()),
        Fault::FailsLate(after) => {
            sleep(after).await;
            Err(Failure::Broken.error())
        }
        Fault::Late(by) => {
            sleep(by).await;
            through(entries.to_vec()).await
        }
        Fault::AnswerLost => {
            through(entries.to_vec()).await?;
            Err(Failure::Broken.error())
        }
        Fault::AnswersLate(by) => {
            let answer = through(entries.to_vec()).await;
            sleep(by).await;
            answer
        }
        Fault::Hangs => pending().await,
        Fault::Entries(failing) => {
            some_fail(entries, &failing, &EntryError::new("InternalError", "on request", false), through)
                .await
        }
        Fault::Refusals(failing) => {
            let refusal = EntryError::new("InvalidMessageContents", "on request", true);
            some_fail(entries, &failing, &refusal, through).await
        }
    }
}

async fn some_fail<E: Clone, T, F>(
    entries: &[E],
    failing: &[usize],
    error: &EntryError,
    through: impl Fn(Vec<E>) -> F,
) -> BatchResult<T>
where
    F: Future<Output = BatchResult<T>>,
{
    let mut answer = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        if failing.contains(&position) {
            answer.push(Err(error.clone()));
        } else {
            answer.extend(through(vec![entry.clone()]).await?);
        }
    }
    Ok(answer)
}

/// Counts a receive while it is in flight.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Queue for FaultyQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        async move {
            let _under_way = UnderWay::new(&self.receives_under_way);
            let fault = self.begin(Action::Receive, request.max, Vec::new());
            self.receive_with(fault, request).await
        }
        .boxed()
    }

    /// A receive with a fault may be answered long after it took its messages.
    fn cut_receives_hide_nothing(&self) -> bool {
        let has_faults = self.state.lock().unwrap().scripts.contains_key(&Action::Receive);
        !has_faults && !self.receives_outlive_clients.load(Ordering::SeqCst)
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        async move {
            let entries = receipts.iter().map(|receipt| (receipt, None)).collect();
            let fault = self.begin(Action::Delete, 0, entries);
            batch(fault, receipts, |some| async move { self.inner.delete(&some).await }).await
        }
        .boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        async move {
            let entries = changes.iter().map(|change| (&change.receipt, Some(change.visibility))).collect();
            let fault = self.begin(Action::ChangeVisibility, 0, entries);
            batch(fault, changes, |some| async move { self.inner.change_visibility(&some).await }).await
        }
        .boxed()
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        async move {
            let bodies = messages.iter().map(|message| message.body.clone()).collect();
            let (action, at) = (Action::Send, Instant::now());
            let fault = self.note(Call { action, at, max: 0, bodies, entries: Vec::new() });
            batch(fault, messages, |some| async move { self.inner.send(&some).await }).await
        }
        .boxed()
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        async move {
            match self.begin(Action::Describe, 0, Vec::new()) {
                Fault::Fails(failure) => Err(failure.error()),
                Fault::Hangs => pending().await,
                _ => {
                    let described = self.inner.describe().await?;
                    let fifo = described.fifo || self.is_described_as_fifo;
                    let retention = self.described_retention.lock().unwrap().unwrap_or(described.retention);
                    Ok(QueueAttributes { retention, fifo, ..described })
                }
            }
        }
        .boxed()
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        self.inner.open_other(name)
    }
}
