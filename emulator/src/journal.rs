//! An append-only file of records, from which an account is restored after a restart.
//!
//! A line is a JSON array: the records of one call. It is written before the call is answered, so a kill of the
//! process loses nothing that was answered; a line that the kill cut off belongs to no answer and is dropped. The
//! system writes its cache to the disk later, unless the process stops in order: a loss of power may lose the last
//! seconds.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

/// The file is rewritten when it has grown by this much and by as much as it held after the last rewriting.
const REWRITE_BYTES: u64 = 64 * 1024 * 1024;

/// The error of a data directory from which no account can be restored.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}: {source}, hint: name a directory that this user can write", path.display())]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another emulator uses the directory.
    #[error("another emulator uses {}, hint: stop it, or name another directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A line is not a record of this version.
    #[error(
        "{}:{line}: {message}, hint: restore the file from a copy, or move it away to start without what it holds",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The mistake.
        message: String,
    },
    /// The content of the file cannot be restored with these settings.
    #[error("cannot restore {}: {message}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// The reason and what to do.
        message: String,
    },
}

/// A directory of journals, locked against a second process.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory if need be, and locks it until the drop.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let unusable = |source| DataError::Unusable { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        lock.try_lock().map_err(|_| DataError::InUse { path: path.to_owned() })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The path of a journal.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The journal of one account.
#[derive(Debug)]
pub(crate) struct AccountJournal(Mutex<JournalFile>);

#[derive(Debug)]
struct JournalFile {
    path: PathBuf,
    /// `None` after a failed write, until the file is rewritten.
    file: Option<File>,
    appended: u64,
    rewritten: u64,
    failure: Option<String>,
}

/// Writes the lines of a journal that is rewritten.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    output: BufWriter<File>,
    bytes: u64,
    result: io::Result<()>,
}

impl JournalWriter {
    /// Writes one line; after an error it does nothing.
    pub(crate) fn line<R: Serialize>(&mut self, records: &[R]) {
        let Ok(()) = self.result else { return };
        self.result = encode(records).and_then(|line| {
            self.bytes += line.len() as u64;
            self.output.write_all(&line)
        });
    }
}

/// Passes the records of every line to a function, the oldest first.
pub(crate) fn read<R: DeserializeOwned>(
    path: &Path,
    mut each: impl FnMut(R) -> Result<(), String>,
) -> Result<(), DataError> {
    let unusable = |source| DataError::Unusable { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(unusable)?,
    };
    let mut input = BufReader::new(file);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        input.read_until(b'\n', &mut text).map_err(unusable)?;
        // Without its end the line was cut off by a kill, before the call was answered.
        let Some(json) = text.strip_suffix(b"\n") else { break };
        let damaged = |message| DataError::Damaged { file: path.to_owned(), line, message };
        let records: Vec<R> = serde_json::from_slice(json).map_err(|error| damaged(error.to_string()))?;
        records.into_iter().try_for_each(&mut each).map_err(damaged)?;
    }
    Ok(())
}

impl AccountJournal {
    /// A journal that begins with the lines of this function.
    pub(crate) fn create(path: PathBuf, content: impl FnOnce(&mut JournalWriter)) -> Result<Self, DataError> {
        let mut file = JournalFile { path, file: None, appended: 0, rewritten: 0, failure: None };
        file.rewrite(content).map_err(|source| DataError::Unusable { path: file.path.clone(), source })?;
        Ok(Self(Mutex::new(file)))
    }

    /// Writes the records of one call; `content` writes all that the account holds, if the file has to be rewritten.
    pub(crate) fn append<R: Serialize>(&self, records: &[R], content: impl FnOnce(&mut JournalWriter)) {
        if records.is_empty() {
            return;
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_large = file.appended > REWRITE_BYTES.max(file.rewritten);
        let written =
            if file.file.is_none() || is_large { file.rewrite(content) } else { file.append(records) };
        file.failure = written.err().map(|error| {
            // A part of the line may have been written, so that no line can follow.
            file.file = None;
            let message = format!("cannot write {}: {error}", file.path.display());
            tracing::error!(message, "the data directory cannot be written");
            message
        });
    }

    /// The reason for which the last call was not written.
    pub(crate) fn failure(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure.clone()
    }
}

impl JournalFile {
    fn append<R: Serialize>(&mut self, records: &[R]) -> io::Result<()> {
        let line = encode(records)?;
        self.appended += line.len() as u64;
        match &mut self.file {
            Some(file) => file.write_all(&line),
            None => Ok(()),
        }
    }

    /// Replaces the file; a kill leaves the old one or the new one.
    fn rewrite(&mut self, content: impl FnOnce(&mut JournalWriter)) -> io::Result<()> {
        let next = self.path.with_extension("next");
        let output = BufWriter::new(File::create(&next)?);
        let mut writer = JournalWriter { output, bytes: 0, result: Ok(()) };
        content(&mut writer);
        let JournalWriter { output, bytes, result } = writer;
        result?;
        let file = output.into_inner()?;
        file.sync_all()?;
        std::fs::rename(&next, &self.path)?;
        (self.file, self.appended, self.rewritten) = (Some(file), 0, bytes);
        Ok(())
    }
}

impl Drop for JournalFile {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.file.as_ref().map(File::sync_all) {
            tracing::warn!(%error, "the data directory cannot be synchronised");
        }
    }
}

fn encode<R: Serialize>(records: &[R]) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(records)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(path: &Path) -> Result<Vec<u64>, DataError> {
        let mut numbers = Vec::new();
        read(path, |number| {
            numbers.push(number);
            Ok(())
        })?;
        Ok(numbers)
    }

    #[test]
    fn a_line_that_was_cut_off_is_dropped_and_the_others_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let journal = AccountJournal::create(path.clone(), |writer| writer.line(&[1, 2])).unwrap();
        journal.append(&[3], |_| panic!("the file is small"));
        drop(journal);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"[4, 5").unwrap();
        assert_eq!(numbers(&path).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        std::fs::write(&path, "[1]\n[x]\n[3]\n").unwrap();
        let error = numbers(&path).unwrap_err().to_string();
        assert!(error.contains("j:2: ") && error.contains("hint: "), "{error}");
    }

    #[test]
    fn a_large_file_is_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let journal = AccountJournal::create(path.clone(), |_| {}).unwrap();
        journal.0.lock().unwrap().appended = REWRITE_BYTES + 1;
        journal.append(&[3], |writer| writer.line(&[1, 3]));
        journal.append(&[4], |_| panic!("the file is small again"));
        assert_eq!(numbers(&path).unwrap(), [1, 3, 4]);
    }

    #[test]
    fn a_failed_write_is_reported_until_the_file_could_be_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let journal = AccountJournal::create(path.clone(), |_| {}).unwrap();
        // A file that is open for reading only refuses the write.
        journal.0.lock().unwrap().file = Some(File::open(&path).unwrap());
        journal.append(&[1], |_| {});
        assert!(journal.failure().unwrap().starts_with("cannot write "));
        journal.append(&[2], |writer| writer.line(&[1, 2]));
        assert_eq!((journal.failure(), numbers(&path).unwrap()), (None, vec![1, 2]));
    }

    #[test]
    fn a_directory_is_used_by_one_emulator_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(directory.path()).unwrap();
        let second = DataDirectory::open(directory.path()).unwrap_err();
        assert!(matches!(second, DataError::InUse { .. }), "{second}");
        drop(first);
        DataDirectory::open(directory.path()).unwrap();
    }
}
