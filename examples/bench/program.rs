//! Runs the programs of the benchmarks, each of which prints its figures as one line of JSON.

use std::{error::Error, process::Command};

use serde_json::Value;

use super::server::beside;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Runs a program of the benchmarks, pinned to a core if one is given.
pub(crate) fn run(program: &str, words: &[&str], core: Option<usize>) -> Result<Value, Failure> {
    let path = beside(program)?;
    let mut command = match core {
        None => Command::new(path),
        Some(core) => {
            let mut pinned = Command::new("taskset");
            pinned.args(["--cpu-list", &core.to_string()]).arg(path);
            pinned
        }
    };
    let output = command.args(words).output()?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} {words:?} failed: {}\n{log}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A figure of a run.
pub(crate) fn number(run: &Value, name: &str) -> f64 {
    run[name].as_f64().unwrap_or(f64::NAN)
}
