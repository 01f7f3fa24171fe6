//! Programs in Python about to start.

use std::path::Path;

use super::Launch;
pub(crate) use super::interpreter::python_path_with;

/// A Python that has this module, not started yet; `None`, with a printed note, if Python is skipped.
pub(crate) fn python_with(module: &str) -> Option<Launch> {
    python_path_with(module).map(|path| Launch::program(Path::new(&path)))
}

/// A script beside the tests.
pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/end_to_end/{name}", env!("CARGO_MANIFEST_DIR"))
}
