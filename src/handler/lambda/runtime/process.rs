//! Supervises one runtime process: starts it, delivers invocations, and replaces it when it has ended.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::{
    QueuedInvocation, Shared,
    alike::EndKind,
    api::{FunctionEnvironment, RuntimeApi, RuntimePort},
    extension_registry::{EndedProgram, ShutdownReason},
    extensions::EnvironmentExtensions,
    invocation_state::Readiness,
    output::ProcessOutput,
    peers::RuntimePeers,
};
use crate::{
    backoff::{Backoff, Jitter},
    duration::Span,
    handler::{
        Unavailable,
        lambda::{
            InstanceState,
            invocation::{FunctionError, InvocationFailure},
        },
        metrics::CountedProcess,
    },
    process::{Process, check_open_files, signal_name},
    shortage::Shortage,
    telemetry::{ProcessExit, ProcessState, events},
};

/// The delay before a process is replaced, by the number of processes in a row that never answered.
const RESTARTS: Backoff = Backoff {
    initial: Duration::from_millis(100),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

/// The advice on a function that is a web server with the AWS Lambda Web Adapter.
const ADAPTER_HINT: &str = "use the http kind with the url of its web server, or set extensions to on";

/// Keeps the process with this number running.
pub(super) struct ProcessSupervisor {
    shared: Arc<Shared>,
    number: usize,
    /// The number of processes in a row that never answered.
    without_answer: u32,
}

impl ProcessSupervisor {
    pub(super) fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number, without_answer: 0 }
    }

    /// Starts and replaces the process until the host is closed.
    pub(super) async fn run(mut self) {
        while self.wanted().await {
            self.set_state(InstanceState::Starting);
            self.without_answer += 1;
            let ending = self.run_process().await;
            self.log_end(&ending);
            if ending == ProcessEnd::Closed || ending != ProcessEnd::Retired && !self.pause().await {
                return;
            }
        }
    }

    /// Waits until the process is wanted; returns false if the host is closed before.
    async fn wanted(&mut self) -> bool {
        if self.number >= *self.shared.processes.borrow() {
            self.set_state(InstanceState::Retired);
            self.without_answer = 0;
        }
        tokio::select! {
            biased;
            () = self.shared.wanted(self.number) => true,
            () = self.shared.closing.cancelled() => false,
        }
    }

    /// Runs one process from its start to its end.
    async fn run_process(&mut self) -> ProcessEnd {
        let started = tokio::select! {
            started = RuntimeProcess::start(&self.shared) => started,
            () = self.shared.closing.cancelled() => Err(ProcessEnd::Closed),
        };
        let mut process = match started {
            Ok(process) => process,
            Err(ending) => return ending,
        };
        let ending = tokio::select! {
            ending = self.serve(&mut process) => ending,
            () = self.shared.closing.cancelled() => ProcessEnd::Closed,
        };
        if process.has_answered() {
            self.without_answer = 0;
        }
        if let ProcessEnd::Broken(_) | ProcessEnd::GivenUp = &ending {
            self.set_state(InstanceState::Starting);
        }
        process.end(&ending).await;
        ending
    }

    async fn serve(&self, process: &mut RuntimeProcess) -> ProcessEnd {
        if let Err(ending) = process.wait_until_started().await {
            return ending;
        }
        self.set_state(InstanceState::Ready);
        process.run_invocations(self.number).await
    }

    fn log_end(&self, ending: &ProcessEnd) {
        let record = |kind, reason: &str| self.shared.ends.record(self.number, kind, reason);
        match ending {
            ProcessEnd::NotStarted(unavailable) => {
                record(EndKind::NotStarted, unavailable.reason());
                self.set_state(InstanceState::Failed(unavailable.clone()));
            }
            ProcessEnd::Broken(reason) => record(EndKind::Replaced, reason),
            ProcessEnd::GivenUp => record(EndKind::Replaced, "its invocation was given up"),
            ProcessEnd::Closed | ProcessEnd::Retired => {}
        }
    }

    /// Waits before the next start; returns false if the host is closed.
    async fn pause(&self) -> bool {
        let _counted = self.shared.metrics.process(ProcessState::Waiting);
        tokio::select! {
            () = sleep(RESTARTS.random_delay(self.without_answer.max(1))) => true,
            () = self.shared.retired(self.number) => true,
            () = self.shared.closing.cancelled() => false,
        }
    }

    fn set_state(&self, state: InstanceState) {
        self.shared.states.set(self.number, state);
    }
}

impl Drop for ProcessSupervisor {
    /// Without its supervisor the process is never started again, so no call must wait for it.
    fn drop(&mut self) {
        self.set_state(InstanceState::Failed(Unavailable::Down(
            "the runtime processes are stopped".to_owned(),
        )));
    }
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    /// It never requested an invocation.
    NotStarted(Unavailable),
    /// It ended or broke the protocol after its first request for an invocation.
    Broken(String),
    /// Its invocation was given up: the time limit passed, or the lease was lost.
    GivenUp,
    /// It is one too many.
    Retired,
    /// The host is closed.
    Closed,
}

impl ProcessEnd {
    /// The cause by Lambda's names, for extensions.
    fn shutdown_reason(&self) -> ShutdownReason {
        match self {
            Self::Closed | Self::Retired => ShutdownReason::Spindown,
            Self::GivenUp => ShutdownReason::Timeout,
            Self::NotStarted(_) | Self::Broken(_) => ShutdownReason::Failure,
        }
    }
}

/// A process with its Runtime API, the log of its output, and the extensions beside it.
#[derive(Debug)]
pub(super) struct RuntimeProcess {
    process: Process,
    environment: FunctionEnvironment,
    extensions: EnvironmentExtensions,
    api: RuntimeApi,
    output: ProcessOutput,
    shared: Arc<Shared>,
    counted: CountedProcess,
    /// `None` once it has asked for an invocation.
    starting: Option<StartingProcess>,
}

/// Counts a process that is starting until dropped.
#[derive(Debug)]
struct StartingProcess(Arc<Shared>);

impl StartingProcess {
    /// The descriptors that its connections to the Runtime API take: two connections, and two to check their peer.
    const DESCRIPTORS: usize = 4;

    /// Checks that the connections of this process, and of those that are starting, can be accepted.
    fn count(shared: &Arc<Shared>) -> io::Result<Self> {
        let starting = shared.starting.fetch_add(1, Ordering::Relaxed) + 1;
        let counted = Self(shared.clone());
        check_open_files(starting * Self::DESCRIPTORS)?;
        Ok(counted)
    }
}

impl Drop for StartingProcess {
    fn drop(&mut self) {
        self.0.starting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RuntimeProcess {
    /// Starts a process with its own Runtime API, after its extensions.
    pub(super) async fn start(shared: &Arc<Shared>) -> Result<Self, ProcessEnd> {
        let Some(program) = shared.program.get() else { return Err(ProcessEnd::Closed) };
        let starting =
            StartingProcess::count(shared).map_err(|error| ProcessEnd::NotStarted(no_port(&error)))?;
        let environment = FunctionEnvironment::new(program.function().clone());
        let extensions = EnvironmentExtensions::start(&environment, program, shared).await;
        let extensions = extensions.map_err(ProcessEnd::NotStarted)?;
        let port = RuntimePort::bind().await.map_err(|error| ProcessEnd::NotStarted(no_port(&error)))?;
        let started = program.start(port.address());
        let mut process = started.map_err(|error| ProcessEnd::NotStarted(Unavailable::of_start(&error)))?;
        let peers = RuntimePeers::new(port.address(), process.id(), shared.queue.clone());
        let api = RuntimeApi::serve(port, peers, environment.clone());
        let output = ProcessOutput::of(shared.queue.clone(), &mut process);
        if let Some(metrics) = shared.metrics.group() {
            events::ProcessStarted { queue: &shared.queue, process: process.id() }
                .emit(&metrics.process_starts);
        }
        let counted = shared.metrics.process(ProcessState::Starting);
        let (shared, starting) = (shared.clone(), Some(starting));
        Ok(Self { process, environment, extensions, api, output, shared, counted, starting })
    }

    /// Waits until the process requests its first invocation.
    pub(super) async fn wait_until_started(&mut self) -> Result<(), ProcessEnd> {
        let started = self.wait_until_settled().await;
        self.starting = None;
        started.map_err(|reason| ProcessEnd::NotStarted(Unavailable::Down(reason)))
    }

    /// Runs one invocation after the other until the process has ended, must be replaced, or is one too many.
    pub(super) async fn run_invocations(&mut self, number: usize) -> ProcessEnd {
        loop {
            self.counted.set_state(ProcessState::Idle);
            let queued = tokio::select! {
                biased;
                () = self.shared.retired(number) => return ProcessEnd::Retired,
                status = self.process.wait() => return ProcessEnd::Broken(self.reason_of(status).await),
                reason = self.extensions.failed() => return ProcessEnd::Broken(reason),
                queued = self.shared.next_invocation() => queued,
            };
            let Some(queued) = queued else { return ProcessEnd::Closed };
            self.counted.set_state(ProcessState::Busy);
            if let Err(ending) = self.run(queued).await {
                return ending;
            }
            if let Err(reason) = self.wait_until_settled().await {
                return ProcessEnd::Broken(reason);
            }
        }
    }

    /// True if the process has answered any invocation.
    pub(super) fn has_answered(&self) -> bool {
        self.environment.state.has_answered()
    }

    /// Ends the process with its group: SIGTERM, then SIGKILL after the grace period. Its extensions end after it.
    pub(super) async fn end(mut self, ending: &ProcessEnd) {
        let cause = match ending {
            ProcessEnd::Closed | ProcessEnd::Retired => ProcessExit::Expected,
            _ if self.process.has_ended() => ProcessExit::Crashed,
            _ => ProcessExit::Killed,
        };
        let grace = self.shared.settings.grace.0;
        let status = self.process.end(grace).await;
        self.extensions.shut_down(ending.shutdown_reason(), grace).await;
        let (queue, process, how) = (&*self.shared.queue, self.process.id(), &*describe(status));
        if let Some(metrics) = self.shared.metrics.group() {
            events::ProcessEnded { queue, process, how, cause }.emit(&metrics.process_exits);
        }
    }

    /// Runs one invocation until it is answered or fails.
    async fn run(&mut self, queued: QueuedInvocation) -> Result<(), ProcessEnd> {
        let given_up = queued.given_up.clone();
        self.deliver(queued).await?;
        tokio::select! {
            biased;
            () = self.environment.state.answered() => {}
            status = self.process.wait() => {
                let reason = self.reason_of(status).await;
                self.environment.state.fail(InvocationFailure::Ended(reason.clone()));
                return Err(ProcessEnd::Broken(reason));
            }
            () = given_up.cancelled() => return Err(ProcessEnd::GivenUp),
            reason = self.extensions.failed() => {
                self.environment.state.fail(InvocationFailure::Ended(reason.clone()));
                return Err(ProcessEnd::Broken(reason));
            }
        }
        if self.environment.state.is_broken() {
            return Err(ProcessEnd::Broken(InvocationFailure::Unanswered.to_string()));
        }
        Ok(())
    }

    /// Delivers an invocation; if the connection of the request is closed, it waits for the next request.
    async fn deliver(&mut self, mut queued: QueuedInvocation) -> Result<(), ProcessEnd> {
        loop {
            let invocation = queued.invocation.clone();
            self.output.set_invocation(invocation.clone());
            match self.environment.state.deliver(queued) {
                Ok(()) => {
                    self.environment.notify_extensions(&invocation);
                    return Ok(());
                }
                Err(returned) => queued = returned,
            }
            if let Err(reason) = self.wait_for_request().await {
                queued.fail(InvocationFailure::Ended(reason.clone()));
                return Err(ProcessEnd::Broken(reason));
            }
        }
    }

    /// Waits until the process requests an invocation, and its extensions wait for an event; `Err` has the reason if one
    /// never will.
    async fn wait_until_settled(&mut self) -> Result<(), String> {
        self.wait_for_request().await?;
        self.environment.extensions.close_registration();
        tokio::select! {
            biased;
            settled = self.extensions.settle(self.shared.settings.init_timeout) => settled,
            status = self.process.wait() => Err(self.reason_of(status).await),
        }
    }

    /// Waits until the process requests an invocation; `Err` has the reason if it never will.
    async fn wait_for_request(&mut self) -> Result<(), String> {
        let limit = self.shared.settings.init_timeout;
        tokio::select! {
            biased;
            readiness = self.environment.state.ready() => match readiness {
                Readiness::Ready => Ok(()),
                Readiness::InitError(error) => {
                    // It ends by itself now, and may write more output before.
                    drop(timeout(self.shared.settings.grace.0, self.process.wait()).await);
                    Err(init_error(&error))
                }
            },
            status = self.process.wait() => {
                let reason = self.reason_of(status).await;
                Err(self.failed_start(&reason))
            }
            reason = self.extensions.failed() => Err(reason),
            () = sleep(limit.0) => Err(self.silence(limit)),
        }
    }

    /// Describes the end of the process, once its last requests and its last output have been read.
    async fn reason_of(&mut self, status: io::Result<ExitStatus>) -> String {
        // Its last request may not have been read yet.
        self.environment.extensions.release(EndedProgram::Runtime);
        self.api.finish().await;
        self.output.finish().await;
        self.output.explain(describe(status))
    }

    /// The reason why a process is replaced that did not request an invocation in time.
    fn silence(&self, limit: Span) -> String {
        let reason = format!("the runtime did not ask for work within {limit}");
        let reason = match self.api.refused() {
            0 => reason,
            refused => {
                format!("{reason}; connections from outside of its process group were refused: {refused}")
            }
        };
        let reason = self.output.explain(reason);
        match self.shared.settings.unused_adapter() {
            Some(adapter) => {
                format!("{reason}, hint: {} makes a web server of it: {ADAPTER_HINT}", adapter.display())
            }
            None => reason,
        }
    }

    /// The reason why a process ended without a request: it may have reported an init error just before its end.
    fn failed_start(&self, ended: &str) -> String {
        match self.environment.state.ready().now_or_never() {
            Some(Readiness::InitError(error)) => init_error(&error),
            _ => format!("the runtime ended before it asked for work: {ended}"),
        }
    }
}

/// The failure to have a port for an API.
pub(super) fn no_port(error: &io::Error) -> Unavailable {
    Unavailable::by(Shortage::of(error), format!("no port for the runtime api: {error}"))
}

fn init_error(error: &FunctionError) -> String {
    format!("the runtime reported an init error: {error}")
}

/// Describes the end of a process.
pub(super) fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal_name(signal),
            (None, None) => "for no known reason".to_owned(),
        },
        Err(error) => format!("waiting for it failed: {error}"),
    }
}
