//! The limit of open files: raised for this process, as it was for the programs that it starts, never used up by them.

use std::{io, sync::OnceLock};

use rustix::{
    io::{Errno, fcntl_dupfd_cloexec},
    process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit},
};

/// The descriptors that the start of a program leaves to this process: for its calls to SQS, so that what has run can be
/// deleted and what runs stays hidden, and for a scrape.
const RESERVE: usize = 8;
/// The descriptors that the start of a program takes meanwhile.
const START: usize = 8;

/// The limit with which this process was started, once it was raised.
static AT_START: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open files to the hard limit, as Go and systemd do.
///
/// The soft limit is low for the sake of programs that call `select`, of which this is none. Programs that are started
/// later get the limit back, by [`restore`].
pub(crate) fn raise_open_files() {
    let at_start = getrlimit(Resource::Nofile);
    if at_start.current == at_start.maximum {
        return;
    }
    let raised = Rlimit { current: at_start.maximum, ..at_start };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => drop(AT_START.set(at_start)),
        Err(error) => tracing::debug!(%error, "limit of open files not raised"),
    }
}

/// Gives a program that was just started the limit with which this process was started.
pub(super) fn restore(program: Pid) {
    let Some(at_start) = AT_START.get().copied() else { return };
    match prlimit(Some(program), Resource::Nofile, at_start) {
        // It may have ended, or run as another user.
        Ok(_) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(error) => tracing::debug!(%error, "limit of open files not restored for a program"),
    }
}

/// Checks that this process may open so many files beside those that a start takes and its reserve.
pub(crate) fn check_open_files(others: usize) -> io::Result<()> {
    let (first, _second) = io::pipe()?;
    let open = |_| fcntl_dupfd_cloexec(&first, 0);
    let opened: Result<Vec<_>, _> = (2..START + RESERVE + others).map(open).collect();
    opened.map(drop).map_err(io::Error::from)
}
