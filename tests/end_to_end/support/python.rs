//! Programs in Python about to start.

use std::path::Path;

pub(crate) use super::interpreter::python_path_with;
use super::{Launch, Process};

/// A Python that has this module, not started yet; `None`, with a printed note, if Python is skipped.
pub(crate) fn python_with(module: &str) -> Option<Launch> {
    python_path_with(module).map(|path| Launch::program(Path::new(&path)))
}

/// A script beside the tests.
pub(crate) fn script(name: &str) -> String {
    format!("{}/tests/end_to_end/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server of moto, which is SQS, SNS, DynamoDB and S3 for tests, and its endpoint; `None` if Python is skipped.
pub(crate) async fn moto() -> Option<(Process, String)> {
    let python = python_with("moto.server")?;
    let server = python.arguments(&["-m", "moto.server", "--host", "127.0.0.1", "--port", "0"]).start();
    let line = server.complains("Running on http://").await;
    let endpoint = line.split_whitespace().find(|part| part.starts_with("http://")).unwrap();
    Some((server, endpoint.to_owned()))
}
