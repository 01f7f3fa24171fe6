//! The sources of stop requests beside the program itself: signals, and tasks that end in a fault.

use std::{fs, future::Future, io, pin::pin};

use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    stop::Stop,
    tasks::{End, Faults, TaskFault},
    telemetry::events,
};

/// The signals that stop the process: the first SIGTERM, SIGINT, SIGQUIT or SIGHUP drains, the second halts.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    /// Absent where the parent has hangups ignored, as `nohup` does: they stay ignored.
    ///
    /// SIGINT and SIGQUIT drain even so, because a shell without job control ignores them for everything in the background.
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on; needs a tokio runtime. A signal that comes before anything awaits it is kept.
    pub(super) fn listen() -> io::Result<Self> {
        let [terminate, interrupt] = [SignalKind::terminate(), SignalKind::interrupt()];
        let (terminate, interrupt, quit) =
            (signal(terminate)?, signal(interrupt)?, signal(SignalKind::quit())?);
        let hangup =
            if is_ignored(SignalKind::hangup()) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminate, interrupt, quit, hangup })
    }

    /// Listens from now on, before the process has a runtime: the one of the worker will deliver what came before it.
    #[cfg(feature = "cli")]
    pub(crate) fn listen_early() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let _context = runtime.enter();
        Self::listen()
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
            Some(()) = next_of(&mut self.hangup) => "SIGHUP",
        }
    }

    /// Requests the stop at each signal.
    pub(super) async fn forward_to(mut self, stop: Stop) {
        let signal = self.next().await;
        events::DrainSignalled { signal }.emit();
        stop.drain();
        let signal = self.next().await;
        events::HaltSignalled { signal }.emit();
        stop.halt();
    }
}

/// The next signal of this kind; `None` if it is not listened for.
async fn next_of(signal: &mut Option<Signal>) -> Option<()> {
    signal.as_mut()?.recv().await
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

/// Watches for tasks that end in a fault, and requests the stop that each requires.
pub(super) struct FaultWatch {
    faults: Faults,
    stop: Stop,
    first: Option<&'static str>,
}

impl FaultWatch {
    pub(super) fn new(faults: Faults, stop: Stop) -> Self {
        Self { faults, stop, first: None }
    }

    /// Awaits `work`, and handles faults meanwhile.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                answer = &mut work => return answer,
                Some(fault) = self.faults.recv() => self.note(fault),
            }
        }
    }

    /// The first task that ended in a fault.
    pub(super) fn first(&self) -> Option<&'static str> {
        self.first
    }

    fn note(&mut self, TaskFault { task, end }: TaskFault) {
        self.first.get_or_insert(task);
        if end == End::Fatal {
            events::FatalTaskEnded { task }.emit();
            // Without it leases end, and other workers would receive the messages of running handlers.
            self.stop.halt();
        } else {
            events::TaskEnded { task }.emit();
            self.stop.drain();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{runtime::Handle, time::timeout};

    use super::*;
    use crate::tasks::Tasks;

    /// The stop that the early end of a task has requested.
    async fn stop_after(task: &'static str, end: End) -> Stop {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn(task, end, async {});
        watch.until(stop.draining()).await;
        assert_eq!(watch.first(), Some(task));
        stop
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read_bit_by_bit() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t00000001800004e8\n";
        assert!(is_ignored_by(status, SignalKind::hangup()), "by nohup");
        for signal in [SignalKind::interrupt(), SignalKind::quit(), SignalKind::terminate()] {
            assert!(!is_ignored_by(status, signal), "{signal:?}");
        }
        assert!(!is_ignored_by("", SignalKind::hangup()));
    }

    async fn is_halted(stop: &Stop) -> bool {
        timeout(Duration::ZERO, stop.halted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_end_of_a_heartbeat_or_a_settler_halts() {
        assert!(is_halted(&stop_after("heartbeat", End::Fatal).await).await);
    }

    #[tokio::test]
    async fn the_end_of_any_other_task_drains() {
        assert!(!is_halted(&stop_after("probe", End::Fault).await).await);
    }

    #[tokio::test]
    async fn a_heartbeat_that_ends_during_a_drain_halts_it() {
        let (stop, (tasks, faults)) = (Stop::new(), Tasks::on(Handle::current()));
        stop.drain();
        let mut watch = FaultWatch::new(faults, stop.clone());
        tasks.spawn("heartbeat", End::Fatal, async {});
        watch.until(stop.halted()).await;
        assert_eq!(watch.first(), Some("heartbeat"));
    }
}
