//! Starts the log of a command, and its traces where they are on.

use super::failure::{Exit, Failure};
use crate::{
    config::{self, Config},
    ecs,
    telemetry::traces::{Traces, TracesError},
    worker::Worker,
};

/// Starts the log, and the traces if the environment says where they go.
pub(super) fn start(config: &Config) -> Result<Option<Traces>, Failure> {
    let log = &config.settings.log;
    let Some(plan) = &config.traces else {
        log.init()?;
        return Ok(None);
    };
    let place = Box::pin(ecs::resource(config::surroundings().metadata));
    let traces = Traces::start(plan, config.settings.traces, place)?;
    log.init_with(&traces)?;
    Ok(Some(traces))
}

/// The worker with its traces, if there are any.
pub(super) fn traced(worker: Worker, traces: Option<Traces>) -> Worker {
    match traces {
        Some(traces) => worker.traces(traces),
        None => worker,
    }
}

impl From<TracesError> for Failure {
    fn from(error: TracesError) -> Self {
        let exit = match &error {
            TracesError::Exporter(_) | TracesError::Client(_) => Exit::Usage,
            TracesError::System(_) => Exit::Internal,
        };
        let text = error.to_string();
        match text.split_once(", hint: ") {
            Some((message, hint)) => Self::new(exit, message).hint(hint),
            None => Self::new(exit, text),
        }
    }
}
