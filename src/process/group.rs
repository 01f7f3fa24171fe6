//! A process group: signals to all of it, and a look at who is left.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process_group};

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
        let Ok(processes) = fs::read_dir("/proc") else { return false };
        let own = self.0.as_raw_nonzero().get();
        processes.flatten().any(|process| runs_in(&process.path(), own))
    }
}

/// Whether this directory of `/proc` is that of a running process in the group.
fn runs_in(process: &Path, group: i32) -> bool {
    let is_process =
        process.file_name().is_some_and(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit));
    let stat = is_process.then(|| fs::read_to_string(process.join("stat")).ok()).flatten();
    stat.is_some_and(|stat| {
        state_and_group(&stat).is_some_and(|(state, of)| of == group && !"ZX".contains(state))
    })
}

/// The state and the group in a line of `/proc/<pid>/stat`, in which the name may hold anything.
fn state_and_group(stat: &str) -> Option<(&str, i32)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let (state, _parent, group) = (fields.next()?, fields.next()?, fields.next()?);
    Some((state, group.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_hide_the_group() {
        assert_eq!(state_and_group("12 (a) Z 1 2 (b) S 1 77 12 0"), Some(("S", 77)));
        assert_eq!(state_and_group("nothing of the kind"), None);
    }
}
