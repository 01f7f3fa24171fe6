//! `longshore run`: the worker.

use clap::Args;

use super::{VERSION, options::Options, output::Failure, runtime};
use crate::{
    config::{self, Config, Purpose},
    telemetry::events,
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
        announce(&config);
        let worker = exporters.export(worker::worker(&config.settings)?)?;
        let reload = Reload::new(self.options.sources(), Purpose::Run, &config.settings);
        let worker = runtime::with_signals(worker, signals).reload(reload);
        runtime::exit_result(runtime::run_small(worker.run())?)
    }
}

/// The most queues that the first line names.
const NAMED_QUEUES: usize = 20;

/// Logs what starts, and the settings that flags override.
fn announce(config: &Config) {
    let all: Vec<_> = config.settings.queues.keys().map(String::as_str).collect();
    let (named, others) = all.split_at(all.len().min(NAMED_QUEUES));
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    let file = config.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
    let queues = &format!("{}{more}", named.join(", "));
    events::Starting { version: VERSION, configuration: &file, queues }.emit();
    for details in &config.overrides {
        events::SettingOverridden { details }.emit();
    }
}
