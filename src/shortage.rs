//! Recognizes the errors by which the system refuses a resource: descriptors, processes, memory.

use std::{error::Error, io};

use rustix::io::Errno;

use crate::error_chain::causes;

/// A resource that the system refuses to this process, whatever it asks for.
///
/// The cause is the process itself or its host, never the peer or the program that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// This process has as many descriptors as it may: EMFILE.
    OpenFiles,
    /// The host has as many open files as it may: ENFILE.
    SystemFiles,
    /// No process or thread can be started: EAGAIN.
    Processes,
    /// No memory, or no buffers: ENOMEM, ENOBUFS.
    Memory,
}

impl Shortage {
    /// The shortage that this error reports, if any.
    pub(crate) fn of(error: &io::Error) -> Option<Self> {
        let Some(code) = error.raw_os_error() else {
            // An error of the system in an error of the library: `source` would leave it out.
            return error.get_ref().and_then(|inner| Self::behind(inner));
        };
        match Errno::from_raw_os_error(code) {
            Errno::MFILE => Some(Self::OpenFiles),
            Errno::NFILE => Some(Self::SystemFiles),
            Errno::AGAIN => Some(Self::Processes),
            Errno::NOMEM | Errno::NOBUFS => Some(Self::Memory),
            _ => None,
        }
    }

    /// The shortage that this error or one of its causes reports, if any.
    pub(crate) fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut reported =
            std::iter::once(error).chain(causes(error)).filter_map(|cause| cause.downcast_ref::<io::Error>());
        reported.find_map(Self::of)
    }

    /// The advice to the operator.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::OpenFiles => "raise the limit of open files (ulimit -n), or lower concurrency",
            Self::SystemFiles => "raise fs.file-max on the host, or lower concurrency",
            Self::Processes => {
                "raise the limit of processes (ulimit -u, the container's pids), or lower concurrency"
            }
            Self::Memory => "give the worker more memory, or lower concurrency",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    fn failed(errno: Errno) -> io::Error {
        errno.into()
    }

    #[test]
    fn each_refusal_of_a_resource_is_a_shortage() {
        for (errno, shortage) in [
            (Errno::MFILE, Shortage::OpenFiles),
            (Errno::NFILE, Shortage::SystemFiles),
            (Errno::AGAIN, Shortage::Processes),
            (Errno::NOMEM, Shortage::Memory),
            (Errno::NOBUFS, Shortage::Memory),
        ] {
            assert_eq!(Shortage::of(&failed(errno)), Some(shortage), "{errno:?}");
            assert!(!shortage.hint().is_empty());
        }
    }

    #[test]
    fn what_the_peer_the_program_or_the_disk_refuses_is_none() {
        let others = [
            Errno::CONNREFUSED,
            Errno::TIMEDOUT,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::ADDRNOTAVAIL,
            Errno::NOENT,
            Errno::ACCESS,
            Errno::NOEXEC,
            Errno::TOOBIG,
            Errno::NOSPC,
        ];
        for errno in others {
            assert_eq!(Shortage::of(&failed(errno)), None, "{errno:?}");
        }
        assert_eq!(Shortage::of(&io::ErrorKind::WouldBlock.into()), None, "not by the system");
    }

    #[test]
    fn a_shortage_is_found_behind_other_errors() {
        assert_eq!(Shortage::behind(&Outer(failed(Errno::MFILE))), Some(Shortage::OpenFiles));
        let inside = io::Error::other(Outer(io::Error::other(failed(Errno::NOMEM))));
        assert_eq!(Shortage::behind(&inside), Some(Shortage::Memory));
        assert_eq!(Shortage::behind(&Outer(failed(Errno::CONNREFUSED))), None);
    }
}
