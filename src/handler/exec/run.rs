//! One run of the program: from its start to its end, whatever becomes of the call.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use tempfile::{Builder, TempPath};
use tokio::{io::AsyncWriteExt as _, process::ChildStdin, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    ExecParts,
    environment::{self, ATTRIBUTES_BYTES, ATTRIBUTES_FILE, AttributeVariables, BODY_FILE},
    log::{Log, Stream},
    outcome, program,
};
use crate::{
    handler::{Context, Outcome, call_trace::CallTrace, timestamp::on_the_wall},
    message::{AttributeContent, AttributeValue, Message},
    process::{Command, Output, Process, StartError},
    tasks,
    telemetry::{FailureCause, ProcessExit, ProcessState, events},
};

/// One run of a program.
pub(super) struct Run {
    pub(super) parts: Arc<ExecParts>,
    pub(super) message: Arc<Message>,
    /// The circumstances of the call.
    pub(super) context: Context,
}

impl Run {
    /// Runs the program to its end; `stop` ends it early.
    pub(super) async fn outcome(self, stop: CancellationToken) -> Outcome {
        if stop.is_cancelled() {
            return Outcome::Retry("cancelled before the program was started".to_owned());
        }
        match start(&self.parts, &self.message, &self.context) {
            Ok(mut started) => self.attend(&mut started.process, &stop).await,
            Err(obstacle) => {
                self.remember(&obstacle);
                self.parts.metrics.failed(FailureCause::Spawn);
                obstacle.outcome()
            }
        }
    }

    fn remember(&self, obstacle: &Obstacle) {
        let ExecParts { settings, search_path, refused, .. } = &*self.parts;
        let Obstacle::Start(error) = obstacle else { return };
        if let Ok(Some(program)) = program::find(settings, search_path.as_deref()) {
            refused.note(&program, error);
        }
    }

    /// Feeds the program its message, logs what it writes, and waits for its end or brings it about.
    async fn attend(&self, process: &mut Process, stop: &CancellationToken) -> Outcome {
        let ExecParts { settings, metrics, .. } = &*self.parts;
        let _counted = metrics.process(ProcessState::Busy);
        self.log_start(process);
        let log =
            Mutex::new(Log::new(self.context.queue.clone(), self.message.id.clone(), settings.output_bytes));
        let stdout = logged(process.take_stdout(), Stream::Stdout, &log);
        let stderr = logged(process.take_stderr(), Stream::Stderr, &log);
        let stdin = process.take_stdin();
        let ending = fed(self.feed(stdin), ended(process, stop, settings.grace.0));
        let (status, (), ()) = tokio::join!(ending, stdout, stderr);
        let last_words = log.into_inner().unwrap_or_else(PoisonError::into_inner).end();
        match status {
            Ok(status) => {
                self.log_end(process, status, stop);
                outcome::outcome(settings, status, &last_words)
            }
            Err(error) => Outcome::Retry(format!("the program's end was not heard: {error}")),
        }
    }
}

impl Run {
    /// Writes the body to the program's input.
    async fn feed(&self, stdin: Option<ChildStdin>) {
        let Some(mut stdin) = stdin else { return };
        // A program need not read its input: it may close it, or end, before all of it was written.
        if let Err(error) = stdin.write_all(self.message.body.as_bytes()).await {
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

    /// A program that was stopped has not failed by itself.
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

async fn logged(output: Option<Output>, stream: Stream, log: &Mutex<Log>) {
    let Some(output) = output else { return };
    let lock = || log.lock().unwrap_or_else(PoisonError::into_inner);
    output.for_each_line(|line| lock().line(stream, &line)).await;
}

/// Waits for the program's end, and ends it when `stop` fires.
async fn ended(process: &mut Process, stop: &CancellationToken, grace: Duration) -> io::Result<ExitStatus> {
    tokio::select! {
        status = process.wait() => return status,
        () = stop.cancelled() => {}
    }
    process.end(grace).await
}

/// Feeds a program for as long as it has not ended.
async fn fed<T>(feeding: impl Future<Output = ()>, ending: impl Future<Output = T>) -> T {
    tokio::pin!(ending);
    tokio::select! {
        ended = &mut ending => ended,
        () = feeding => ending.await,
    }
}

/// One run of a program, as its call sees it.
///
/// A call that is dropped stops its run and leaves it to the [`Leftovers`]: a program takes longer to end
/// than a call to be dropped.
#[derive(Debug)]
pub(super) struct ProgramCall {
    /// There until the run has ended.
    run: Option<JoinHandle<Outcome>>,
    stop: CancellationToken,
    leftovers: Leftovers,
}

impl ProgramCall {
    /// Starts a run, which ends its program when it is stopped.
    pub(super) fn start<F>(leftovers: &Leftovers, run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let run = tasks::detach("exec", run(stop.clone()));
        Self { run: Some(run), stop, leftovers: leftovers.clone() }
    }

    /// Tells the run to stop.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the run's end.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Some(run) = &mut self.run else { return Outcome::Retry("the run has ended".to_owned()) };
        let outcome = run.await;
        self.run = None;
        outcome.unwrap_or_else(|error| Outcome::Retry(format!("the run broke off: {error}")))
    }
}

impl Drop for ProgramCall {
    fn drop(&mut self) {
        if let Some(run) = self.run.take_if(|run| !run.is_finished()) {
            self.stop.cancel();
            self.leftovers.lock().push(run);
        }
    }
}

/// The runs whose calls are over and whose programs still end.
///
/// There are never more programs than calls allowed at once: each new call first takes one of these over and
/// waits for its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers(Arc<Mutex<Vec<JoinHandle<Outcome>>>>);

impl Leftovers {
    /// Waits until a program may be started in the place of one that still ends, if there is any.
    pub(super) async fn make_room(&self) {
        if let Some(mut call) = self.take() {
            // Its outcome was decided when its call was dropped.
            drop(call.outcome().await);
        }
    }

    /// Waits until the last program has ended.
    pub(super) async fn ended(&self) {
        while let Some(mut call) = self.take() {
            drop(call.outcome().await);
        }
    }

    /// Takes over one run that has not ended; dropped before its end, it comes back.
    fn take(&self) -> Option<ProgramCall> {
        let mut runs = self.lock();
        runs.retain(|run| !run.is_finished());
        let run = runs.pop()?;
        drop(runs);
        Some(ProgramCall { run: Some(run), stop: CancellationToken::new(), leftovers: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that was started, with the files that it may read.
#[derive(Debug)]
pub(super) struct Started {
    /// Dropped, and with that killed, before its files are removed.
    pub(super) process: Process,
    _files: [Option<TempPath>; 2],
}

/// Why there is no program that reads the message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    /// It could not be started, for this message or any other.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This message needs a file, and there can be none.
    #[error(
        "the file of the message's {what} could not be written in {}: {source}, hint: set temporary_directory to \
         one with room",
        place.display()
    )]
    File { what: &'static str, place: PathBuf, source: io::Error },
}

impl Obstacle {
    /// Other messages need no file, so the handler is not down for the want of one.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Start(_) => Outcome::Down(self.to_string()),
            Self::File { .. } => Outcome::Retry(self.to_string()),
        }
    }
}

/// Starts the program for a message.
pub(super) fn start(parts: &ExecParts, message: &Message, context: &Context) -> Result<Started, Obstacle> {
    match start_with(parts, message, context, ATTRIBUTES_BYTES) {
        // Whatever else there is in the environment, the attributes can be read from their file.
        Err(Obstacle::Start(StartError::TooLarge { .. })) => start_with(parts, message, context, 0),
        started => started,
    }
}

fn start_with(
    parts: &ExecParts,
    message: &Message,
    context: &Context,
    room_bytes: usize,
) -> Result<Started, Obstacle> {
    let ExecParts { settings, queue_name, .. } = parts;
    let directory = settings.temporary_directory.as_deref();
    let failed = |what| move |source| Obstacle::File { what, place: place(directory), source };
    let attributes = AttributeVariables::of(message, room_bytes);
    let body_file = (message.body.len() >= settings.body_file_bytes).then(|| write_body(message, directory));
    let body_file = body_file.transpose().map_err(failed("body"))?;
    let attributes_file = attributes.are_left_out().then(|| write_attributes(message, directory));
    let attributes_file = attributes_file.transpose().map_err(failed("attributes"))?;
    let mut command = command(parts);
    for (name, value) in &attributes.variables {
        command = command.env(name, value);
    }
    let (deadline, traced) = (context.deadline.map(on_the_wall), CallTrace::of(message, context));
    for (name, value) in environment::of_message(message, queue_name, deadline, traced) {
        command = with(command, name, value);
    }
    let (left_out, value) = attributes.left_out();
    command = with(command, left_out, value);
    command = with(command, BODY_FILE, body_file.as_deref());
    command = with(command, ATTRIBUTES_FILE, attributes_file.as_deref());
    Ok(Started { process: command.spawn()?, _files: [body_file, attributes_file] })
}

/// The program as the settings have it.
fn command(ExecParts { settings, .. }: &ExecParts) -> Command {
    let mut words = settings.command.iter();
    let mut command = Command::new(words.next().map_or("", String::as_str)).args(words).with_stdin();
    if let Some(directory) = &settings.directory {
        command = command.directory(directory);
    }
    for (name, value) in &settings.env {
        command = command.env(name, value);
    }
    command
}

/// Sets a variable, or takes away the one that Longshore itself was started with.
fn with(command: Command, name: &str, value: Option<impl AsRef<std::ffi::OsStr>>) -> Command {
    match value {
        Some(value) => command.env(name, value),
        None => command.without_env(name),
    }
}

fn place(directory: Option<&Path>) -> PathBuf {
    directory.map_or_else(std::env::temp_dir, Path::to_path_buf)
}

/// Writes the body into a file that nobody else may read, and that goes with the path.
fn write_body(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
    write(directory, ".body", message.body.as_bytes())
}

/// Writes all attributes into such a file, as Lambda's event has them.
fn write_attributes(message: &Message, directory: Option<&Path>) -> io::Result<TempPath> {
    let entries: BTreeMap<&str, Entry<'_>> =
        message.attributes.iter().map(|(name, value)| (name.as_str(), Entry::of(value))).collect();
    write(directory, ".json", &serde_json::to_vec(&entries)?)
}

fn write(directory: Option<&Path>, suffix: &str, bytes: &[u8]) -> io::Result<TempPath> {
    let mut builder = Builder::new();
    builder.prefix("longshore-").suffix(suffix);
    let mut file = match directory {
        Some(directory) => builder.tempfile_in(directory)?,
        None => builder.tempfile()?,
    };
    file.write_all(bytes)?;
    Ok(file.into_temp_path())
}

/// One attribute, by the names of Lambda's event.
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
