//! The Python of the tests, which must be installed unless `LONGSHORE_SKIP_PYTHON=1` is set.

use std::{ffi::OsString, process::Command};

use super::skips::skips;

/// The path of a Python that has this module; `None`, with a printed note, if Python is skipped.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
pub(crate) fn python_path_with(module: &str) -> Option<String> {
    if skips("LONGSHORE_SKIP_PYTHON") {
        return None;
    }
    let name = std::env::var_os("LONGSHORE_TEST_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let probe = format!("import {module}, sys; print(sys.executable)");
    let output = Command::new(&name).args(["-c", &probe]).output().ok();
    let Some(output) = output.filter(|output| output.status.success()) else {
        panic!("{} has no {module}, hint: run make tests, or set LONGSHORE_SKIP_PYTHON=1", name.display());
    };
    // Its own path: a launcher that looks it up would need an environment.
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}
