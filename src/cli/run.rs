//! `longshore run`: the worker.

use clap::Args;

use super::{failure::Failure, options::Options, telling, working};
use crate::{
    config::{self, Purpose},
    worker,
};

/// Receives messages and hands each to the handler, until SIGTERM
#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    options: Options,
}

impl Run {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let config = config::load(&self.options.sources(), Purpose::Work)?;
        let traces = telling::start(&config)?;
        let worker = telling::traced(worker::worker(&config.settings)?, traces);
        working::verdict(working::run_small(worker.run())?)
    }
}
