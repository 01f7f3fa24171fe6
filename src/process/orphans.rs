//! Orphans: what programs left behind, reaped where it falls to this process.
//!
//! The first process of a container inherits every process whose parent has ended. Unless it reaps them when they end,
//! each keeps its place in the process table, until nothing can be started any more.

use rustix::{
    io::retry_on_intr,
    process::{Pid, WaitId, WaitIdOptions, child_subreaper, getpgrp, getpid, waitid},
};

use super::stat::{Stat, State, processes};

/// Reaps the orphans that have ended.
///
/// A process that this one has started may be somebody else's to reap: it is in this one's group, or leads a group of
/// its own. No orphan in the group of a program is either, and one that leads a group is left alone.
pub(super) fn reap() {
    if !(inherits() && a_child_has_ended()) {
        return;
    }
    let (own, own_group) = (getpid().as_raw_pid(), getpgrp().as_raw_pid());
    let is_orphan = |process: &Stat| {
        process.state == State::Ended
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

/// Whether orphans fall to this process; to any other, a look through `/proc` would show none.
fn inherits() -> bool {
    getpid().is_init() || child_subreaper().is_ok_and(|subreaper| subreaper.is_some())
}

/// One call to the system, which spares the look where nothing was left behind.
fn a_child_has_ended() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    retry_on_intr(|| waitid(WaitId::All, look)).is_ok_and(|ended| ended.is_some())
}
