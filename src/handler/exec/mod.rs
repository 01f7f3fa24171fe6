//! The `exec` kind: a program is started for each message.
//!
//! The program reads the body, byte for byte, on its standard input, and the other fields in its environment. Its
//! output is logged. `docs/exec-handler.md` has the tables of variables and outcomes,
//! `tests/exec_handler/index.md` the test of each line; in short:
//!
//! | the program | the outcome |
//! |---|---|
//! | exits with a code of `done` (0) | [`Outcome::Done`] |
//! | exits with a code of `reject` (65) | [`Outcome::Reject`] |
//! | exits with a code of `retry` (75), or any other | [`Outcome::Retry`], with the last line of its standard error |
//! | is ended by a signal | [`Outcome::Retry`], with the signal's name |
//! | cannot be started | [`Outcome::Down`]: polling pauses until the program is found |
//! | could not be started, nor could any other | [`Outcome::ShortOfResources`]: it waits until one can |
//!
//! A call that is cancelled or dropped (a lost lease, the queue's time limit, the end of the drain) ends the
//! program with its whole process group: SIGTERM, then SIGKILL after `grace`. That may outlast the call, and until
//! then the program counts towards the concurrency: a new one is started only when an old one has ended.

mod environment;
mod log;
mod outcome;
mod program;
mod run;
mod settings;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/exec.rs"]
pub(crate) mod fuzz;

use std::{ffi::OsString, sync::Arc};

use futures_util::future::{self, BoxFuture, FutureExt as _};

pub use self::settings::{Others, Settings};
use self::{
    program::RefusedProgram,
    run::{EndingRuns, ProgramCall, Run},
};
use super::{
    AnyHandler, Batch, Context, Outcome, Outcomes, Unavailable,
    any::{ErasedHandler, FetchedForm, HandlerProfile, handle_single},
    metrics::{FailureCounter, KindMetrics, ProcessMetrics},
};
use crate::{
    message::Message,
    message_files::MessageFiles,
    process,
    settings::Problems,
    telemetry::{HandlerKind, MetricScope, ProcessState, context::TraceContext, spans::Trace},
};

/// A handler that starts a program for each message.
#[derive(Debug)]
pub struct ExecHandler {
    parts: Arc<ExecParts>,
    ending: EndingRuns,
}

/// The state that every run shares.
#[derive(Clone, Debug)]
struct ExecParts {
    settings: Settings,
    queue_name: Box<str>,
    search_path: Option<OsString>,
    /// Longshore's variables that the program does not inherit.
    withheld: Vec<OsString>,
    files: Arc<MessageFiles>,
    refused: RefusedProgram,
    metrics: KindMetrics<ProcessMetrics>,
}

/// An error in creating a handler of the `exec` kind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The settings are invalid.
    #[error("the exec handler's settings have {0}")]
    Settings(Problems),
}

impl ExecHandler {
    /// Creates the handler; `queue_name` is the queue's name in SQS, which the program finds in a variable.
    ///
    /// Starts nothing yet, and needs no runtime.
    pub fn new(settings: Settings, queue_name: impl Into<Box<str>>) -> Result<Self, ExecError> {
        Problems::refuse(settings.validate()).map_err(ExecError::Settings)?;
        let (queue_name, refused, metrics) =
            (queue_name.into(), RefusedProgram::default(), KindMetrics::default());
        let files = Arc::new(MessageFiles::under(settings.temporary_directory.clone()));
        let (search_path, withheld) = (None, Vec::new());
        let parts =
            Arc::new(ExecParts { settings, queue_name, search_path, withheld, files, refused, metrics });
        Ok(Self { parts, ending: EndingRuns::default() })
    }

    /// Sets the `PATH` in which the probe looks for a program given by its name; without it the probe of such a program
    /// succeeds.
    #[must_use]
    pub fn search_path(mut self, path: Option<OsString>) -> Self {
        Arc::make_mut(&mut self.parts).search_path = path;
        self
    }

    /// Removes these variables from the program's environment, except those of the setting `inherit`.
    #[must_use]
    pub fn without_variables(mut self, names: impl IntoIterator<Item = OsString>) -> Self {
        let parts = Arc::make_mut(&mut self.parts);
        parts.withheld = process::withheld(names, &parts.settings.inherit);
        self
    }

    async fn handle(&self, message: Arc<Message>, context: Context) -> Outcome {
        tokio::select! {
            () = self.ending.wait_for_one() => {}
            () = context.cancelled() => return Outcome::Retry("cancelled while an earlier program ended".to_owned()),
        }
        let log_context = Trace::log_context(context.trace(), &message);
        let run = Run { parts: self.parts.clone(), message, context: context.clone() };
        let run = |stop| TraceContext::within(log_context.as_ref(), run.outcome(stop));
        let mut call = ProgramCall::start(&self.ending, run);
        tokio::select! {
            outcome = call.outcome() => return outcome,
            () = context.cancelled() => {}
        }
        call.stop();
        call.outcome().await
    }

    /// Checks that the program is there, and that the system would start one.
    fn check(&self) -> Result<(), Unavailable> {
        self.find_program()?;
        process::try_start().map_err(|error| Unavailable::of_start(&error))
    }

    fn find_program(&self) -> Result<(), String> {
        let ExecParts { settings, search_path, refused, .. } = &*self.parts;
        let program = program::find(settings, search_path.as_deref()).map_err(|error| error.reason())?;
        if let Some(reason) = program.and_then(|program| refused.reason(&program)) {
            return Err(reason);
        }
        match settings.temporary_directory.as_ref().filter(|directory| !program::is_writable(directory)) {
            Some(directory) => Err(format!(
                "no directory that can be written to: {}, hint: make it, or set another temporary_directory",
                directory.display()
            )),
            None => Ok(()),
        }
    }
}

impl From<ExecHandler> for AnyHandler {
    fn from(handler: ExecHandler) -> Self {
        let profile = HandlerProfile { fetched: FetchedForm::File, ..HandlerProfile::default() };
        Self::built_in(handler, profile)
    }
}

impl ErasedHandler for ExecHandler {
    fn call(&self, batch: Batch, _: Context) -> BoxFuture<'_, Outcomes> {
        handle_single(batch, |message, context| self.handle(message, context))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), Unavailable>> {
        // Starting a program needs a runtime, which only a polled future surely has.
        future::lazy(|_| {
            // The first probe is before the first message.
            self.parts.files.remove_left_behind();
            self.check()
        })
        .boxed()
    }

    /// Waits for the programs whose calls have ended, each for at most its `grace`.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.ending.wait_for_all())
    }

    fn register_metrics(&self, scope: &MetricScope) -> FailureCounter {
        let failures = self.parts.metrics.begin(scope, HandlerKind::Exec);
        if let Some(metrics) = self.parts.metrics.group() {
            metrics.begin(&[ProcessState::Busy]);
        }
        failures
    }
}
