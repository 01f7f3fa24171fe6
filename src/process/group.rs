//! Process groups: signals, a check for running members, and reaping of orphans.

use std::{fs, path::Path};

use rustix::{
    io::retry_on_intr,
    process::{
        Pid, Signal, WaitId, WaitIdOptions, child_subreaper, getpgrp, getpid, kill_process_group, waitid,
    },
};

/// A process group whose leader has not been reaped, so that no other group can have its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(Pid);

impl Group {
    /// The group that this process leads.
    pub(super) fn led_by(pid: Pid) -> Self {
        Self(pid)
    }

    /// Sends a signal to every process of the group.
    pub(super) fn signal(self, signal: Signal) {
        // Fails for a group without processes, which is the goal of a signal that ends it, and for a program that runs
        // as another user, which only that user can end.
        if let Err(error) = kill_process_group(self.0, signal) {
            tracing::debug!(group = self.0.as_raw_nonzero(), ?signal, %error, "process group not signalled");
        }
    }

    /// True if any process of the group runs, by `/proc`; false without it.
    ///
    /// The system has no call for this: to `kill`, a leader that has ended and was not reaped is a member of its group.
    pub(super) fn is_alive(self) -> bool {
        let own = self.0.as_raw_nonzero().get();
        processes().any(|process| process.group == own && process.state == MemberState::Running)
    }
}

/// The fields of `/proc/<pid>/stat` that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: i32,
    pub(super) state: MemberState,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// The state of a process: running, or ended and not reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberState {
    Running,
    Ended,
}

/// Every process in `/proc`; none without it.
pub(super) fn processes() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|process| read(&process.path()))
}

fn read(process: &Path) -> Option<Stat> {
    let id = process.file_name()?.to_str()?.parse().ok()?;
    parse(id, &fs::read_to_string(process.join("stat")).ok()?)
}

/// Parses a line of `/proc/<pid>/stat`, in which the name may contain any character.
fn parse(id: i32, line: &str) -> Option<Stat> {
    let (_, after_name) = line.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = if "ZX".contains(fields.next()?) { MemberState::Ended } else { MemberState::Running };
    Some(Stat { id, state, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

/// Reaps the orphans that have ended.
///
/// A child that this process has started is reaped by its owner: it is in this process's group, or leads its own group.
/// An orphan of a program is in the program's group; one that leads a group is not reaped.
pub(super) fn reap_orphans() {
    if !(adopts_orphans() && a_child_has_ended()) {
        return;
    }
    let (own, own_group) = (getpid().as_raw_pid(), getpgrp().as_raw_pid());
    let is_orphan = |process: &Stat| {
        process.state == MemberState::Ended
            && process.parent == own
            && process.group != own_group
            && process.group != process.id
    };
    for orphan in processes().filter(is_orphan).filter_map(|orphan| Pid::from_raw(orphan.id)) {
        let end =
            retry_on_intr(|| waitid(WaitId::Pid(orphan), WaitIdOptions::EXITED | WaitIdOptions::NOHANG));
        tracing::debug!(orphan = orphan.as_raw_pid(), is_reaped = end.is_ok(), "orphan reaped");
    }
}

/// True if this process adopts orphans: only then are there any.
fn adopts_orphans() -> bool {
    getpid().is_init() || child_subreaper().is_ok_and(|subreaper| subreaper.is_some())
}

/// Checks with one system call, so that `/proc` is not read without need.
fn a_child_has_ended() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    retry_on_intr(|| waitid(WaitId::All, options)).is_ok_and(|ended| ended.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_parsed() {
        let running = Stat { id: 12, state: MemberState::Running, parent: 1, group: 77 };
        assert_eq!(parse(12, "12 (a) Z 1 2 (b) S 1 77 12 0"), Some(running));
        assert_eq!(parse(12, "12 (sh) Z 1 77 12 0"), Some(Stat { state: MemberState::Ended, ..running }));
        assert_eq!(parse(12, "nothing of the kind"), None);
    }

    #[test]
    fn this_process_is_listed() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(processes().any(|process| process.id == own && process.state == MemberState::Running));
    }
}
