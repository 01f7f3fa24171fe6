//! Keeps one runtime process: starts it, feeds it, and replaces it when it has ended.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};

use super::{Invocation, QueuedInvocation, Shared, api::RuntimeApi, invocation_state::Asked};
use crate::{
    backoff::{Backoff, Jitter},
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

/// The pause before a process is replaced, by how many in a row never answered anything.
const RESTARTS: Backoff = Backoff {
    initial: Duration::from_millis(100),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

/// Keeps the process of one number running.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    number: usize,
    /// The number of processes in a row that never answered.
    fruitless: u32,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, number: usize) -> Self {
        Self { shared, number, fruitless: 0 }
    }

    /// Keeps a process until Longshore ends.
    pub(super) async fn keep(mut self) {
        loop {
            self.note(InstanceState::Starting);
            self.fruitless += 1;
            let ending = self.live().await;
            self.log_end(&ending);
            if ending == ProcessEnd::Closed || !self.pause().await {
                return;
            }
        }
    }

    /// One process from its start to its end.
    async fn live(&mut self) -> ProcessEnd {
        let mut life = match Life::begin(&self.shared).await {
            Ok(life) => life,
            Err(ending) => return ending,
        };
        let ending = tokio::select! {
            ending = self.through(&mut life) => ending,
            () = self.shared.closing.cancelled() => ProcessEnd::Closed,
        };
        if life.has_answered() {
            self.fruitless = 0;
        }
        if let ProcessEnd::Broken(_) | ProcessEnd::GivenUp = &ending {
            self.note(InstanceState::Starting);
        }
        life.end(&ending).await;
        ending
    }

    async fn through(&self, life: &mut Life) -> ProcessEnd {
        if let Err(ending) = life.until_ready().await {
            return ending;
        }
        self.note(InstanceState::Ready);
        life.work().await
    }

    fn log_end(&self, ending: &ProcessEnd) {
        let queue = &*self.shared.queue;
        match ending {
            ProcessEnd::NotStarted(reason) => {
                events::ProcessNotStarted { queue, reason }.emit();
                self.note(InstanceState::Failed(reason.as_str().into()));
            }
            ProcessEnd::Broken(reason) => events::ProcessReplaced { queue, reason }.emit(),
            ProcessEnd::GivenUp => {
                let reason = "its invocation was given up";
                events::ProcessReplaced { queue, reason }.emit();
            }
            ProcessEnd::Closed => {}
        }
    }

    /// Waits before the next start; false when there is to be none.
    async fn pause(&self) -> bool {
        let _counted = self.shared.metrics.process(ProcessState::Waiting);
        tokio::select! {
            () = sleep(RESTARTS.random_delay(self.fruitless.max(1))) => true,
            () = self.shared.closing.cancelled() => false,
        }
    }

    fn note(&self, state: InstanceState) {
        self.shared.standing.note(self.number, state);
    }
}

impl Drop for Keeper {
    /// Whatever ended it, nobody should wait for its process.
    fn drop(&mut self) {
        self.note(InstanceState::Failed("the runtime processes are stopped".into()));
    }
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProcessEnd {
    /// It never asked for work.
    NotStarted(String),
    /// It ended, or stopped following the rules, after it had asked for work.
    Broken(String),
    /// Its invocation was given up: the time limit passed, or the lease was lost.
    GivenUp,
    /// Longshore ends.
    Closed,
}

/// A process, and what Longshore says to it.
#[derive(Debug)]
pub(super) struct Life {
    process: Process,
    api: RuntimeApi,
    output: ProcessOutput,
    shared: Arc<Shared>,
    counted: CountedProcess,
}

impl Life {
    /// Starts a process with a Runtime API of its own.
    pub(super) async fn begin(shared: &Arc<Shared>) -> Result<Self, ProcessEnd> {
        let not_started = |words: String| ProcessEnd::NotStarted(words);
        let Some(program) = shared.program.get() else { return Err(ProcessEnd::Closed) };
        let api = RuntimeApi::serve(program.function_arn()).await;
        let api = api.map_err(|error| not_started(format!("no port for the runtime api: {error}")))?;
        let started = program.start(api.address());
        let mut process = started.map_err(|error| not_started(error.to_string()))?;
        let output = ProcessOutput::of(shared.queue.clone(), &mut process);
        if let Some(metrics) = shared.metrics.group() {
            events::ProcessStarted { queue: &shared.queue, process: process.id() }
                .emit(&metrics.process_starts);
        }
        let counted = shared.metrics.process(ProcessState::Starting);
        Ok(Self { process, api, output, shared: shared.clone(), counted })
    }

    /// Waits until the process asks for its first work.
    pub(super) async fn until_ready(&mut self) -> Result<(), ProcessEnd> {
        self.until_asked().await.map_err(ProcessEnd::NotStarted)
    }

    /// Gives it one invocation after the other; answers when that cannot go on.
    pub(super) async fn work(&mut self) -> ProcessEnd {
        loop {
            self.counted.turn(ProcessState::Idle);
            let order = tokio::select! {
                order = self.shared.order() => order,
                status = self.process.wait() => return ProcessEnd::Broken(ended(status)),
            };
            let Some(order) = order else { return ProcessEnd::Closed };
            self.counted.turn(ProcessState::Busy);
            if let Err(ending) = self.run(order).await {
                return ending;
            }
            if let Err(words) = self.until_asked().await {
                return ProcessEnd::Broken(words);
            }
        }
    }

    /// True if the process has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.api.conversation().has_answered()
    }

    /// Ends the process and everybody it started: SIGTERM, and SIGKILL after the grace.
    pub(super) async fn end(mut self, ending: &ProcessEnd) {
        let cause = match ending {
            ProcessEnd::Closed => ProcessExit::Expected,
            _ if self.process.has_ended() => ProcessExit::Crashed,
            _ => ProcessExit::Killed,
        };
        let status = self.process.end(self.shared.settings.grace.0).await;
        let (queue, process, how) = (&*self.shared.queue, self.process.id(), &*ended(status));
        if let Some(metrics) = self.shared.metrics.group() {
            events::ProcessEnded { queue, process, how, cause }.emit(&metrics.process_exits);
        }
    }

    /// Runs one invocation to its answer, whatever that is.
    async fn run(&mut self, order: QueuedInvocation) -> Result<(), ProcessEnd> {
        let given_up = order.given_up.clone();
        self.hand(order).await?;
        tokio::select! {
            biased;
            () = self.api.conversation().settled() => {}
            status = self.process.wait() => {
                // What it said last may not have been heard yet.
                self.api.finish().await;
                let words = ended(status);
                self.api.conversation().fail(InvocationFailure::Ended(words.clone()));
                return Err(ProcessEnd::Broken(words));
            }
            () = given_up.cancelled() => return Err(ProcessEnd::GivenUp),
        }
        if self.api.conversation().is_broken() {
            return Err(ProcessEnd::Broken(InvocationFailure::Unanswered.to_string()));
        }
        Ok(())
    }

    /// Hands over an order, to a process that asks again where the connection it asked on is gone.
    async fn hand(&mut self, mut order: QueuedInvocation) -> Result<(), ProcessEnd> {
        loop {
            let invocation = order.invocation.clone();
            self.output.belongs_to(invocation);
            match self.api.conversation().hand(order) {
                Ok(()) => return Ok(()),
                Err(returned) => order = returned,
            }
            if let Err(words) = self.until_asked().await {
                order.fail(InvocationFailure::Ended(words.clone()));
                return Err(ProcessEnd::Broken(words));
            }
        }
    }

    /// Waits until the process asks for work; `Err` says why it never will.
    async fn until_asked(&mut self) -> Result<(), String> {
        let limit = self.shared.settings.init_timeout;
        tokio::select! {
            biased;
            asked = self.api.conversation().asked() => match asked {
                Asked::ForWork => Ok(()),
                Asked::InitError(error) => {
                    // It ends by itself now, and may have more to say before.
                    drop(timeout(self.shared.settings.grace.0, self.process.wait()).await);
                    Err(init_error(&error))
                }
            },
            status = self.process.wait() => {
                self.api.finish().await;
                Err(self.last_words(&ended(status)))
            }
            () = sleep(limit.0) => Err(format!("the runtime did not ask for work within {limit}")),
        }
    }

    /// Why a process that has ended did not ask for work: a report may have come just before its end.
    fn last_words(&self, ended: &str) -> String {
        match self.api.conversation().asked().now_or_never() {
            Some(Asked::InitError(error)) => init_error(&error),
            _ => format!("the runtime ended before it asked for work: {ended}"),
        }
    }
}

fn init_error(error: &FunctionError) -> String {
    format!("the runtime reported an init error: {error}")
}

/// Describes the end of a process.
fn ended(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => signal_name(signal),
            (None, None) => "for no known reason".to_owned(),
        },
        Err(error) => format!("it could not be waited for: {error}"),
    }
}

/// The log of one process's output.
#[derive(Clone, Debug)]
pub(super) struct ProcessOutput {
    queue: Arc<str>,
    process: u32,
    /// The process's present or last activity.
    at: Arc<Mutex<Option<Arc<Invocation>>>>,
}

impl ProcessOutput {
    /// Passes on what the process writes from now on until its end.
    pub(super) fn of(queue: Arc<str>, process: &mut Process) -> Self {
        let output = Self { queue, process: process.id(), at: Arc::default() };
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

    /// Names the invocation that the next lines belong to.
    pub(super) fn belongs_to(&self, invocation: Arc<Invocation>) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(invocation);
    }

    fn write(&self, stream: &'static str, line: &str) {
        let at = self.at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _lines = at.as_ref().and_then(|invocation| invocation.place.as_ref()).map(TraceContext::enter);
        let (queue, process) = (&*self.queue, self.process);
        let request_id = at.as_ref().map(|invocation| invocation.id.as_str());
        let message_id = at.as_ref().and_then(|invocation| invocation.message_id.as_ref());
        let message_ids = at.as_ref().and_then(|invocation| invocation.message_ids.as_deref());
        let message_id = message_id.map(MessageId::as_str);
        events::FunctionOutput { queue, process, request_id, message_id, message_ids, stream, line }.emit();
    }
}
