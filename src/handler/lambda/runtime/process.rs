//! Supervises one runtime process: starts it, delivers invocations, and replaces it when it has ended.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::{
    Invocation, QueuedInvocation, Shared,
    api::{RuntimeApi, RuntimePort},
    invocation_state::Readiness,
    peers::RuntimePeers,
};
use crate::{
    backoff::{Backoff, Jitter},
    duration::Span,
    handler::{
        lambda::{
            InstanceState,
            invocation::{FunctionError, InvocationFailure},
        },
        metrics::CountedProcess,
    },
    message::MessageId,
    process::{Process, signal_name},
    tasks,
    telemetry::{ProcessExit, ProcessState, context::TraceContext, events},
};

/// The delay before a process is replaced, by the number of processes in a row that never answered.
const RESTARTS: Backoff = Backoff {
    initial: Duration::from_millis(100),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

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
        loop {
            self.set_state(InstanceState::Starting);
            self.without_answer += 1;
            let ending = self.run_process().await;
            self.log_end(&ending);
            if ending == ProcessEnd::Closed || !self.pause().await {
                return;
            }
        }
    }

    /// Runs one process from its start to its end.
    async fn run_process(&mut self) -> ProcessEnd {
        let mut process = match RuntimeProcess::start(&self.shared).await {
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
        process.run_invocations().await
    }

    fn log_end(&self, ending: &ProcessEnd) {
        let queue = &*self.shared.queue;
        match ending {
            ProcessEnd::NotStarted(reason) => {
                events::ProcessNotStarted { queue, reason }.emit();
                self.set_state(InstanceState::Failed(reason.as_str().into()));
            }
            ProcessEnd::Broken(reason) => events::ProcessReplaced { queue, reason }.emit(),
            ProcessEnd::GivenUp => {
                let reason = "its invocation was given up";
                events::ProcessReplaced { queue, reason }.emit();
            }
            ProcessEnd::Closed => {}
        }
    }

    /// Waits before the next start; returns false if the host is closed.
    async fn pause(&self) -> bool {
        let _counted = self.shared.metrics.process(ProcessState::Waiting);
        tokio::select! {
            () = sleep(RESTARTS.random_delay(self.without_answer.max(1))) => true,
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
        self.set_state(InstanceState::Failed("the runtime processes are stopped".into()));
    }
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    /// It never requested an invocation.
    NotStarted(String),
    /// It ended or broke the protocol after its first request for an invocation.
    Broken(String),
    /// Its invocation was given up: the time limit passed, or the lease was lost.
    GivenUp,
    /// The host is closed.
    Closed,
}

/// A process with its Runtime API and the log of its output.
#[derive(Debug)]
pub(super) struct RuntimeProcess {
    process: Process,
    api: RuntimeApi,
    output: ProcessOutput,
    shared: Arc<Shared>,
    counted: CountedProcess,
}

impl RuntimeProcess {
    /// Starts a process with its own Runtime API.
    pub(super) async fn start(shared: &Arc<Shared>) -> Result<Self, ProcessEnd> {
        let not_started = |reason: String| ProcessEnd::NotStarted(reason);
        let Some(program) = shared.program.get() else { return Err(ProcessEnd::Closed) };
        let port = RuntimePort::bind().await;
        let port = port.map_err(|error| not_started(format!("no port for the runtime api: {error}")))?;
        let started = program.start(port.address());
        let mut process = started.map_err(|error| not_started(error.reason()))?;
        let peers = RuntimePeers::new(port.address(), process.id(), shared.queue.clone());
        let api = RuntimeApi::serve(port, peers, program.function_arn());
        let output = ProcessOutput::of(shared.queue.clone(), &mut process);
        if let Some(metrics) = shared.metrics.group() {
            events::ProcessStarted { queue: &shared.queue, process: process.id() }
                .emit(&metrics.process_starts);
        }
        let counted = shared.metrics.process(ProcessState::Starting);
        Ok(Self { process, api, output, shared: shared.clone(), counted })
    }

    /// Waits until the process requests its first invocation.
    pub(super) async fn wait_until_started(&mut self) -> Result<(), ProcessEnd> {
        self.wait_for_request().await.map_err(ProcessEnd::NotStarted)
    }

    /// Runs one invocation after the other until the process has ended or must be replaced.
    pub(super) async fn run_invocations(&mut self) -> ProcessEnd {
        loop {
            self.counted.set_state(ProcessState::Idle);
            let queued = tokio::select! {
                queued = self.shared.next_invocation() => queued,
                status = self.process.wait() => return ProcessEnd::Broken(describe(status)),
            };
            let Some(queued) = queued else { return ProcessEnd::Closed };
            self.counted.set_state(ProcessState::Busy);
            if let Err(ending) = self.run(queued).await {
                return ending;
            }
            if let Err(reason) = self.wait_for_request().await {
                return ProcessEnd::Broken(reason);
            }
        }
    }

    /// True if the process has answered any invocation.
    pub(super) fn has_answered(&self) -> bool {
        self.api.state().has_answered()
    }

    /// Ends the process with its group: SIGTERM, then SIGKILL after the grace period.
    pub(super) async fn end(mut self, ending: &ProcessEnd) {
        let cause = match ending {
            ProcessEnd::Closed => ProcessExit::Expected,
            _ if self.process.has_ended() => ProcessExit::Crashed,
            _ => ProcessExit::Killed,
        };
        let status = self.process.end(self.shared.settings.grace.0).await;
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
            () = self.api.state().answered() => {}
            status = self.process.wait() => {
                // Its last request may not have been read yet.
                self.api.finish().await;
                let reason = describe(status);
                self.api.state().fail(InvocationFailure::Ended(reason.clone()));
                return Err(ProcessEnd::Broken(reason));
            }
            () = given_up.cancelled() => return Err(ProcessEnd::GivenUp),
        }
        if self.api.state().is_broken() {
            return Err(ProcessEnd::Broken(InvocationFailure::Unanswered.to_string()));
        }
        Ok(())
    }

    /// Delivers an invocation; if the connection of the request is closed, it waits for the next request.
    async fn deliver(&mut self, mut queued: QueuedInvocation) -> Result<(), ProcessEnd> {
        loop {
            let invocation = queued.invocation.clone();
            self.output.set_invocation(invocation);
            match self.api.state().deliver(queued) {
                Ok(()) => return Ok(()),
                Err(returned) => queued = returned,
            }
            if let Err(reason) = self.wait_for_request().await {
                queued.fail(InvocationFailure::Ended(reason.clone()));
                return Err(ProcessEnd::Broken(reason));
            }
        }
    }

    /// Waits until the process requests an invocation; `Err` has the reason if it never will.
    async fn wait_for_request(&mut self) -> Result<(), String> {
        let limit = self.shared.settings.init_timeout;
        tokio::select! {
            biased;
            readiness = self.api.state().ready() => match readiness {
                Readiness::Ready => Ok(()),
                Readiness::InitError(error) => {
                    // It ends by itself now, and may write more output before.
                    drop(timeout(self.shared.settings.grace.0, self.process.wait()).await);
                    Err(init_error(&error))
                }
            },
            status = self.process.wait() => {
                self.api.finish().await;
                Err(self.failed_start(&describe(status)))
            }
            () = sleep(limit.0) => Err(self.silence(limit)),
        }
    }

    /// The reason why a process is replaced that did not request an invocation in time.
    fn silence(&self, limit: Span) -> String {
        let reason = format!("the runtime did not ask for work within {limit}");
        match self.api.refused() {
            0 => reason,
            refused => {
                format!("{reason}; connections from outside of its process group were refused: {refused}")
            }
        }
    }

    /// The reason why a process ended without a request: it may have reported an init error just before its end.
    fn failed_start(&self, ended: &str) -> String {
        match self.api.state().ready().now_or_never() {
            Some(Readiness::InitError(error)) => init_error(&error),
            _ => format!("the runtime ended before it asked for work: {ended}"),
        }
    }
}

fn init_error(error: &FunctionError) -> String {
    format!("the runtime reported an init error: {error}")
}

/// Describes the end of a process.
fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal_name(signal),
            (None, None) => "for no known reason".to_owned(),
        },
        Err(error) => format!("waiting for it failed: {error}"),
    }
}

/// The log of one process's output.
#[derive(Clone, Debug)]
pub(super) struct ProcessOutput {
    queue: Arc<str>,
    process: u32,
    /// The current or last invocation of the process.
    invocation: Arc<Mutex<Option<Arc<Invocation>>>>,
}

impl ProcessOutput {
    /// Logs the output of the process until its end.
    pub(super) fn of(queue: Arc<str>, process: &mut Process) -> Self {
        let output = Self { queue, process: process.id(), invocation: Arc::default() };
        let streams = [("stdout", process.take_stdout()), ("stderr", process.take_stderr())];
        for (stream, pipe) in streams {
            if let Some(pipe) = pipe {
                let output = output.clone();
                let reading = pipe.for_each_line(move |line| output.write(stream, &line.to_string()));
                drop(tasks::detach("function output", reading));
            }
        }
        output
    }

    /// Sets the invocation of the next lines.
    pub(super) fn set_invocation(&self, invocation: Arc<Invocation>) {
        *self.invocation.lock().unwrap_or_else(PoisonError::into_inner) = Some(invocation);
    }

    fn write(&self, stream: &'static str, line: &str) {
        let current = self.invocation.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _trace =
            current.as_ref().and_then(|invocation| invocation.log_trace.as_ref()).map(TraceContext::enter);
        let (queue, process) = (&*self.queue, self.process);
        let request_id = current.as_ref().map(|invocation| invocation.id.as_str());
        let message_id = current.as_ref().and_then(|invocation| invocation.message_id.as_ref());
        let message_ids = current.as_ref().and_then(|invocation| invocation.message_ids.as_deref());
        let message_id = message_id.map(MessageId::as_str);
        events::FunctionOutput { queue, process, request_id, message_id, message_ids, stream, line }.emit();
    }
}
