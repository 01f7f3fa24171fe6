//! `longshore run`: the worker.

use clap::Args;

use super::{failure::Failure, logging, options::Options, runtime};
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
        let config = config::load(&self.options.sources(), Purpose::Work)?;
        let traces = logging::start(&config)?;
        let worker = logging::traced(worker::worker(&config.settings)?, traces);
        runtime::verdict(runtime::run_small(worker.run())?)
    }
}
