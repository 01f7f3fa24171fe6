//! Fuzz target of the configuration: any file and variables become settings that can be shown, or problems in words.

#![expect(clippy::unwrap_used, reason = "a fuzz target panics where a fact does not hold")]

use std::{ffi::OsString, fs};

use tempfile::TempDir;

use super::load::{ConfigFile, Purpose, Sources, load};

thread_local! {
    static FOLDER: TempDir = tempfile::tempdir().unwrap();
}

/// Variables, one a line, up to a line of dashes, and the file after it.
pub(crate) fn sources(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (variables, file) = text.split_once("---\n").unwrap_or(("", &text));
    let path = FOLDER.with(|folder| folder.path().join("longshore.toml"));
    fs::write(&path, file).unwrap();
    let variable =
        |line: &str| line.split_once('=').map(|(name, value)| (OsString::from(name), value.into()));
    let environment = variables.lines().filter_map(variable).collect();
    let sources = Sources { file: ConfigFile::Named(path), environment, ..Sources::default() };
    let purpose = if input.len().is_multiple_of(2) { Purpose::Run } else { Purpose::Inspect };
    match load(&sources, purpose) {
        Ok(config) => assert!(!config.to_text().is_empty() && config.to_json().is_object()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}
