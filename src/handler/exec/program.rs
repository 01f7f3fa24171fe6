//! Whether the program could be started: asked before the first message, and while it could not be.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::Settings;
use crate::process::StartError;

/// Looks for the program where the system would; `search_path` is Longshore's own `PATH`.
///
/// `None` where only a start can tell.
pub(super) fn find(settings: &Settings, search_path: Option<&OsStr>) -> Result<Option<PathBuf>, StartError> {
    let program = settings.command.first().cloned().unwrap_or_default();
    let base = settings.directory.as_deref().unwrap_or(Path::new(""));
    if let Some(directory) = settings.directory.as_ref().filter(|directory| !directory.is_dir()) {
        return Err(StartError::NoDirectory { program, directory: directory.clone() });
    }
    let own_path = settings.env.get("PATH").map(OsString::from);
    let places: Vec<PathBuf> = match own_path.as_deref().or(search_path) {
        _ if program.contains('/') => vec![base.join(&program)],
        Some(path) => std::env::split_paths(path).map(|place| base.join(place).join(&program)).collect(),
        // Without a PATH the system has one of its own, which only a start can try.
        None => return Ok(None),
    };
    let files: Vec<_> = places.into_iter().filter(|place| place.is_file()).collect();
    if files.is_empty() {
        return Err(StartError::NotFound { program });
    }
    let executable = files.into_iter().find(|file| access(file, Access::EXEC_OK).is_ok());
    executable.map(Some).ok_or(StartError::NotExecutable { program })
}

/// Whether files could be written where the settings say.
pub(super) fn is_writable(directory: &Path) -> bool {
    directory.is_dir() && access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}
