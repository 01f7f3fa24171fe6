//! Runs the function in runtime processes, to which it delivers queued invocations.

mod alike;
mod api;
mod extension_registry;
mod extension_routes;
mod extensions;
mod invocation_state;
mod output;
mod peers;
mod process;
mod program;

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicUsize},
};

use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

#[cfg(all(any(test, fuzzing), feature = "cli"))]
pub(super) use self::api::fuzz;
use self::{alike::EndLog, process::ProcessSupervisor, program::Program};
use super::{
    InstanceStates, Settings, Source,
    invocation::{Answered, Invocation, InvocationFailure},
};
use crate::{
    handler::{
        Unavailable,
        metrics::{KindMetrics, ProcessMetrics},
    },
    process::withheld,
    tasks,
    telemetry::events,
};

/// The runtime processes of one queue, each with a supervisor that starts, serves and replaces it.
///
/// The first probe or call starts them. Dropping the host kills them.
#[derive(Debug)]
pub(super) struct Host {
    invocations: mpsc::UnboundedSender<QueuedInvocation>,
    shared: Arc<Shared>,
    supervisors: Mutex<Supervisors>,
}

/// An invocation that waits for a process.
#[derive(Debug)]
struct QueuedInvocation {
    invocation: Arc<Invocation>,
    answer: oneshot::Sender<Answered>,
    /// Fires when the call is dropped.
    given_up: CancellationToken,
}

/// The state that all processes share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// The queue's configured name, for the log.
    queue: Arc<str>,
    /// The number of processes that are wanted.
    processes: watch::Sender<usize>,
    /// Longshore's variables that the processes do not inherit.
    withheld: OnceLock<Vec<OsString>>,
    /// Set when the processes are started.
    program: OnceLock<Program>,
    invocations: AsyncMutex<mpsc::UnboundedReceiver<QueuedInvocation>>,
    states: InstanceStates,
    /// The number of processes that were started and have not asked for an invocation yet.
    starting: AtomicUsize,
    closing: CancellationToken,
    ends: Arc<EndLog>,
    metrics: KindMetrics<ProcessMetrics>,
}

#[derive(Debug)]
enum Supervisors {
    NotStarted,
    /// Their processes are killed when the handles are dropped.
    Started(Vec<AbortOnDropHandle<()>>),
}

impl Host {
    /// Creates the host without starting a process.
    pub(super) fn new(
        settings: Settings,
        queue: Arc<str>,
        processes: NonZeroUsize,
        metrics: KindMetrics<ProcessMetrics>,
    ) -> Self {
        let (invocations, receiver) = mpsc::unbounded_channel();
        let ends = EndLog::new(queue.clone(), processes);
        let shared = Shared {
            settings,
            queue,
            processes: watch::Sender::new(processes.get()),
            withheld: OnceLock::new(),
            program: OnceLock::new(),
            invocations: AsyncMutex::new(receiver),
            states: InstanceStates::starting(processes.get()),
            starting: AtomicUsize::new(0),
            closing: CancellationToken::new(),
            ends,
            metrics,
        };
        Self { invocations, shared: Arc::new(shared), supervisors: Mutex::new(Supervisors::NotStarted) }
    }

    /// Removes these variables from the environment of the processes, except those of the setting `inherit`.
    pub(super) fn withhold(&self, names: Vec<OsString>) {
        self.shared.withheld.get_or_init(|| withheld(names, &self.shared.settings.inherit));
    }

    /// Waits until a process is ready; `Err` has the reason if none can be started.
    pub(super) async fn probe(&self, source: &Source) -> Result<(), Unavailable> {
        self.start(source);
        self.shared.states.ready().await
    }

    /// Runs the invocation in a process that is ready, and waits for the answer.
    ///
    /// If the call is dropped, the process is ended and replaced.
    pub(super) async fn call(
        &self,
        invocation: Invocation,
        source: &Source,
    ) -> Result<Answered, Unavailable> {
        self.start(source);
        let (answer, answered) = oneshot::channel();
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let queued = QueuedInvocation { invocation: Arc::new(invocation), answer, given_up };
        let closed = || Unavailable::Down("the runtime processes are stopped".to_owned());
        self.invocations.send(queued).map_err(|_| closed())?;
        tokio::select! {
            biased;
            answered = answered => answered.map_err(|_| closed()),
            unavailable = self.shared.states.down() => Err(unavailable),
        }
    }

    /// Changes the number of processes: further ones start if the others have, and of too many each retires once it is idle.
    pub(super) fn scale(&self, processes: usize) {
        let processes = NonZeroUsize::new(processes).unwrap_or(NonZeroUsize::MIN);
        self.shared.states.grow(processes.get());
        self.shared.ends.expect(processes);
        self.shared.processes.send_replace(processes.get());
        if let Supervisors::Started(supervisors) = &mut *self.supervisors()
            && !self.shared.closing.is_cancelled()
        {
            let known = supervisors.len();
            supervisors.extend((known..processes.get()).map(|number| self.supervise(number)));
        }
    }

    /// Ends the processes: SIGTERM, then SIGKILL after the grace period, or at once if this is dropped before.
    pub(super) async fn close(&self) {
        self.shared.closing.cancel();
        let supervisors = std::mem::replace(&mut *self.supervisors(), Supervisors::Started(Vec::new()));
        if let Supervisors::Started(supervisors) = supervisors {
            join_all(supervisors).await;
        }
    }

    fn start(&self, source: &Source) {
        let mut supervisors = self.supervisors();
        if let Supervisors::NotStarted = *supervisors {
            let withheld = self.shared.withheld.get().cloned().unwrap_or_default();
            self.shared.program.get_or_init(|| Program::of(&self.shared.settings, source).without(withheld));
            let processes = *self.shared.processes.borrow();
            *supervisors =
                Supervisors::Started((0..processes).map(|number| self.supervise(number)).collect());
        }
    }

    fn supervise(&self, number: usize) -> AbortOnDropHandle<()> {
        let supervisor = ProcessSupervisor::new(self.shared.clone(), number).run();
        AbortOnDropHandle::new(tasks::detach("lambda runtime", supervisor))
    }

    fn supervisors(&self) -> MutexGuard<'_, Supervisors> {
        self.supervisors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shared.ends.finish();
    }
}

impl Shared {
    /// Waits until the process of this number is one too many.
    async fn retired(&self, number: usize) {
        // The sender is in `self`, so it is not dropped while this waits.
        drop(self.processes.subscribe().wait_for(|wanted| number >= *wanted).await);
    }

    /// Waits until the process of this number is wanted.
    async fn wanted(&self, number: usize) {
        drop(self.processes.subscribe().wait_for(|wanted| number < *wanted).await);
    }

    /// Returns the next invocation whose call was not dropped; may be cancelled without losing one.
    async fn next_invocation(&self) -> Option<QueuedInvocation> {
        let mut invocations = self.invocations.lock().await;
        loop {
            let queued = invocations.recv().await?;
            if !queued.given_up.is_cancelled() {
                return Some(queued);
            }
        }
    }
}

impl QueuedInvocation {
    /// Fails an invocation that was not delivered to a process.
    fn fail(self, failure: InvocationFailure) {
        if self.answer.send(Err(failure)).is_err() {
            events::AnswerUnwanted { request_id: &self.invocation.id }.emit();
        }
    }
}
