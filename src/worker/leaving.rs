//! A worker that its platform wants gone: it receives no more, finishes what runs, and stops by itself.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

use super::WorkerStatus;
use crate::{consumer::Engine, health::Health, stop::Stop, telemetry::events};

/// The pause between two looks at what runs.
const LOOKS: Duration = Duration::from_secs(1);
/// The longest wait for held messages of which none runs: a receive in flight may bring the last, and a stop gives back
/// what cannot run.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// The worker's way out.
pub(super) struct Leaving {
    pub(super) status: WorkerStatus,
    pub(super) health: Health,
    pub(super) stop: Stop,
}

impl Leaving {
    /// Cordons every queue once there is a reason, and requests the stop when nothing runs any more.
    pub(super) async fn run(self, unwanted: impl Future<Output = String>) {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.draining() => {}
            () = self.leave(unwanted) => {}
        }
    }

    async fn leave(self, unwanted: impl Future<Output = String>) {
        let reason = unwanted.await;
        let notice = self.health.notice("worker");
        notice.show(format!("cordoned, leaves once what it holds has ended: {reason}"));
        self.status.cordon(&reason);
        self.all_ended().await;
        events::CordonedWorkerLeaves {}.emit();
        self.stop.drain();
    }

    /// Waits until no call runs and nothing is held that may run.
    async fn all_ended(&self) {
        let mut idle_since = Instant::now();
        loop {
            sleep(LOOKS).await;
            let engines = self.status.listed().0;
            let engines: Vec<_> = engines.iter().map(Engine::status).collect();
            if engines.iter().any(|engine| engine.running > 0) {
                idle_since = Instant::now();
            } else if engines.iter().all(|engine| engine.held == 0) || idle_since.elapsed() >= LONGEST_IDLE {
                return;
            }
        }
    }
}
