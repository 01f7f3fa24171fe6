//! Runs programs in their own process groups, and leaves no process behind.
//!
//! A program may start others, and a shell always does, so signals go to its whole group. The group's id is safe to
//! signal as long as its leader has not been reaped: until then the system does not use the id again. So a [`Process`]
//! waits for its leader's end without reaping it, kills the rest of the group, and only then reaps. As the first
//! process of a container, Longshore reaps orphans, too.

mod group;
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the program raises its limit"))]
mod limits;
mod output;
#[cfg(feature = "lambda")]
mod peer;
mod running;

use std::{
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    path::PathBuf,
    process::Stdio,
};

use rustix::io::Errno;

pub(crate) use self::limits::check_open_files;
#[cfg(feature = "cli")]
pub(crate) use self::limits::raise_open_files;
#[cfg(test)]
pub(crate) use self::output::LINE_BYTES;
#[cfg(all(any(test, fuzzing), feature = "cli"))]
pub(crate) use self::output::fuzz;
#[cfg(feature = "lambda")]
pub(crate) use self::{
    output::likeness,
    peer::{PeerHolder, peer_holder},
};
pub(crate) use self::{
    output::{Output, OutputLine},
    running::{Process, signal_name},
};
use crate::shortage::Shortage;

/// The variables that a program does not inherit: these, except those that its settings keep.
pub(crate) fn withheld(names: impl IntoIterator<Item = OsString>, kept: &[String]) -> Vec<OsString> {
    names.into_iter().filter(|name| !kept.iter().any(|kept| **kept == **name)).collect()
}

/// A program to be started, its standard output and error piped.
///
/// It inherits the environment, to which variables can be added.
#[derive(Debug)]
pub(crate) struct Command {
    program: OsString,
    directory: Option<PathBuf>,
    inner: tokio::process::Command,
}

impl Command {
    /// A program by its path, or by its name in `PATH`.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut inner = tokio::process::Command::new(program);
        inner.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { program: program.to_owned(), directory: None, inner }
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args(mut self, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Removes a variable from the environment.
    #[must_use]
    pub(crate) fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// Sets the working directory; absent, it is the worker's own.
    #[must_use]
    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        self.inner.current_dir(&directory);
        self.directory = Some(directory);
        self
    }

    /// Pipes the standard input, which [`Process::take_stdin`] returns; otherwise it is empty.
    #[must_use]
    pub(crate) fn with_stdin(mut self) -> Self {
        self.inner.stdin(Stdio::piped());
        self
    }

    /// Starts the program as the leader of a new process group; fails where that would take the last descriptors.
    ///
    /// Needs a tokio runtime with its drivers enabled, as [`Process::wait`] does.
    pub(crate) fn spawn(mut self) -> Result<Process, StartError> {
        match check_open_files(0).and_then(|()| self.inner.spawn()) {
            Ok(child) => {
                let process = Process::new(child);
                if let Some(program) = process.pid() {
                    limits::restore(program);
                }
                Ok(process)
            }
            Err(source) => Err(self.failure(source)),
        }
    }

    fn failure(self, source: io::Error) -> StartError {
        let program = self.program.to_string_lossy().into_owned();
        let missing = self.directory.filter(|directory| !directory.is_dir());
        match (source.kind(), missing) {
            (ErrorKind::NotFound | ErrorKind::NotADirectory, Some(directory)) => {
                StartError::NoDirectory { program, directory }
            }
            (ErrorKind::NotFound | ErrorKind::NotADirectory, None) => StartError::NotFound { program },
            (ErrorKind::PermissionDenied, _) => StartError::NotExecutable { program },
            (ErrorKind::ArgumentListTooLong, _) => StartError::TooLarge { program },
            _ if source.raw_os_error() == Some(Errno::NOEXEC.raw_os_error()) => {
                StartError::NotRunnable { program }
            }
            _ => StartError::Other { program, source },
        }
    }
}

/// Tries everything that the start of a program takes: a process, and pipes to it; only the program itself does not exist.
pub(crate) fn try_start() -> Result<(), StartError> {
    match Command::new("/dev/null/none").with_stdin().spawn() {
        Err(error) if error.shortage().is_some() => Err(error),
        _ => Ok(()),
    }
}

/// An error in starting a program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The program, or the interpreter in its first line, does not exist.
    #[error("no such program: {program}")]
    NotFound {
        /// The program as it was given.
        program: String,
    },
    /// The program is not executable.
    #[error("not allowed to run: {program}")]
    NotExecutable {
        /// The program as it was given.
        program: String,
    },
    /// The file is not a program for this system.
    #[error("not a program for this system: {program}")]
    NotRunnable {
        /// The program as it was given.
        program: String,
    },
    /// The working directory does not exist.
    #[error("no directory to run {program} in: {}", directory.display())]
    NoDirectory {
        /// The program as it was given.
        program: String,
        /// The directory as it was given.
        directory: PathBuf,
    },
    /// The arguments and the environment are larger than the system allows.
    #[error("arguments and environment too large for: {program}")]
    TooLarge {
        /// The program as it was given.
        program: String,
    },
    /// The system did not start it, for another reason.
    #[error("could not start: {program}: {source}")]
    Other {
        /// The program as it was given.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
}

impl StartError {
    /// The advice to whoever configured the program.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => {
                Some("give its whole path, and see that the interpreter in its first line is installed")
            }
            Self::NotExecutable { .. } => {
                Some("make it executable (chmod +x), on a file system without noexec")
            }
            Self::NotRunnable { .. } => {
                Some("begin a script with #! and its interpreter, and build a program for this processor")
            }
            Self::NoDirectory { .. } => Some("make it, or name another"),
            Self::TooLarge { .. } => Some("hand large values over in files"),
            Self::Other { .. } => self.shortage().map(Shortage::hint),
        }
    }

    /// The resource that the system refused, if it would refuse it to any program.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        match self {
            Self::Other { source, .. } => Shortage::of(source),
            _ => None,
        }
    }

    /// The error and its hint as one text, for the reason of an outcome.
    pub(crate) fn reason(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}, hint: {hint}"),
            None => self.to_string(),
        }
    }

    /// True if the next start would fail too, until the program changes.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::NotExecutable { .. } | Self::NotRunnable { .. } => true,
            Self::NoDirectory { .. } | Self::TooLarge { .. } | Self::Other { .. } => false,
        }
    }
}
