//! What the commands that work have in common: their runtimes, and what an end of the work means.

use std::io;

use tokio::runtime::{Builder, Runtime};

use super::failure::{Exit, Failure};
use crate::app::{Drained, WorkerError};

/// A runtime for a command that mostly waits; the worker brings its own thread.
pub(super) fn small_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(|error| no_runtime(&error))
}

/// A runtime for a command that serves and works at once.
pub(super) fn large_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().enable_all().build().map_err(|error| no_runtime(&error))
}

fn no_runtime(error: &io::Error) -> Failure {
    Failure::new(Exit::Internal, format!("no runtime to be had from the system: {error}"))
}

/// What the end of a worker means for the process.
pub(super) fn verdict(ended: Result<Drained, WorkerError>) -> Result<(), Failure> {
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
            WorkerError::NoQueue | WorkerError::Address { .. } | WorkerError::Handler { .. } => Exit::Usage,
            WorkerError::Queue { .. } | WorkerError::Admin { .. } => Exit::Unavailable,
            WorkerError::System(_) | WorkerError::Fault(_) => Exit::Internal,
        };
        // The hint is in the error's own words, as everywhere in the library; here it gets its own line.
        let text = error.to_string();
        match text.split_once(", hint: ") {
            Some((message, hint)) => Self::new(exit, message).hint(hint),
            None => Self::new(exit, text),
        }
    }
}
