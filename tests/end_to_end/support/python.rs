//! The Python of the tests, where there is one.

use std::{ffi::OsString, path::Path, process::Command};

use super::Launch;

/// A Python about to start that has this module; `None`, and a word about it, when there is none.
pub(crate) fn python_with(module: &str) -> Option<Launch> {
    let name = std::env::var_os("LONGSHORE_TEST_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    let output =
        Command::new(&name).args(["-c", &format!("import {module}, sys; print(sys.executable)")]).output();
    match output {
        Ok(output) if output.status.success() => {
            // Its own path: a launcher that looks it up would need an environment.
            let path = String::from_utf8(output.stdout).unwrap();
            Some(Launch::program(Path::new(path.trim())))
        }
        _ => {
            println!("skipped: {} has no {module}", name.display());
            None
        }
    }
}

/// A script beside the tests.
pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/end_to_end/{name}", env!("CARGO_MANIFEST_DIR"))
}
