//! Runs the program for one message: from its start to its end, even if the call is dropped.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use tempfile::TempPath;
use tokio::{fs::File, io::AsyncWriteExt as _, process::ChildStdin, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    ExecParts,
    environment::{self, ATTRIBUTES_BYTES, ATTRIBUTES_FILE, AttributeVariables, BODY_FILE},
    log::{Log, Stream},
    outcome, program,
};
use crate::{
    handler::{Context, Outcome, Unavailable, call_trace::CallTrace, timestamp::system_time},
    message::{AttributeContent, AttributeValue, BodyFile, Message},
    message_files::MessageFiles,
    process::{Command, Output, Process, StartError},
    shortage::Shortage,
    tasks,
    telemetry::{FailureCause, ProcessExit, ProcessState, events},
};

/// One run of a program.
pub(super) struct Run {
    pub(super) parts: Arc<ExecParts>,
    pub(super) message: Arc<Message>,
    /// The context of the call.
    pub(super) context: Context,
}

impl Run {
    /// Runs the program to its end; `stop` ends it early.
    pub(super) async fn outcome(self, stop: CancellationToken) -> Outcome {
        if stop.is_cancelled() {
            return Outcome::Retry("cancelled before the program was started".to_owned());
        }
        match start(&self.parts, &self.message, &self.context) {
            Ok(mut started) => self.supervise(&mut started.process, &stop).await,
            Err(failure) => {
                self.record_refusal(&failure);
                let outcome = failure.outcome();
                self.parts.metrics.failed_with(FailureCause::Spawn, &outcome);
                outcome
            }
        }
    }

    fn record_refusal(&self, failure: &StartFailure) {
        let ExecParts { settings, search_path, refused, .. } = &*self.parts;
        let StartFailure::Program(error) = failure else { return };
        if let Ok(Some(program)) = program::find(settings, search_path.as_deref()) {
            refused.record(&program, error);
        }
    }

    /// Writes the message to the program, logs its output, and waits until it has ended by itself or by `stop`.
    async fn supervise(&self, process: &mut Process, stop: &CancellationToken) -> Outcome {
        let ExecParts { settings, metrics, .. } = &*self.parts;
        let _counted = metrics.process(ProcessState::Busy);
        self.log_start(process);
        let log =
            Mutex::new(Log::new(self.context.queue.clone(), self.message.id.clone(), settings.output_bytes));
        let stdout = log_output(process.take_stdout(), Stream::Stdout, &log);
        let stderr = log_output(process.take_stderr(), Stream::Stderr, &log);
        let stdin = process.take_stdin();
        let ending = until_ended(self.write_body(stdin), wait_or_end(process, stop, settings.grace.0));
        let (status, (), ()) = tokio::join!(ending, stdout, stderr);
        let last_line = log.into_inner().unwrap_or_else(PoisonError::into_inner).end();
        match status {
            Ok(status) => {
                self.log_end(process, status, stop);
                outcome::outcome(settings, status, &last_line)
            }
            Err(error) => Outcome::Retry(format!("waiting for the program failed: {error}")),
        }
    }
}

impl Run {
    /// Writes the body to the program's input.
    async fn write_body(&self, stdin: Option<ChildStdin>) {
        let Some(mut stdin) = stdin else { return };
        // A program need not read its input: it may close it or end early.
        let written = match &self.message.body_file {
            None => stdin.write_all(self.message.body.as_bytes()).await,
            Some(file) => copy_file(file.path(), &mut stdin).await,
        };
        if let Err(error) = written {
            let (queue, message_id) = (&*self.context.queue, &self.message.id);
            events::InputUnread { queue, message_id, error: &error }.emit();
        }
    }

    fn log_start(&self, process: &Process) {
        let (queue, message_id, process) = (&*self.context.queue, &self.message.id, process.id());
        if let Some(metrics) = self.parts.metrics.group() {
            events::ProgramStarted { queue, message_id, process }.emit(&metrics.process_starts);
        }
    }

    /// Logs and counts the end of the program; one that was stopped is no failure.
    fn log_end(&self, process: &Process, status: ExitStatus, stop: &CancellationToken) {
        let ExecParts { settings, metrics, .. } = &*self.parts;
        let (cause, failure) = match outcome::failure(settings, status) {
            _ if stop.is_cancelled() => (ProcessExit::Killed, None),
            Some(FailureCause::Signal) => (ProcessExit::Crashed, Some(FailureCause::Signal)),
            failure => (ProcessExit::Expected, failure),
        };
        if let Some(failure) = failure {
            metrics.failed(failure);
        }
        let (queue, message_id, process) = (&*self.context.queue, &self.message.id, process.id());
        if let Some(metrics) = metrics.group() {
            events::ProgramEnded { queue, message_id, process, cause }.emit(&metrics.process_exits);
        }
    }
}

async fn copy_file(path: &Path, stdin: &mut ChildStdin) -> io::Result<()> {
    let mut file = File::open(path).await?;
    tokio::io::copy(&mut file, stdin).await.map(drop)
}

async fn log_output(output: Option<Output>, stream: Stream, log: &Mutex<Log>) {
    let Some(output) = output else { return };
    let lock = || log.lock().unwrap_or_else(PoisonError::into_inner);
    output.for_each_line(|line| lock().line(stream, &line)).await;
}

/// Waits for the program's end, and ends it when `stop` fires.
async fn wait_or_end(
    process: &mut Process,
    stop: &CancellationToken,
    grace: Duration,
) -> io::Result<ExitStatus> {
    tokio::select! {
        status = process.wait() => return status,
        () = stop.cancelled() => {}
    }
    process.end(grace).await
}

/// Writes to a program until it has ended.
async fn until_ended<T>(writing: impl Future<Output = ()>, ending: impl Future<Output = T>) -> T {
    tokio::pin!(ending);
    tokio::select! {
        ended = &mut ending => ended,
        () = writing => ending.await,
    }
}

/// The handle of one run, which its call holds.
///
/// Dropped, it stops the run and leaves it to the [`EndingRuns`]: a program takes longer to end than a call to be
/// dropped.
#[derive(Debug)]
pub(super) struct ProgramCall {
    /// `None` once the run has ended.
    run: Option<JoinHandle<Outcome>>,
    stop: CancellationToken,
    ending: EndingRuns,
}

impl ProgramCall {
    /// Starts a run, which ends its program when it is stopped.
    pub(super) fn start<F>(ending: &EndingRuns, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let run = tasks::detach("exec", run(stop.clone()));
        Self { run: Some(run), stop, ending: ending.clone() }
    }

    /// Requests that the run stops.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the run's end.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Some(run) = &mut self.run else { return Outcome::Retry("the run has ended".to_owned()) };
        let outcome = run.await;
        self.run = None;
        outcome.unwrap_or_else(|error| Outcome::Retry(format!("the run failed: {error}")))
    }
}

impl Drop for ProgramCall {
    fn drop(&mut self) {
        if let Some(run) = self.run.take_if(|run| !run.is_finished()) {
            self.stop.cancel();
            self.ending.lock().push(run);
        }
    }
}

/// The runs whose calls have ended while their programs are still ending.
///
/// Each new call first takes over one of these and waits for its end, so that there are never more programs than
/// concurrent calls allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct EndingRuns(Arc<Mutex<Vec<JoinHandle<Outcome>>>>);

impl EndingRuns {
    /// Waits until one of the programs has ended, if there is any.
    pub(super) async fn wait_for_one(&self) {
        if let Some(mut call) = self.take() {
            // Its outcome was decided when its call was dropped.
            drop(call.outcome().await);
        }
    }

    /// Waits until all of the programs have ended; if dropped before, it kills the rest.
    pub(super) async fn wait_for_all(&self) {
        let _rest = KillOnDrop(self);
        while let Some(mut call) = self.take() {
            drop(call.outcome().await);
        }
    }

    /// Takes over one run that has not ended; the handle returns it here if dropped before the end.
    fn take(&self) -> Option<ProgramCall> {
        let mut runs = self.lock();
        runs.retain(|run| !run.is_finished());
        let run = runs.pop()?;
        drop(runs);
        Some(ProgramCall { run: Some(run), stop: CancellationToken::new(), ending: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills the programs that have not ended when it is dropped.
struct KillOnDrop<'a>(&'a EndingRuns);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        // A run that is aborted drops its program, which kills it.
        self.0.lock().drain(..).for_each(|run| run.abort());
    }
}

/// A program that was started, with the files that it may read.
#[derive(Debug)]
pub(super) struct StartedProgram {
    /// First, so that it is dropped, and thereby killed, before its files are removed.
    pub(super) process: Process,
    _files: [Option<TempPath>; 2],
}

/// An error in starting the program for a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartFailure {
    /// The program could not be started, for this message or any other.
    #[error(transparent)]
    Program(#[from] StartError),
    /// A file that this message needs could not be written.
    #[error(
        "the file of the message's {what} could not be written in {}: {source}, hint: set temporary_directory to \
         one with room",
        directory.display()
    )]
    File { what: &'static str, directory: PathBuf, source: io::Error },
}

impl StartFailure {
    /// Messages that need no file can still be handled, so a failed write does not mean that the handler is down.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Program(error) => Unavailable::of_start(error).into(),
            Self::File { what, source, .. } if let Some(shortage) = Shortage::of(source) => {
                let reason = format!("no file for the message's {what}: {source}");
                Unavailable::by(Some(shortage), reason).into()
            }
            Self::File { .. } => Outcome::Retry(self.to_string()),
        }
    }
}

/// Starts the program for a message.
pub(super) fn start(
    parts: &ExecParts,
    message: &Message,
    context: &Context,
) -> Result<StartedProgram, StartFailure> {
    match start_with(parts, message, context, ATTRIBUTES_BYTES) {
        // The environment is too large: the program can read the attributes from their file instead.
        Err(StartFailure::Program(StartError::TooLarge { .. })) => start_with(parts, message, context, 0),
        started => started,
    }
}

fn start_with(
    parts: &ExecParts,
    message: &Message,
    context: &Context,
    attributes_bytes: usize,
) -> Result<StartedProgram, StartFailure> {
    let ExecParts { settings, queue_name, files, .. } = parts;
    let failed =
        |what| move |source| StartFailure::File { what, directory: files.parent().to_owned(), source };
    let attributes = AttributeVariables::of(message, attributes_bytes);
    let fetched = message.body_file.as_deref();
    let body_file = (fetched.is_none() && message.body.len() >= settings.body_file_bytes)
        .then(|| files.write(".body", message.body.as_bytes()));
    let body_file = body_file.transpose().map_err(failed("body"))?;
    let attributes_file = attributes.has_left_out().then(|| write_attributes(message, files));
    let attributes_file = attributes_file.transpose().map_err(failed("attributes"))?;
    let mut command = command(parts);
    for (name, value) in &attributes.variables {
        command = command.env(name, value);
    }
    let (deadline, traced) = (context.deadline.map(system_time), CallTrace::of(message, context));
    for (name, value) in environment::of_message(message, queue_name, deadline, traced) {
        command = with_variable(command, name, value);
    }
    let (left_out, value) = attributes.left_out();
    command = with_variable(command, left_out, value);
    command = with_variable(command, BODY_FILE, fetched.map(BodyFile::path).or(body_file.as_deref()));
    command = with_variable(command, ATTRIBUTES_FILE, attributes_file.as_deref());
    Ok(StartedProgram { process: command.spawn()?, _files: [body_file, attributes_file] })
}

/// The command of the settings, with their directory and environment.
fn command(ExecParts { settings, withheld, .. }: &ExecParts) -> Command {
    let mut arguments = settings.command.iter();
    let program = arguments.next().map_or("", String::as_str);
    let mut command = Command::new(program).args(arguments).with_stdin();
    if let Some(directory) = &settings.directory {
        command = command.directory(directory);
    }
    for name in withheld {
        command = command.without_env(name);
    }
    for (name, value) in &settings.env {
        command = command.env(name, value);
    }
    command
}

/// Sets a variable, or removes one that would be inherited from Longshore.
fn with_variable(command: Command, name: &str, value: Option<impl AsRef<std::ffi::OsStr>>) -> Command {
    match value {
        Some(value) => command.env(name, value),
        None => command.without_env(name),
    }
}

/// Writes all attributes into a file, in the format of Lambda's event.
fn write_attributes(message: &Message, files: &MessageFiles) -> io::Result<TempPath> {
    let entries: BTreeMap<&str, Entry<'_>> =
        message.attributes.iter().map(|(name, value)| (name.as_str(), Entry::of(value))).collect();
    files.write(".json", &serde_json::to_vec(&entries)?)
}

/// One attribute, with the field names of Lambda's event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    data_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

impl<'a> Entry<'a> {
    fn of(value: &'a AttributeValue) -> Self {
        let binary_value = match &value.content {
            AttributeContent::Text(_) => None,
            AttributeContent::Bytes(bytes) => Some(BASE64_STANDARD.encode(bytes)),
        };
        Self { data_type: &value.data_type, string_value: value.text(), binary_value }
    }
}
