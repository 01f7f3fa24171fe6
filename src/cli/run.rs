//! `longshore run`: the worker.

use clap::Args;

use super::{
    failure::{Exit, Failure},
    options::Options,
};
use crate::config::{self, Config, Purpose};

/// Receives messages and hands each to the handler, until SIGTERM
#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    options: Options,
}

impl Run {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let config = config::load(&self.options.sources(), Purpose::Work)?;
        config.settings.log.init().map_err(|error| Failure::new(Exit::Internal, error.to_string()))?;
        work(&config)
    }
}

fn work(_config: &Config) -> Result<(), Failure> {
    Err(Failure::new(Exit::Internal, "not wired"))
}
