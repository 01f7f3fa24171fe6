//! A process group: signals to all of it, and a look at who is left.

use rustix::process::{Pid, Signal, kill_process_group};

use super::stat::{State, processes};

/// A group whose leader has not been reaped, so that its id is nobody else's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// The group that this process leads.
    pub(super) fn led_by(pid: Pid) -> Self {
        Self(pid)
    }

    /// Sends a signal to every process of the group.
    pub(super) fn signal(self, signal: Signal) {
        // Fails for a group of nobody, which is what a signal to end it is after, and for a program that has
        // become another user's, which only that user can end.
        if let Err(error) = kill_process_group(self.0, signal) {
            tracing::debug!(group = self.0.as_raw_nonzero(), ?signal, %error, "process group not signalled");
        }
    }

    /// Whether anybody in the group runs, by what `/proc` says; without it nobody does.
    ///
    /// The system has no call for this: a leader that has ended and was not reaped still counts as its group.
    pub(super) fn is_alive(self) -> bool {
        let own = self.0.as_raw_nonzero().get();
        processes().any(|process| process.group == own && process.state == State::Running)
    }
}
