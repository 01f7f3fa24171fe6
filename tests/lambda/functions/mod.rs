//! The commands that start the functions of the tests.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use longshore::handler::lambda::Settings;

use super::{example, python::python_path_with, skips::skips};

/// The directory of the functions' source code.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lambda/functions");

/// The Rust programs, built once for all tests of this process.
static EXAMPLES: LazyLock<PathBuf> =
    LazyLock::new(|| example::built(&["lambda_test_extension", "lambda_test_function", "lambda_test_liar"]));

/// The function over the Rust crate `lambda_runtime`.
pub(crate) fn rust() -> Settings {
    command([EXAMPLES.join("lambda_test_function").display().to_string()])
}

/// The program of an extension over the Rust crate `lambda-extension`.
pub(crate) fn extension_program() -> PathBuf {
    EXAMPLES.join("lambda_test_extension")
}

/// A runtime that lies; `arguments` can make its start fail.
pub(crate) fn liar(arguments: &[&str]) -> Settings {
    let program = EXAMPLES.join("lambda_test_liar").display().to_string();
    command([program].into_iter().chain(arguments.iter().map(|argument| (*argument).to_owned())))
}

/// A shell script that starts the lying runtime, whose path is `$0`.
pub(crate) fn liar_after(script: &str) -> Settings {
    let program = EXAMPLES.join("lambda_test_liar").display().to_string();
    command(["sh".to_owned(), "-c".to_owned(), script.to_owned(), program])
}

/// The function over `awslambdaric`, AWS's runtime for Python.
pub(crate) fn python() -> Option<Settings> {
    let python = python_path_with("awslambdaric")?;
    let command_line = [python.as_str(), "-m", "awslambdaric", "function.handler"];
    Some(Settings { task_root: Some(FOLDER.into()), ..command(command_line.map(str::to_owned)) })
}

/// The function over `aws-lambda-ric`, AWS's runtime for Node.
pub(crate) fn node() -> Option<Settings> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/node");
    if skips("LONGSHORE_SKIP_NODE") {
        return None;
    }
    let runtime = folder.join("node_modules/aws-lambda-ric/index.mjs");
    assert!(runtime.exists(), "no aws-lambda-ric here, hint: run make tests, or set LONGSHORE_SKIP_NODE=1");
    let command_line = ["node", runtime.to_str().unwrap()];
    let handler = Some("function.handler".to_owned());
    Some(Settings { handler, task_root: Some(FOLDER.into()), ..command(command_line.map(str::to_owned)) })
}

fn command(command_line: impl IntoIterator<Item = String>) -> Settings {
    Settings::of_command(command_line)
}
