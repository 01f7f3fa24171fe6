//! `longshore run`: the worker.

use clap::Args;

use super::{options::Options, output::Failure, runtime};
use crate::{
    config::{self, Purpose},
    worker::{self, Reload, Signals},
};

/// Receives messages and hands each to the handler, until SIGTERM
#[derive(Args, Debug)]
pub(super) struct RunCommand {
    #[command(flatten)]
    options: Options,
}

impl RunCommand {
    pub(super) fn execute(&self, signals: Option<Signals>) -> Result<(), Failure> {
        let config = config::load(&self.options.sources(), Purpose::Run)?;
        let exporters = runtime::start_logging(&config)?;
        let worker = runtime::with_exporters(worker::worker(&config.settings)?, exporters);
        let reload = Reload::new(self.options.sources(), Purpose::Run, &config.settings);
        let worker = runtime::with_signals(worker, signals).reload(reload);
        runtime::exit_result(runtime::run_small(worker.run())?)
    }
}
