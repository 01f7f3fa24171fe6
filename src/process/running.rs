//! A running program: its streams, signals and end.

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

/// The interval of checks of a group whose leader has ended, while other members may still clean up.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A running program with its process group.
///
/// If dropped before it was waited for, its whole group is killed, and the program is reaped in the background.
#[derive(Debug)]
pub(crate) struct Process {
    /// `None` only during the drop.
    child: Option<Child>,
    /// `None` once the leader is reaped: the system may use the id again.
    group: Option<Group>,
    id: u32,
    /// Fires when the program has ended, for the readers of its output.
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

    /// The writing end of the standard input, once, if it is piped.
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

    /// Waits until the program has ended, and kills the rest of its group.
    ///
    /// In the first process of a container it also reaps orphans of this and earlier programs; orphans that still run
    /// are reaped by a later call.
    ///
    /// May be cancelled, and called again after it has returned.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if let Some(group) = self.group {
            if let Err(error) = self.exited().await {
                // Other code in this process has reaped it: the system may have used its id again.
                self.set_reaped();
                return Err(error);
            }
            group.signal(Signal::KILL);
        }
        let Some(child) = &mut self.child else { return Err(io::ErrorKind::NotFound.into()) };
        let status = child.wait().await;
        self.set_reaped();
        group::reap_orphans();
        status
    }

    /// True once the program's end has been waited for.
    pub(crate) fn has_ended(&self) -> bool {
        self.group.is_none()
    }

    fn set_reaped(&mut self) {
        self.group = None;
        self.ended.cancel();
    }

    /// Ends the program: SIGTERM to its group, then SIGKILL if any of it still runs after `grace`.
    ///
    /// May be cancelled; then no SIGKILL is sent.
    pub(crate) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.terminate();
        if timeout(grace, self.group_ended()).await.is_err() {
            self.kill();
        }
        self.wait().await
    }

    /// Waits until the program and all of its group have ended by themselves.
    async fn group_ended(&self) -> io::Result<()> {
        self.exited().await?;
        while self.group.is_some_and(Group::is_alive) {
            sleep(CHECK_INTERVAL).await;
        }
        Ok(())
    }

    /// Waits until the leader has ended, without reaping it.
    async fn exited(&self) -> io::Result<()> {
        // Subscribed before the first check, so that no end is missed in between.
        let mut ends = signal(SignalKind::child())?;
        while self.is_running()? {
            if ends.recv().await.is_none() {
                return Err(io::Error::other("the runtime receives no signals any more"));
            }
        }
        Ok(())
    }

    /// The id as the system takes it; absent if the program had ended before its id was known.
    pub(super) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.id).ok().and_then(Pid::from_raw)
    }

    fn is_running(&self) -> io::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(false) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(retry_on_intr(|| waitid(WaitId::Pid(pid), options))?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ended.cancel();
        let (Some(group), Some(mut child)) = (self.group, self.child.take()) else { return };
        group.signal(Signal::KILL);
        // Tokio reaps a dropped child only at some later event; this task reaps it at its end.
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
