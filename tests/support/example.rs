//! Builds the examples, for tests that start them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds these examples unless they are built already; returns their directory.
#[expect(clippy::disallowed_methods, reason = "it is cargo that reads it")]
pub(crate) fn built(examples: &[&str]) -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    let directory = binary.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // Without the variables that cargo sets for tests: they make it rebuild dependencies that read them, such as ring.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
    // With a test of the emulator, so that the dependencies have the features that they have in all tests, and are there.
    cargo.args(["--workspace", "--test", "server"]);
    cargo.args(examples.iter().flat_map(|example| ["--example", example]));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the examples do not build");
    directory.join("examples")
}
