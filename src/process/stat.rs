//! What `/proc` says of a process.

use std::{fs, path::Path};

/// The part of `/proc/<pid>/stat` that is asked for here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) id: i32,
    pub(super) state: State,
    pub(super) parent: i32,
    pub(super) group: i32,
}

/// Whether a process runs, or has ended and waits to be reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Ended,
}

/// Every process there is, by what `/proc` says; without it there is none.
pub(super) fn processes() -> impl Iterator<Item = Stat> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|process| read(&process.path()))
}

fn read(process: &Path) -> Option<Stat> {
    let id = process.file_name()?.to_str()?.parse().ok()?;
    parse(id, &fs::read_to_string(process.join("stat")).ok()?)
}

/// Reads a line of `/proc/<pid>/stat`, in which the name may hold anything.
fn parse(id: i32, line: &str) -> Option<Stat> {
    let (_, after_name) = line.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace();
    let state = if "ZX".contains(fields.next()?) { State::Ended } else { State::Running };
    Some(Stat { id, state, parent: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_hides_nothing() {
        let running = Stat { id: 12, state: State::Running, parent: 1, group: 77 };
        assert_eq!(parse(12, "12 (a) Z 1 2 (b) S 1 77 12 0"), Some(running));
        assert_eq!(parse(12, "12 (sh) Z 1 77 12 0"), Some(Stat { state: State::Ended, ..running }));
        assert_eq!(parse(12, "nothing of the kind"), None);
    }

    #[test]
    fn this_process_is_among_them() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(processes().any(|process| process.id == own && process.state == State::Running));
    }
}
