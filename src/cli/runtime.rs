//! The runtimes of the commands that run a worker, and the exit code of its end.

use std::{future::Future, io, time::Duration};

use tokio::runtime::Builder;

use super::output::{Exit, Failure};
use crate::{
    config::{self, Config},
    ecs,
    telemetry::{
        MetricsExport,
        logs::ShowEvent,
        metrics_export::MetricsPlan,
        otlp::{OtlpError, ResourcePlan},
        traces::Traces,
    },
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
        Self::of_error(exit, &error, error.hint().as_deref())
    }
}

/// The exports of telemetry to a collector, of one worker after another.
pub(super) struct Exporters {
    traces: Option<Traces>,
    metrics: Option<(MetricsPlan, ResourcePlan)>,
}

impl Exporters {
    /// The worker with its exports, if there are any: the spans of the process, and the metrics of this worker.
    pub(super) fn export(&self, worker: Worker) -> Result<Worker, Failure> {
        let worker = self.traces.iter().cloned().fold(worker, Worker::traces);
        let Some((plan, resource)) = &self.metrics else { return Ok(worker) };
        Ok(worker.export_metrics(MetricsExport::new(plan, resource.clone())?))
    }
}

/// Starts the log, and the exports that the environment configures.
pub(super) fn start_logging(config: &Config) -> Result<Exporters, Failure> {
    start_logging_as(config, None)
}

/// Starts the log, shown in another way than as lines on standard error if there is one, and the exports.
pub(super) fn start_logging_as(config: &Config, shown: Option<ShowEvent>) -> Result<Exporters, Failure> {
    let (log, exports) = (&config.settings.log, &config.exports);
    let resource =
        ResourcePlan::new(config::variable, Box::pin(ecs::resource(config::surroundings().metadata)));
    let metrics = exports.metrics.clone().map(|plan| (plan, resource.clone()));
    let Some(plan) = &exports.traces else {
        log.init_with(shown, None)?;
        return Ok(Exporters { traces: None, metrics });
    };
    let traces = Traces::start(plan, config.settings.traces, resource)?;
    log.init_with(shown, Some(&traces))?;
    Ok(Exporters { traces: Some(traces), metrics })
}

/// The worker with the signals that the program has listened for since its start.
pub(super) fn with_signals(worker: Worker, signals: Option<Signals>) -> Worker {
    match signals {
        Some(signals) => worker.signals(signals),
        None => worker,
    }
}

impl From<OtlpError> for Failure {
    fn from(error: OtlpError) -> Self {
        let exit = match &error {
            OtlpError::Variable(_) | OtlpError::Exporter(_) | OtlpError::Grpc(_) | OtlpError::Client(_) => {
                Exit::Usage
            }
            OtlpError::System(_) => Exit::Internal,
        };
        Self::of_error(exit, &error, error.hint())
    }
}
