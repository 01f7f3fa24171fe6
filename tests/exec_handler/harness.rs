//! A directory for programs, and calls of the handler.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use longshore::{
    Message,
    handler::{
        AnyHandler, Context, Outcome,
        exec::{ExecHandler, Settings},
    },
};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::alive::{until, within};

/// A directory whose path scripts find in `$DIR`.
pub(crate) struct ScriptDirectory(TempDir);

impl ScriptDirectory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Settings that run this shell script.
    pub(crate) fn settings(&self, script: &str) -> Settings {
        let settings = Settings::of_command(["sh", "-c", script]);
        let directory = self.path().to_str().unwrap().to_owned();
        Settings { env: [("DIR".to_owned(), directory)].into(), ..settings }
    }

    pub(crate) fn exec(&self, script: &str) -> AnyHandler {
        exec(self.settings(script))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Waits for the process id that a script writes into a file with `echo`.
    pub(crate) async fn pid(&self, name: &str) -> u32 {
        let text = || fs::read_to_string(self.file(name)).unwrap_or_default();
        until(|| text().ends_with('\n')).await;
        text().trim().parse().unwrap()
    }

    /// The environment that a script wrote with `env -0`.
    pub(crate) fn variables(&self, name: &str) -> Vec<(String, String)> {
        let text = String::from_utf8(self.read(name)).unwrap();
        let pairs = text.split_terminator('\0').filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

pub(crate) fn exec(settings: Settings) -> AnyHandler {
    ExecHandler::new(settings, "orders").unwrap().into()
}

pub(crate) fn message(body: impl Into<String>) -> Message {
    Message::new("message-1", body)
}

pub(crate) fn context(cancellation: &CancellationToken) -> Context {
    Context::new("orders".into(), Instant::now(), cancellation.clone())
}

/// Calls the handler and waits for its end.
pub(crate) async fn outcome_of(exec: &AnyHandler, message: Message) -> Outcome {
    within(exec.handle(Arc::new(message), context(&CancellationToken::new()))).await
}

/// The reason of a retry.
pub(crate) fn retried(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry(reason) => reason,
        other => panic!("not a retry: {other:?}"),
    }
}

/// The reason why a handler is down.
pub(crate) fn down(outcome: Outcome) -> String {
    match outcome {
        Outcome::Down(reason) => reason,
        other => panic!("not down: {other:?}"),
    }
}
