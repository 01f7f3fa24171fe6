//! A process that is killed at the end of its test.

use std::{
    path::{Path, PathBuf},
    process::{Command as PlainCommand, Stdio},
    time::Duration,
};

use super::tasks;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};

use super::{in_time, terminal::OnTerminal};

/// A `longshore` about to start, in an empty directory of its own with an empty environment.
pub(crate) struct Launch {
    command: Command,
    directory: TempDir,
}

impl Launch {
    pub(crate) fn of(arguments: &[&str]) -> Self {
        Self::program(Path::new(env!("CARGO_BIN_EXE_longshore"))).arguments(arguments)
    }

    /// Another program under the same conditions.
    pub(crate) fn program(path: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(path);
        command.env_clear().current_dir(&directory).stdin(Stdio::null());
        // A stop waits for receives under way; few tests are about that.
        command.env("LONGSHORE__DRAIN__RECEIVES", "1s");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { command, directory }
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Lets a stop wait for receives as long as it does by default, or by the file.
    pub(crate) fn waiting_for_receives(mut self) -> Self {
        self.command.env_remove("LONGSHORE__DRAIN__RECEIVES");
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a `longshore.toml` into its directory.
    pub(crate) fn file(self, text: &str) -> Self {
        std::fs::write(self.directory.path().join("longshore.toml"), text).unwrap();
        self
    }

    /// Puts a file of this name there.
    pub(crate) fn script(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a named pipe there, from which it reads its `longshore.toml`; returns its path.
    pub(crate) fn file_by_pipe(self) -> (Self, PathBuf) {
        let path = self.directory.path().join("longshore.toml");
        let made = PlainCommand::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success(), "mkfifo");
        (self, path)
    }

    /// Puts copies of these files into its directory.
    pub(crate) fn copies_of(self, files: &[&Path]) -> Self {
        for file in files {
            std::fs::copy(file, self.directory.path().join(file.file_name().unwrap())).unwrap();
        }
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Self {
        let path = self.directory.path().join("input");
        std::fs::write(&path, text).unwrap();
        self.command.stdin(std::fs::File::open(path).unwrap());
        self
    }

    pub(crate) fn start(mut self) -> Process {
        let mut child = self.command.spawn().unwrap();
        let output = StreamText::by(child.stdout.take().unwrap());
        let errors = StreamText::by(child.stderr.take().unwrap());
        Process { child, output, errors, began: Instant::now(), _directory: self.directory }
    }

    /// Starts it on a terminal of its own.
    pub(crate) fn start_on_terminal(self, size: (u16, u16)) -> OnTerminal {
        OnTerminal::start(self.command.as_std(), self.directory, size)
    }

    /// Starts it and waits for its end.
    pub(crate) async fn run(self) -> Ended {
        self.start().ended().await
    }
}

/// A process that runs; dropping it kills it.
pub(crate) struct Process {
    child: Child,
    output: StreamText,
    errors: StreamText,
    began: Instant,
    _directory: TempDir,
}

/// A signal to a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Terminate,
    Interrupt,
    Quit,
    HangUp,
    User1,
    User2,
    Kill,
    Stop,
    Continue,
}

impl Signal {
    /// Sends it to the process with this id.
    pub(super) fn send(self, id: u32) {
        let name = match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::HangUp => "HUP",
            Self::User1 => "USR1",
            Self::User2 => "USR2",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        };
        // The shell's own kill: a signal needs either that or unsafe code.
        let mut shell = PlainCommand::new("sh");
        let sent =
            shell.args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &id.to_string()]).status().unwrap();
        assert!(sent.success(), "SIG{name} could not be sent");
    }
}

/// The end of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Absent when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
    /// Since its start, or since the last signal.
    pub(crate) after: Duration,
}

impl Process {
    /// Waits for the first line of standard output that contains this text.
    pub(crate) async fn says(&self, wanted: &str) -> String {
        self.output.line_with(wanted).await
    }

    /// Waits for the first line of standard error that contains this text.
    pub(crate) async fn complains(&self, wanted: &str) -> String {
        self.errors.line_with(wanted).await
    }

    /// The id of the process, which runs.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        signal.send(self.id());
        self.began = Instant::now();
    }

    /// Waits for its end, and for its whole output.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = in_time("the end of a process", self.child.wait()).await.unwrap();
        let after = self.began.elapsed();
        let (output, errors) = (self.output.all().await, self.errors.all().await);
        Ended { code: status.code(), output, errors, after }
    }
}

/// The output of a process on one of its streams.
struct StreamText {
    text: watch::Receiver<String>,
    reading: JoinHandle<()>,
}

impl StreamText {
    fn by(stream: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (sender, text) = watch::channel(String::new());
        let mut lines = BufReader::new(stream).lines();
        let reading = tasks::detach("reader", async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        });
        Self { text, reading }
    }

    async fn line_with(&self, wanted: &str) -> String {
        let mut text = self.text.clone();
        let found = |text: &str| text.lines().find(|line| line.contains(wanted)).map(str::to_owned);
        let line =
            async { text.wait_for(|text| found(text).is_some()).await.ok().and_then(|text| found(&text)) };
        let line = in_time(&format!("a line with {wanted:?}"), line).await;
        line.unwrap_or_else(|| panic!("the process ended without {wanted:?}: {}", *self.text.borrow()))
    }

    async fn all(self) -> String {
        in_time("the end of a process's output", self.reading).await.unwrap();
        self.text.borrow().clone()
    }
}
