//! Writes what a call has changed to the journal, and restores an account from it.
//!
//! [`Changes`] collects the names of what a call touches; after the call [`record`] looks up what has become of it.
//! Receives with an attempt id, message move tasks and the pause after a purge are not kept.

mod changes;
mod record;
mod restore;

pub(super) use self::{
    changes::{Change, Changes, QueueChanges},
    record::{RecentRecord, millis, wall_time, write_all, write_changes},
    restore::restore,
};
