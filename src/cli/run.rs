//! `longshore run`: the worker.

use clap::Args;

use super::{options::Options, output::Failure, runtime};
use crate::{
    config::{self, Purpose},
    worker,
};

/// Receives messages and hands each to the handler, until SIGTERM
#[derive(Args, Debug)]
pub(super) struct RunCommand {
    #[command(flatten)]
    options: Options,
}

impl RunCommand {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let config = config::load(&self.options.sources(), Purpose::Run)?;
        let traces = runtime::start_logging(&config)?;
        let worker = runtime::with_traces(worker::worker(&config.settings)?, traces);
        runtime::exit_result(runtime::run_small(worker.run())?)
    }
}
