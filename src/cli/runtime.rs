//! The runtimes of the commands that run a worker, and the exit code of its end.

use std::{future::Future, io, time::Duration};

use tokio::runtime::Builder;

use super::output::{Exit, Failure};
use crate::{
    config::{self, Config},
    ecs,
    telemetry::traces::{Traces, TracesError},
    worker::{Drained, Signals, Worker, WorkerError},
};

/// The time that a command waits at its end for calls that block, such as the look-up of a handler's host.
const BLOCKING_LIMIT: Duration = Duration::from_secs(1);

/// Runs a command that mostly waits; the worker's engine has a thread of its own.
pub(super) fn run_small<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run_on(Builder::new_current_thread(), work)
}

/// Runs a command that serves requests and runs handlers at once.
pub(super) fn run_large<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run_on(Builder::new_multi_thread(), work)
}

fn run_on<T>(mut builder: Builder, work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = builder.enable_all().build().map_err(|error| no_runtime(&error))?;
    let answer = runtime.block_on(work);
    runtime.shutdown_timeout(BLOCKING_LIMIT);
    Ok(answer)
}

fn no_runtime(error: &io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("the async runtime could not be started: {error}"))
}

/// Converts the end of a worker to the result of the command.
pub(super) fn exit_result(ended: Result<Drained, WorkerError>) -> Result<(), Failure> {
    match ended? {
        Drained::All => Ok(()),
        Drained::Partly { held } => Err(Failure::new(
            Exit::Unfinished,
            format!("stopped before all was drained: {held} messages come back after their visibility"),
        )),
    }
}

impl From<WorkerError> for Failure {
    fn from(error: WorkerError) -> Self {
        let exit = match &error {
            WorkerError::NoQueue
            | WorkerError::Duplicate { .. }
            | WorkerError::Settings { .. }
            | WorkerError::Address { .. }
            | WorkerError::Region { .. }
            | WorkerError::Handler { .. }
            | WorkerError::UnfitDlq { .. } => Exit::Usage,
            WorkerError::Queue { .. }
            | WorkerError::Unanswered { .. }
            | WorkerError::Dlq { .. }
            | WorkerError::Credentials { .. }
            | WorkerError::Admin { .. } => Exit::Unavailable,
            WorkerError::System(_) | WorkerError::Fault(_) => Exit::Internal,
        };
        Self::of_error(exit, &error, error.hint())
    }
}

/// Starts the log, and traces if the environment configures them.
pub(super) fn start_logging(config: &Config) -> Result<Option<Traces>, Failure> {
    let log = &config.settings.log;
    let Some(plan) = &config.traces else {
        log.init()?;
        return Ok(None);
    };
    let detected = Box::pin(ecs::resource(config::surroundings().metadata));
    let traces = Traces::start(plan, config.settings.traces, detected)?;
    log.init_with(&traces)?;
    Ok(Some(traces))
}

/// The worker with its traces, if there are any.
pub(super) fn with_traces(worker: Worker, traces: Option<Traces>) -> Worker {
    match traces {
        Some(traces) => worker.traces(traces),
        None => worker,
    }
}

/// The worker with the signals that the program has listened for since its start.
pub(super) fn with_signals(worker: Worker, signals: Option<Signals>) -> Worker {
    match signals {
        Some(signals) => worker.signals(signals),
        None => worker,
    }
}

impl From<TracesError> for Failure {
    fn from(error: TracesError) -> Self {
        let exit = match &error {
            TracesError::Exporter(_) | TracesError::Client(_) => Exit::Usage,
            TracesError::System(_) => Exit::Internal,
        };
        Self::of_error(exit, &error, error.hint())
    }
}
