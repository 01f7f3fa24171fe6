//! Examples as programs to start, built where they are not yet.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds these examples, which is done already where all targets are built; answers the directory they are in.
#[expect(clippy::disallowed_methods, reason = "it is cargo that reads it")]
pub(crate) fn built(examples: &[&str]) -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    let directory = binary.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test of its package would have dependencies built anew that look at it, such as ring.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked"]);
    cargo.args(examples.iter().flat_map(|example| ["--example", example]));
    if directory.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the examples do not build");
    directory.join("examples")
}
