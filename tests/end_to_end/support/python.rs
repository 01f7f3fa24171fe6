//! The Python of the tests, which is to be there unless `LONGSHORE_SKIP_PYTHON=1` says otherwise.

use std::{ffi::OsString, path::Path, process::Command};

use super::Launch;

/// A Python about to start that has this module; `None`, and a word about it, where Python is to be skipped.
pub(crate) fn python_with(module: &str) -> Option<Launch> {
    python_path_with(module).map(|path| Launch::program(Path::new(&path)))
}

/// The path of a Python that has this module; `None` likewise.
#[expect(clippy::disallowed_methods, reason = "no setting, but how to run the tests")]
pub(crate) fn python_path_with(module: &str) -> Option<String> {
    if std::env::var_os("LONGSHORE_SKIP_PYTHON").is_some_and(|value| value == "1") {
        println!("skipped: LONGSHORE_SKIP_PYTHON is set");
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

/// A script beside the tests.
pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/end_to_end/{name}", env!("CARGO_MANIFEST_DIR"))
}
