//! SIGTERM and SIGINT: the first drains, the second halts.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{stop::Stop, telemetry::events};

/// The signals that stop a process, listened to from here on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Turns signals into the stop.
    pub(super) async fn obey(mut self, stop: Stop) {
        let signal = self.next().await;
        events::DrainSignalled { signal }.emit();
        stop.drain();
        let signal = self.next().await;
        events::HaltSignalled { signal }.emit();
        stop.halt();
    }
}
