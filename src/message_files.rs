//! The files of messages that run, in a directory of their owner that a later start removes if it is left behind.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tempfile::{Builder, NamedTempFile};

use crate::telemetry::events;

/// The prefix of the directories. Each is locked for as long as its owner lives, so one without a lock is left behind.
const PREFIX: &str = "longshore-files-";
/// The prefix of those of older versions, which are locked in the same way.
const OLD_PREFIX: &str = "longshore-exec-";
/// The prefix of a directory that is not locked yet.
const UNLOCKED_PREFIX: &str = ".longshore-files-";

/// Writes files that no other user may read, each removed when its path is dropped.
#[derive(Debug)]
pub(crate) struct MessageFiles {
    /// The directory of the owner's directory.
    parent: PathBuf,
    /// Made for the first file.
    own: Mutex<Option<LockedDirectory>>,
    /// Removes what others left behind.
    removal: Once,
}

impl MessageFiles {
    /// Files in this directory; absent, in the system's temporary one.
    pub(crate) fn under(parent: Option<PathBuf>) -> Self {
        Self {
            parent: parent.unwrap_or_else(std::env::temp_dir),
            own: Mutex::default(),
            removal: Once::new(),
        }
    }

    /// The directory of the owner's directory.
    pub(crate) fn parent(&self) -> &Path {
        &self.parent
    }

    /// Writes a file.
    #[cfg(feature = "exec")]
    pub(crate) fn write(&self, suffix: &str, bytes: &[u8]) -> io::Result<tempfile::TempPath> {
        let mut file = self.create(suffix)?;
        io::Write::write_all(&mut file, bytes)?;
        Ok(file.into_temp_path())
    }

    /// Creates an empty file.
    pub(crate) fn create(&self, suffix: &str) -> io::Result<NamedTempFile> {
        let mut builder = Builder::new();
        builder.prefix("message-").suffix(suffix);
        let mut own = self.own();
        let directory = match own.take() {
            // Something that cleans old files up may have removed it.
            Some(directory) if directory.path.is_dir() => directory,
            _ => LockedDirectory::create(&self.parent)?,
        };
        let path = own.insert(directory).path.clone();
        drop(own);
        builder.tempfile_in(path)
    }

    /// Removes the directories of processes that were killed; only the first call has an effect.
    pub(crate) fn remove_left_behind(&self) {
        self.removal.call_once(|| self.remove());
    }

    fn remove(&self) {
        let user = rustix::process::geteuid().as_raw();
        let entries = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        let is_named = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            [PREFIX, OLD_PREFIX].iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        };
        for entry in entries.filter(is_named) {
            let path = entry.path();
            let is_own = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
            if is_own && is_left_behind(&path) && fs::remove_dir_all(&path).is_ok() {
                events::FilesRemoved { directory: &path }.emit();
            }
        }
    }

    fn own(&self) -> MutexGuard<'_, Option<LockedDirectory>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True if no process holds the lock of the directory. The lock of a process ends with it, however it ends.
fn is_left_behind(directory: &Path) -> bool {
    File::open(directory).is_ok_and(|lock| lock.try_lock().is_ok())
}

/// A directory with its lock; dropped, it is removed.
#[derive(Debug)]
struct LockedDirectory {
    path: PathBuf,
    _lock: File,
}

impl LockedDirectory {
    /// Creates it under a name that no other process looks for, until it is locked.
    fn create(parent: &Path) -> io::Result<Self> {
        let own_only = fs::Permissions::from_mode(0o700);
        let directory = Builder::new().prefix(UNLOCKED_PREFIX).permissions(own_only).tempdir_in(parent)?;
        let lock = File::open(directory.path())?;
        match lock.try_lock() {
            // On a file system without locks none is ever found to be left behind.
            Ok(()) | Err(fs::TryLockError::Error(_)) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
        }
        let random = directory.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let name = random.unwrap_or_default().replacen(UNLOCKED_PREFIX, PREFIX, 1);
        let path = parent.join(name);
        fs::rename(directory.path(), &path)?;
        // It has another name now.
        drop(directory.keep());
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            events::FilesNotRemoved { directory: &self.path, error: &error }.emit();
        }
    }
}

#[cfg(feature = "exec")]
#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_and_the_directory_of_a_handler_are_removed_at_their_end() {
        let parent = tempfile::tempdir().unwrap();
        let files = MessageFiles::under(Some(parent.path().to_owned()));
        assert_eq!(names(parent.path()), Vec::<String>::new(), "none before the first file");
        let file = files.write(".body", b"body").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"body");
        let own = parent.path().join(&names(parent.path())[0]);
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        drop(file);
        assert_eq!(names(&own), Vec::<String>::new());
        drop(files);
        assert_eq!(names(parent.path()), Vec::<String>::new());
    }

    #[test]
    fn a_directory_without_a_lock_is_removed_and_one_of_a_living_handler_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = MessageFiles::under(Some(parent.path().to_owned()));
        let file = living.write(".body", b"body").unwrap();
        let left = ["longshore-files-Left12", "longshore-exec-Left12"].map(|name| parent.path().join(name));
        for directory in &left {
            fs::create_dir(directory).unwrap();
            fs::write(directory.join("message-1.body"), "body").unwrap();
        }
        let others = ["another-files-1", ".longshore-files-new"].map(|name| parent.path().join(name));
        for path in &others {
            fs::create_dir(path).unwrap();
        }
        std::os::unix::fs::symlink(&others[0], parent.path().join("longshore-files-link")).unwrap();
        MessageFiles::under(Some(parent.path().to_owned())).remove_left_behind();
        assert!(left.iter().all(|path| !path.exists()) && file.exists());
        assert!(others.iter().all(|path| path.exists()), "{:?}", names(parent.path()));
    }

    #[test]
    fn a_directory_that_was_cleaned_up_is_made_anew() {
        let parent = tempfile::tempdir().unwrap();
        let files = MessageFiles::under(Some(parent.path().to_owned()));
        drop(files.write(".body", b"one").unwrap());
        fs::remove_dir_all(parent.path().join(&names(parent.path())[0])).unwrap();
        assert_eq!(fs::read(files.write(".body", b"two").unwrap()).unwrap(), b"two");
    }
}
