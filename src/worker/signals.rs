//! The signals that stop, reload, pause and resume the process.

use std::{
    fs::{self, File},
    io,
};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

use super::WorkerControl;
#[cfg(feature = "cli")]
use super::reload::Reload;
use crate::{stop::Stop, telemetry::events};

/// The terminal that controls the process; it cannot be opened where there is none.
const TERMINAL: &str = "/dev/tty";

/// The signals of the process: the first SIGTERM, SIGINT, SIGQUIT or SIGHUP drains, the second halts. Where the program
/// listens for an operator, a SIGHUP may reload instead, SIGUSR1 pauses every queue, and SIGUSR2 resumes them.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    /// Absent where the parent has hangups ignored, as `nohup` does: they stay ignored.
    ///
    /// SIGINT and SIGQUIT drain even so, because a shell without job control ignores them for everything in the background.
    hangup: Option<Signal>,
    operator: Option<OperatorSignals>,
    /// True if the process had a terminal at its start, which it has lost when that hangs up.
    has_terminal: bool,
}

/// The signals of an operator, which belong to a library user's own program otherwise.
struct OperatorSignals {
    pause: Signal,
    resume: Signal,
}

/// A signal that has come.
enum ReceivedSignal {
    Stop(&'static str),
    HangUp,
    Pause,
    Resume,
}

/// The subjects of the signals.
pub(super) struct SignalTargets {
    pub(super) stop: Stop,
    pub(super) control: WorkerControl,
    /// Absent, a SIGHUP always drains.
    #[cfg(feature = "cli")]
    pub(super) reload: Option<Reload>,
}

impl Signals {
    /// Listens from now on; needs a tokio runtime. A signal that comes before anything awaits it is kept.
    pub(super) fn listen() -> io::Result<Self> {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()];
        let (terminate, interrupt, quit) =
            (signal(terminate)?, signal(interrupt)?, signal(SignalKind::quit())?);
        let hangup =
            if is_ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) };
        let has_terminal = File::open(TERMINAL).is_ok();
        Ok(Self { terminate, interrupt, quit, hangup, operator: None, has_terminal })
    }

    /// Listens from now on, also for an operator, before the process has a runtime: the one of the worker will deliver what
    /// came before it.
    #[cfg(feature = "cli")]
    pub(crate) fn listen_early() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _context = runtime.enter();
        Self::listen_again()
    }

    /// Listens from now on, also for an operator; needs a tokio runtime.
    #[cfg(feature = "cli")]
    pub(crate) fn listen_again() -> io::Result<Self> {
        let (pause, resume) = (SignalKind::user_defined1(), SignalKind::user_defined2());
        let operator = OperatorSignals { pause: signal(pause)?, resume: signal(resume)? };
        Ok(Self { operator: Some(operator), ..Self::listen()? })
    }

    async fn next(&mut self) -> ReceivedSignal {
        let (pause, resume) = match &mut self.operator {
            Some(OperatorSignals { pause, resume }) => (Some(pause), Some(resume)),
            None => (None, None),
        };
        tokio::select! {
            _ = self.terminate.recv() => ReceivedSignal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => ReceivedSignal::Stop("SIGINT"),
            _ = self.quit.recv() => ReceivedSignal::Stop("SIGQUIT"),
            Some(()) = next_of(self.hangup.as_mut()) => ReceivedSignal::HangUp,
            Some(()) = next_of(pause) => ReceivedSignal::Pause,
            Some(()) = next_of(resume) => ReceivedSignal::Resume,
        }
    }

    /// Carries out what each signal asks for, until the second one to stop.
    pub(super) async fn forward_to(mut self, mut targets: SignalTargets) {
        let mut was_asked_to_stop = false;
        loop {
            let signal = match self.next().await {
                ReceivedSignal::Stop(signal) => signal,
                ReceivedSignal::HangUp if targets.reloaded(self.has_terminal).await => continue,
                ReceivedSignal::HangUp => "SIGHUP",
                ReceivedSignal::Pause => {
                    targets.control.pause_all("SIGUSR1");
                    continue;
                }
                ReceivedSignal::Resume => {
                    targets.control.resume_all();
                    continue;
                }
            };
            if was_asked_to_stop {
                events::HaltSignalled { signal }.emit();
                return targets.stop.halt();
            }
            was_asked_to_stop = true;
            events::DrainSignalled { signal }.emit();
            targets.stop.drain();
        }
    }
}

impl SignalTargets {
    /// Reloads the configuration if a hangup asks for that; returns false if it asks for a stop.
    #[cfg(feature = "cli")]
    async fn reloaded(&mut self, has_terminal: bool) -> bool {
        let Some(reload) = self.reload.as_mut().filter(|reload| reload.is_asked_for(has_terminal)) else {
            return false;
        };
        reload.run(&self.control).await;
        true
    }

    #[cfg(not(feature = "cli"))]
    #[expect(clippy::unused_async, clippy::unused_self, reason = "only the program reloads")]
    async fn reloaded(&mut self, _has_terminal: bool) -> bool {
        false
    }
}

/// The next signal of this kind; `None` if it is not listened for.
async fn next_of(signal: Option<&mut Signal>) -> Option<()> {
    signal?.recv().await
}

/// True if this process ignores the signal, by `/proc`; false without it.
fn is_ignored(signal: SignalKind) -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| is_ignored_by(&status, signal))
}

/// Reads the mask of ignored signals in `/proc/self/status`.
fn is_ignored_by(status: &str, signal: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal.as_raw_value() - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_bit_by_bit() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00000001800004e8\n";
        assert!(is_ignored_by(status, SignalKind::hangup()), "by nohup");
        for signal in [SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()] {
            assert!(!is_ignored_by(status, signal), "{signal:?}");
        }
        assert!(!is_ignored_by("", SignalKind::hangup()));
    }
}
