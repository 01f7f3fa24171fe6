//! `longshore check`: checks everything that a worker depends on before it starts.

use clap::{Args, ValueEnum};

use super::{
    options::Options,
    output::{self, Exit, Failure},
    runtime,
};
use crate::{
    config::{self, Purpose},
    worker::{
        self,
        preflight::{Report, Verdict},
    },
};

/// Checks everything the worker depends on before a start, and changes nothing: exit code 0 if it would work, 64 or 69 if not
#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    options: Options,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

/// The form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl Check {
    pub(super) fn execute(&self) -> Result<(), Failure> {
        let report = match config::load(&self.options.sources(), Purpose::Run) {
            Ok(config) => {
                output::print_notes(&config.overrides);
                let surroundings = config::surroundings();
                runtime::run_small(worker::preflight::preflight(&config.settings, &surroundings))?
            }
            Err(problems) => worker::preflight::of_problems(&problems),
        };
        self.show(&report)?;
        exit_result(&report)
    }

    fn show(&self, report: &Report) -> Result<(), Failure> {
        match self.format {
            ReportFormat::Text => output::print_line(report.to_text().trim_end()),
            ReportFormat::Json => output::print_indented(&report.to_json()),
        }
    }
}

/// Converts the report to the result of the command; it is printed already.
fn exit_result(report: &Report) -> Result<(), Failure> {
    match report.verdict() {
        Verdict::Fit => Ok(()),
        Verdict::Unavailable => Err(Failure::new(Exit::Unavailable, "")),
        Verdict::Misconfigured => Err(Failure::new(Exit::Usage, "")),
    }
}
