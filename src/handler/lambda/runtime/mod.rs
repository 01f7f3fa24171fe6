//! Runtime processes, and the calls that wait for them.

mod api;
mod invocation_state;
mod process;
mod program;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use futures_util::future::join_all;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{process::Keeper, program::Program};
use super::{
    CallError, Settings, Source, Standing,
    invocation::{Answered, Invocation, InvocationFailure},
};
use crate::{
    handler::metrics::{KindMetrics, ProcessMetrics},
    tasks,
    telemetry::events,
};

/// The runtime processes of one queue, each with a keeper that starts, feeds and replaces it.
///
/// They are started by the first probe or call. Dropped, it kills them all.
#[derive(Debug)]
pub(super) struct Host {
    orders: mpsc::UnboundedSender<QueuedInvocation>,
    shared: Arc<Shared>,
    keepers: Mutex<Keepers>,
}

/// An invocation on its way to a process.
#[derive(Debug)]
struct QueuedInvocation {
    invocation: Arc<Invocation>,
    answer: oneshot::Sender<Answered>,
    /// Fires when nobody waits for the answer any more.
    given_up: CancellationToken,
}

/// The state that all processes share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// The queue's configured name, for the log.
    queue: Arc<str>,
    processes: NonZeroUsize,
    /// There once the processes are started.
    program: OnceLock<Program>,
    orders: AsyncMutex<mpsc::UnboundedReceiver<QueuedInvocation>>,
    standing: Standing,
    closing: CancellationToken,
    metrics: KindMetrics<ProcessMetrics>,
}

#[derive(Debug)]
enum Keepers {
    NotYet,
    Started(Vec<JoinHandle<()>>),
}

impl Host {
    /// Starts nothing yet.
    pub(super) fn new(
        settings: Settings,
        queue: Arc<str>,
        processes: NonZeroUsize,
        metrics: KindMetrics<ProcessMetrics>,
    ) -> Self {
        let (orders, ordered) = mpsc::unbounded_channel();
        let shared = Shared {
            settings,
            queue,
            processes,
            program: OnceLock::new(),
            orders: AsyncMutex::new(ordered),
            standing: Standing::of(processes.get()),
            closing: CancellationToken::new(),
            metrics,
        };
        Self { orders, shared: Arc::new(shared), keepers: Mutex::new(Keepers::NotYet) }
    }

    /// Waits until a process is ready; `Err` says why none can be started.
    pub(super) async fn probe(&self, source: &Source) -> Result<(), String> {
        self.start(source);
        self.shared.standing.known().await
    }

    /// Has the invocation run by a process that is ready, and waits for its answer.
    ///
    /// Dropped, it has the process ended and replaced.
    pub(super) async fn call(&self, invocation: Invocation, source: &Source) -> Result<Answered, CallError> {
        self.start(source);
        let (answer, answered) = oneshot::channel();
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let order = QueuedInvocation { invocation: Arc::new(invocation), answer, given_up };
        let closed = || CallError::Down("the runtime processes are stopped".to_owned());
        self.orders.send(order).map_err(|_| closed())?;
        tokio::select! {
            biased;
            answered = answered => answered.map_err(|_| closed()),
            reason = self.shared.standing.down() => Err(CallError::Down(reason)),
        }
    }

    /// Ends the processes: SIGTERM, and SIGKILL after the grace.
    pub(super) async fn close(&self) {
        self.shared.closing.cancel();
        let keepers = std::mem::replace(&mut *self.keepers(), Keepers::Started(Vec::new()));
        if let Keepers::Started(keepers) = keepers {
            join_all(keepers).await;
        }
    }

    fn start(&self, source: &Source) {
        let mut keepers = self.keepers();
        if let Keepers::NotYet = *keepers {
            self.shared.program.get_or_init(|| Program::of(&self.shared.settings, source));
            let keeper = |number| Keeper::new(self.shared.clone(), number).keep();
            let numbers = 0..self.shared.processes.get();
            *keepers = Keepers::Started(
                numbers.map(|number| tasks::detach("lambda runtime", keeper(number))).collect(),
            );
        }
    }

    fn keepers(&self) -> MutexGuard<'_, Keepers> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Keepers::Started(keepers) = &*self.keepers() {
            keepers.iter().for_each(JoinHandle::abort);
        }
    }
}

impl Shared {
    /// The next invocation that somebody still waits for; cancelled, it loses none.
    async fn order(&self) -> Option<QueuedInvocation> {
        let mut orders = self.orders.lock().await;
        loop {
            let order = orders.recv().await?;
            if !order.given_up.is_cancelled() {
                return Some(order);
            }
        }
    }
}

impl QueuedInvocation {
    /// Answers an order that no process was given.
    fn fail(self, failure: InvocationFailure) {
        if self.answer.send(Err(failure)).is_err() {
            events::AnswerUnwanted { request_id: &self.invocation.id }.emit();
        }
    }
}
