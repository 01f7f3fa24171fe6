//! A program that was started: its streams, its signals, its end.

use std::{io, process::ExitStatus, time::Duration};

use rustix::{
    io::retry_on_intr,
    process::{Pid, Signal, WaitId, WaitIdOptions, waitid},
};
use tokio::{
    process::{Child, ChildStdin},
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Output,
    group::{self, Group},
};
use crate::tasks;

/// The interval of checks of a group whose leader has ended, while the others may still clean up.
const LOOK: Duration = Duration::from_millis(50);

/// A program that was started, with everybody in its process group.
///
/// Dropped before it was waited for, its whole group is killed, and reaped in the background.
#[derive(Debug)]
pub(crate) struct Process {
    /// There until the drop takes it.
    child: Option<Child>,
    /// There until the leader is reaped, after which the id may be another's.
    group: Option<Group>,
    id: u32,
    /// Tells the readers of the output that nothing more will come.
    ended: CancellationToken,
    runtime: Handle,
}

impl Process {
    pub(super) fn new(child: Child) -> Self {
        let id = child.id().unwrap_or_default();
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        Self {
            child: Some(child),
            group: pid.map(Group::led_by),
            id,
            ended: CancellationToken::new(),
            runtime: Handle::current(),
        }
    }

    /// The id of the program's process and of its group.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The writing end of the standard input, once, if it was asked for.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.as_mut()?.stdin.take()
    }

    /// The reading end of the standard output, once.
    pub(crate) fn take_stdout(&mut self) -> Option<Output> {
        let pipe = self.child.as_mut()?.stdout.take()?;
        Some(Output::of_stdout(pipe, self.ended.clone()))
    }

    /// The reading end of the standard error, once.
    pub(crate) fn take_stderr(&mut self) -> Option<Output> {
        let pipe = self.child.as_mut()?.stderr.take()?;
        Some(Output::of_stderr(pipe, self.ended.clone()))
    }

    /// Asks the whole group to end: SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the whole group: SIGKILL.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            group.signal(signal);
        }
    }

    /// Waits until the program has ended, and kills whoever of its group it left behind.
    ///
    /// In a container whose first process this is, it reaps whom it and earlier programs left behind: those that
    /// are still dying are left for the next call.
    ///
    /// May be cancelled, and called again after it has answered.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(group) = self.group {
            if let Err(error) = self.exited().await {
                // Somebody else in this process has reaped it: its id may be another's by now.
                self.reaped();
                return Err(error);
            }
            group.signal(Signal::KILL);
        }
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        let status = child.wait().await;
        self.reaped();
        group::reap_orphans();
        status
    }

    /// True once the program's end has been waited for.
    pub(crate) fn has_ended(&self) -> bool {
        self.group.is_none()
    }

    fn reaped(&mut self) {
        self.group = None;
        self.ended.cancel();
    }

    /// Ends the program: SIGTERM to its group, up to `grace` for all of it to end, then SIGKILL.
    ///
    /// May be cancelled; the program goes on then, as far as SIGTERM let it.
    pub(crate) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.terminate();
        if timeout(grace, self.emptied()).await.is_err() {
            self.kill();
        }
        self.wait().await
    }

    /// Waits until the program and everybody in its group have ended by themselves.
    async fn emptied(&self) -> io::Result<()> {
        self.exited().await?;
        while self.group.is_some_and(Group::is_alive) {
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until the leader has ended, and leaves it to be reaped.
    async fn exited(&self) -> io::Result<()> {
        // Listened for before the first look, so that no end falls between the two.
        let mut ends = signal(SignalKind::child())?;
        while self.is_running()? {
            if ends.recv().await.is_none() {
                return Err(io::Error::other("the runtime receives no signals any more"));
            }
        }
        Ok(())
    }

    fn is_running(&self) -> io::Result<bool> {
        let Some(pid) = i32::try_from(self.id).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(retry_on_intr(|| waitid(WaitId::Pid(pid), look))?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ended.cancel();
        let (Some(group), Some(mut child)) = (self.group, self.child.take()) else { return };
        group.signal(Signal::KILL);
        // Tokio reaps what is dropped only when something else happens; this waits for it.
        let reaping = async move {
            if let Err(error) = child.wait().await {
                tracing::debug!(%error, "process not reaped");
            }
        };
        drop(tasks::detach_on(&self.runtime, "reap", reaping));
    }
}

/// The name of a signal by its number, as in `SIGKILL`.
pub(crate) fn signal_name(number: i32) -> String {
    let named = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        other => return format!("signal {other}"),
    };
    named.to_owned()
}
