//! Names the revision that a release is built of, for `longshore --version`.
#![expect(clippy::disallowed_methods, reason = "cargo gives a build script its settings as variables")]

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LONGSHORE_REVISION");
    let given = env::var("LONGSHORE_REVISION").ok().filter(|revision| !revision.is_empty());
    if let Some(revision) = given.or_else(of_repository) {
        println!("cargo:rustc-env=LONGSHORE_BUILD={} ({revision})", env!("CARGO_PKG_VERSION"));
    }
}

/// The revision of this repository for a release; other builds would begin anew with each commit.
fn of_repository() -> Option<String> {
    let directory = env::var("CARGO_MANIFEST_DIR").ok()?;
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let is_wanted = is_release && env::var_os("CARGO_FEATURE_CLI").is_some();
    // In the sources of a dependency, `git` would name the revision of a repository around them.
    if !is_wanted || !Path::new(&directory).join(".git").exists() {
        return None;
    }
    println!("cargo:rerun-if-changed={}", git(&directory, &["rev-parse", "--git-path", "logs/HEAD"])?);
    git(&directory, &["rev-parse", "--short=12", "HEAD"])
}

fn git(directory: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(directory).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
