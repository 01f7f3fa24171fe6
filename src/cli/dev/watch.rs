//! Watches the configuration file and the files of handlers, by their times and sizes twice a second.
//!
//! Without the system's notifications it works the same in containers, on network shares and for editors that replace files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Metadata},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    config::{QueueSettings, Settings},
    handler, tasks,
};

/// The interval of looking.
const INTERVAL: Duration = Duration::from_millis(400);
/// The most files that are watched.
const MOST_FILES: usize = 5_000;
/// The folders that hold what tools have made.
const LEFT_OUT: [&str; 4] = ["__pycache__", "node_modules", "target", "venv"];
/// The ends of the files in which a function such as `app.handler` may be.
const SOURCES: [&str; 5] = ["py", "js", "mjs", "cjs", "rb"];

/// The time and the size of each file that is there.
type Snapshot = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The watched files, as they were when they were last looked at.
pub(super) struct Watch {
    roots: BTreeSet<PathBuf>,
    seen: Snapshot,
}

impl Watch {
    /// Watches the configuration file, the files that commands of handlers name, and further paths.
    pub(super) fn new(file: Option<&Path>, settings: &Settings, further: &[PathBuf]) -> Self {
        let handlers = settings.queues.values().flat_map(QueueSettings::handlers);
        let roots = file.into_iter().map(Path::to_owned).chain(further.iter().cloned());
        let roots: BTreeSet<_> = roots.chain(handlers.flat_map(files_of)).collect();
        let seen = snapshot(&roots);
        Self { roots, seen }
    }

    /// Waits until files have changed, and then until they no longer change; returns their paths.
    pub(super) async fn changed(&mut self) -> Vec<PathBuf> {
        let mut before = self.seen.clone();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let roots = self.roots.clone();
            let Ok(now) = tasks::aside(move || snapshot(&roots)).await else { continue };
            let changed = differences(&self.seen, &now);
            // Files are written, and replaced, in several steps.
            if !changed.is_empty() && now == before {
                self.seen = now;
                return changed;
            }
            before = now;
        }
    }
}

/// The files that are new or different; one that is gone may be about to be replaced.
fn differences(before: &Snapshot, now: &Snapshot) -> Vec<PathBuf> {
    now.iter()
        .filter(|(path, state)| before.get(*path) != Some(state))
        .map(|(path, _)| path.clone())
        .collect()
}

fn snapshot(roots: &BTreeSet<PathBuf>) -> Snapshot {
    let mut files = Snapshot::new();
    for root in roots {
        collect(root, &mut files);
    }
    files
}

fn collect(path: &Path, files: &mut Snapshot) {
    let Ok(metadata) = fs::metadata(path) else { return };
    if files.len() >= MOST_FILES {
        return;
    }
    if !metadata.is_dir() {
        files.insert(path.to_owned(), state(&metadata));
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !LEFT_OUT.contains(&&*name) {
            collect(&entry.path(), files);
        }
    }
}

fn state(metadata: &Metadata) -> (Option<SystemTime>, u64) {
    (metadata.modified().ok(), metadata.len())
}

/// The files that a handler's program is made of, as far as its command names them.
fn files_of(handler: &handler::Settings) -> Vec<PathBuf> {
    let (command, directory) = match handler {
        handler::Settings::Exec(exec) => (&exec.command, exec.directory.as_deref()),
        handler::Settings::Lambda(lambda) => (&lambda.command, lambda.task_root.as_deref()),
        handler::Settings::Http(_) | handler::Settings::Sns(_) => return Vec::new(),
    };
    let function = match handler {
        handler::Settings::Lambda(lambda) => lambda.handler.as_deref(),
        _ => None,
    };
    let words = command.iter().flat_map(|word| word.split_whitespace()).chain(function);
    let directory = directory.unwrap_or_else(|| Path::new("."));
    words.flat_map(|word| named_by(word, directory)).collect()
}

/// The files that a word of a command may name: by its path, or as the function in a file.
fn named_by(word: &str, directory: &Path) -> Vec<PathBuf> {
    let stem = word.rsplit_once('.').map_or(word, |(module, _)| module);
    let of_function = SOURCES.iter().map(|end| format!("{}.{end}", stem.replace('.', "/")));
    let names = std::iter::once(word.to_owned()).chain(of_function);
    // `./job.sh` in `.` is shown as it is written.
    let paths = names.map(|name| directory.join(name).components().collect::<PathBuf>());
    paths.filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_files_of_a_command_are_found_by_path_and_by_function() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["job.sh", "app.py", "other.py"] {
            write(&directory.path().join(name), "");
        }
        let found = |word: &str| -> Vec<String> {
            let found = named_by(word, directory.path());
            found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(
            (found("job.sh"), found("app.handler")),
            (vec!["job.sh".to_owned()], vec!["app.py".to_owned()])
        );
        assert_eq!(found("python3"), [""; 0]);
    }

    #[test]
    fn a_new_and_a_changed_file_differ_and_one_that_is_gone_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let (file, hidden) = (directory.path().join("a"), directory.path().join(".git"));
        let look = || snapshot(&[directory.path().to_owned()].into());
        let nothing = look();
        write(&file, "1");
        write(&hidden, "1");
        let first = look();
        write(&file, "22");
        let second = look();
        let changed = std::slice::from_ref(&file);
        assert_eq!(differences(&nothing, &first), changed);
        assert_eq!(differences(&first, &second), changed);
        assert_eq!(differences(&first, &nothing), [""; 0].map(PathBuf::from));
        assert_eq!(differences(&second, &second), [""; 0].map(PathBuf::from));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_reported_once_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("longshore.toml");
        let mut watch = Watch::new(Some(&file), &Settings::default(), &[]);
        write(&file, "x");
        assert_eq!(watch.changed().await, std::slice::from_ref(&file));
        let again = tokio::time::timeout(INTERVAL * 5, watch.changed()).await;
        assert!(again.is_err(), "nothing has changed since");
    }
}
