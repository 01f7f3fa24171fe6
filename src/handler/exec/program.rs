//! Checks that the program can be started, before the first message and while it cannot.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::Read as _,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{Access, access};

use super::Settings;
use crate::process::StartError;

/// Looks for the program where the system would; `search_path` is Longshore's own `PATH`.
///
/// `None` where only a start shows it.
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

/// Checks that files can be written to the configured directory.
pub(super) fn is_writable(directory: &Path) -> bool {
    directory.is_dir() && access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// The bytes of a script's first line that the system reads.
const FIRST_LINE_BYTES: u64 = 256;

/// The program that was refused, if the last start was.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused(Arc<Mutex<Option<Refusal>>>);

#[derive(Debug)]
struct Refusal {
    look: Look,
    reason: String,
}

/// The identity of a program file, which changes with its content.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    program: Option<File>,
    /// The interpreter that the first line of a script names.
    interpreter: Option<File>,
}

/// A file as it stood: device, inode, the time of its last change, and its size.
#[derive(Debug, PartialEq, Eq)]
struct File(u64, u64, (i64, i64), u64);

impl Refused {
    /// Notes that the program at this path could not be started, if it would not start the next time either.
    pub(super) fn note(&self, program: &Path, error: &StartError) {
        if error.is_lasting() {
            *self.lock() = Some(Refusal { look: Look::at(program), reason: error.to_string() });
        }
    }

    /// Why the program at this path cannot be started, if it is the one that was refused.
    pub(super) fn reason(&self, program: &Path) -> Option<String> {
        let refusal = self.lock();
        let refusal = refusal.as_ref().filter(|refusal| refusal.look == Look::at(program))?;
        Some(refusal.reason.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    fn at(program: &Path) -> Self {
        let mut first = Vec::new();
        let read = fs::File::open(program).map(|file| file.take(FIRST_LINE_BYTES).read_to_end(&mut first));
        let interpreter = read.ok().and_then(|_| interpreter(&first)).and_then(File::at);
        Self { program: File::at(program), interpreter }
    }
}

impl File {
    fn at(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self(file.dev(), file.ino(), (file.ctime(), file.ctime_nsec()), file.size()))
    }
}

/// The interpreter that the first line of a script names.
fn interpreter(first: &[u8]) -> Option<&Path> {
    let line = first.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let name = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    Some(Path::new(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(program: &Path) -> StartError {
        StartError::NotRunnable { program: program.display().to_string() }
    }

    #[test]
    fn a_program_that_was_refused_is_so_until_it_changes() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), Refused::default());
        let program = folder.path().join("job");
        fs::write(&program, "exit 0").unwrap();
        refused.note(&program, &refusal(&program));
        assert!(refused.reason(&program).unwrap().contains("hint: "));
        fs::write(&program, "#!/bin/sh\nexit 0").unwrap();
        assert_eq!(refused.reason(&program), None);
    }

    #[test]
    fn a_script_is_tried_again_once_its_interpreter_is_there() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), Refused::default());
        let (program, interpreter) = (folder.path().join("job"), folder.path().join("python9"));
        fs::write(&program, format!("#! {} -u\nexit", interpreter.display())).unwrap();
        refused.note(&program, &StartError::NotFound { program: "job".to_owned() });
        assert!(refused.reason(&program).is_some());
        fs::write(&interpreter, "").unwrap();
        assert_eq!(refused.reason(&program), None);
    }

    #[test]
    fn what_passes_is_not_remembered() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), Refused::default());
        let program = folder.path().join("job");
        fs::write(&program, "").unwrap();
        let source = rustix::io::Errno::AGAIN.into();
        refused.note(&program, &StartError::Other { program: "job".to_owned(), source });
        assert_eq!(refused.reason(&program), None);
    }
}
