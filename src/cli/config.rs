//! `longshore config`: the settings in force.

use clap::Args;

use super::{
    options::Options,
    output::{self, Failure},
};
use crate::config::{self, Purpose};

/// Shows the settings in force, each with its origin; secrets are hidden
#[derive(Args, Debug)]
pub(super) struct ConfigCommand {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    form: Form,
}

/// The output: the settings as TOML, unless another form is requested.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct Form {
    /// Show the settings as JSON: each key with its value and origin
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of the file instead
    #[arg(long)]
    schema: bool,
    /// Only check whether `run` would accept the settings
    #[arg(long)]
    check: bool,
}

impl ConfigCommand {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        if self.form.schema {
            return output::print_indented(&config::schema());
        }
        if self.form.check {
            let config = config::load(&self.options.sources(), Purpose::Run)?;
            output::print_notes(&config.overrides);
            return output::print_line(&success_message(config.settings.queues.len()));
        }
        let config = config::load(&self.options.sources(), Purpose::Inspect)?;
        if self.form.json {
            return output::print_indented(&config.to_json());
        }
        output::print(&config.to_text())
    }
}

fn success_message(queues: usize) -> String {
    match queues {
        1 => "the configuration is valid: 1 queue".to_owned(),
        queues => format!("the configuration is valid: {queues} queues"),
    }
}
