//! Checks whether the program can be started, before the first message and while the handler is down.

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

/// Finds the program as the system would; `search_path` is Longshore's own `PATH`.
///
/// `None` if only a start can find it.
pub(super) fn find(settings: &Settings, search_path: Option<&OsStr>) -> Result<Option<PathBuf>, StartError> {
    let program = settings.command.first().cloned().unwrap_or_default();
    let base = settings.directory.as_deref().unwrap_or(Path::new(""));
    if let Some(directory) = settings.directory.as_ref().filter(|directory| !directory.is_dir()) {
        return Err(StartError::NoDirectory { program, directory: directory.clone() });
    }
    let own_path = settings.env.get("PATH").map(OsString::from);
    let candidates: Vec<PathBuf> = match own_path.as_deref().or(search_path) {
        _ if program.contains('/') => vec![base.join(&program)],
        Some(path) => std::env::split_paths(path).map(|folder| base.join(folder).join(&program)).collect(),
        // Without a PATH the system uses a default, which only a start can try.
        None => return Ok(None),
    };
    let files: Vec<_> = candidates.into_iter().filter(|file| file.is_file()).collect();
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

/// The program that the system last refused to start, if any.
#[derive(Clone, Debug, Default)]
pub(super) struct RefusedProgram(Arc<Mutex<Option<Refusal>>>);

#[derive(Debug)]
struct Refusal {
    version: ProgramVersion,
    reason: String,
}

/// The version of a program and of its interpreter, which changes with their content.
#[derive(Debug, PartialEq, Eq)]
struct ProgramVersion {
    program: Option<FileVersion>,
    /// The interpreter that the first line of a script names.
    interpreter: Option<FileVersion>,
}

/// The version of a file: device, inode, the time of its last change, and its size.
#[derive(Debug, PartialEq, Eq)]
struct FileVersion(u64, u64, (i64, i64), u64);

impl RefusedProgram {
    /// Records that the program at this path could not be started, if the next start would fail too.
    pub(super) fn record(&self, program: &Path, error: &StartError) {
        if error.is_lasting() {
            *self.lock() = Some(Refusal { version: ProgramVersion::at(program), reason: error.reason() });
        }
    }

    /// The reason of the refusal, if the program at this path was refused and has not changed.
    pub(super) fn reason(&self, program: &Path) -> Option<String> {
        let refusal = self.lock();
        let refusal = refusal.as_ref().filter(|refusal| refusal.version == ProgramVersion::at(program))?;
        Some(refusal.reason.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refusal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgramVersion {
    fn at(program: &Path) -> Self {
        let mut first = Vec::new();
        let read = fs::File::open(program).map(|file| file.take(FIRST_LINE_BYTES).read_to_end(&mut first));
        let interpreter = read.ok().and_then(|_| interpreter(&first)).and_then(FileVersion::at);
        Self { program: FileVersion::at(program), interpreter }
    }
}

impl FileVersion {
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
    fn a_refused_program_stays_refused_until_it_changes() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), RefusedProgram::default());
        let program = folder.path().join("job");
        fs::write(&program, "exit 0").unwrap();
        refused.record(&program, &refusal(&program));
        assert!(refused.reason(&program).unwrap().contains("hint: "));
        fs::write(&program, "#!/bin/sh\nexit 0").unwrap();
        assert_eq!(refused.reason(&program), None);
    }

    #[test]
    fn a_script_is_tried_again_once_its_interpreter_is_there() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), RefusedProgram::default());
        let (program, interpreter) = (folder.path().join("job"), folder.path().join("python9"));
        fs::write(&program, format!("#! {} -u\nexit", interpreter.display())).unwrap();
        refused.record(&program, &StartError::NotFound { program: "job".to_owned() });
        assert!(refused.reason(&program).is_some());
        fs::write(&interpreter, "").unwrap();
        assert_eq!(refused.reason(&program), None);
    }

    #[test]
    fn a_temporary_failure_is_not_recorded() {
        let (folder, refused) = (tempfile::tempdir().unwrap(), RefusedProgram::default());
        let program = folder.path().join("job");
        fs::write(&program, "").unwrap();
        let source = rustix::io::Errno::AGAIN.into();
        refused.record(&program, &StartError::Other { program: "job".to_owned(), source });
        assert_eq!(refused.reason(&program), None);
    }
}
