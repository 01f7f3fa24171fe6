//! The commands.

mod admin_client;
mod check;
mod config;
pub(crate) mod dev;
mod dlq;
mod emulator;
mod healthcheck;
mod init;
mod options;
mod output;
mod pause;
mod resume;
mod run;
mod runtime;
mod scale;
mod send;
mod shells;
mod top;
mod trace;

use std::{env, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

pub use self::output::{Exit, Failure};
use crate::{
    process,
    worker::{Signals, WorkerError},
};

/// The version, and the revision in brackets where the build knows it.
const VERSION: &str = match option_env!("LONGSHORE_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

/// Runs SQS consumers as long-running containers: leases kept while handlers run, nothing lost, nothing silent.
#[derive(Debug, Parser)]
#[command(name = "longshore", version = VERSION, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

const EXIT_CODES: &str = "\
Exit codes: 0 drained · 64 bad usage or configuration · 69 a dependency is unreachable · 70 internal error · \
75 stopped before all was drained";

#[derive(Debug, Subcommand)]
enum CliCommand {
    Run(run::RunCommand),
    Dev(dev::Dev),
    Init(init::Init),
    Emulator(emulator::EmulatorCommand),
    Check(check::Check),
    Config(config::ConfigCommand),
    Healthcheck(healthcheck::Healthcheck),
    Send(send::Send),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Scale(scale::Scale),
    Dlq(dlq::DlqCommand),
    Trace(trace::TraceCommand),
    Top(top::TopCommand),
    Completions(shells::Completions),
    Man(shells::Man),
}

/// The commands that run a worker, which signals drain; the other commands end by them.
const WORKING_COMMANDS: [&str; 2] = ["run", "dev"];

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    // First of all, even before the command line is parsed: until now a signal ends the process with no exit code.
    let is_working =
        env::args_os().nth(1).is_some_and(|command| WORKING_COMMANDS.iter().any(|name| command == *name));
    let signals = if is_working { Signals::listen_early().map(Some) } else { Ok(None) };
    process::raise_open_files();
    let ended = match (Cli::try_parse(), signals) {
        (Ok(cli), Ok(signals)) => execute(cli.command, signals),
        (Ok(_), Err(error)) => Err(WorkerError::System(error).into()),
        (Err(message), _) => output::print_usage(&message),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn execute(command: CliCommand, signals: Option<Signals>) -> Result<(), Failure> {
    match command {
        CliCommand::Run(run) => run.execute(signals),
        CliCommand::Dev(dev) => dev.execute(signals),
        CliCommand::Init(init) => init.execute(),
        CliCommand::Completions(completions) => completions.execute(Cli::command()),
        CliCommand::Man(man) => man.execute(Cli::command()),
        CliCommand::Emulator(emulator) => emulator.execute(),
        CliCommand::Check(check) => check.execute(),
        CliCommand::Config(config) => config.execute(),
        CliCommand::Healthcheck(healthcheck) => healthcheck.execute(),
        CliCommand::Send(send) => send.execute(),
        CliCommand::Pause(pause) => pause.execute(),
        CliCommand::Resume(resume) => resume.execute(),
        CliCommand::Scale(scale) => scale.execute(),
        CliCommand::Dlq(dlq) => dlq.execute(),
        CliCommand::Trace(trace) => trace.execute(),
        CliCommand::Top(top) => top.execute(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FLAGS;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_the_configuration_is_a_flag_of_run_and_dev() {
        let cli = Cli::command();
        for command in ["run", "dev", "check", "config"] {
            let command = cli.find_subcommand(command).unwrap();
            for flag in FLAGS {
                let name = flag.name.trim_start_matches("--");
                assert!(command.get_arguments().any(|argument| argument.get_long() == Some(name)), "{name}");
            }
        }
    }
}
