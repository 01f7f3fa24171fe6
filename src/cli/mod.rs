//! The commands.

use std::process::ExitCode;

/// Runs the command line and answers its exit code.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
