//! The limit of open files: raised for this process, and as it was for the programs that it starts.

use std::sync::OnceLock;

use rustix::{
    io::Errno,
    process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit},
};

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
    let raised = Rlimit { current: at_start.maximum, maximum: at_start.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => drop(AT_START.set(at_start)),
        Err(error) => tracing::debug!(%error, "limit of open files not raised"),
    }
}

/// Gives a program that was just started the limit with which this process was started.
pub(super) fn restore(program: Pid) {
    let Some(at_start) = AT_START.get() else { return };
    let at_start = Rlimit { current: at_start.current, maximum: at_start.maximum };
    match prlimit(Some(program), Resource::Nofile, at_start) {
        // It may have ended, or run as another user.
        Ok(_) | Err(Errno::SRCH | Errno::PERM) => {}
        Err(error) => tracing::debug!(%error, "limit of open files not restored for a program"),
    }
}
