//! Starting an engine, and the steps by which it stops.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Engine, poller::Poller};
use crate::{
    tasks::{End, Tasks},
    telemetry::events,
};

/// How long the keeper and the flusher may make no progress: both look up every 10 s.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// A started engine's lasting tasks, each stopped in its turn.
pub struct RunningEngine {
    engine: Engine,
    receive: JoinHandle<()>,
    probe: JoinHandle<()>,
    settle: CancellationToken,
    keeper: CancellationToken,
}

impl Engine {
    /// Starts the engine.
    pub fn start(&self, tasks: &Tasks) -> RunningEngine {
        let ready =
            self.0.health.condition(format!("{} receive", self.0.name), "no receive has succeeded yet");
        let (settle, keeper) = (CancellationToken::new(), CancellationToken::new());
        let pulse = |what: &str| self.0.health.pulse(format!("{} {what}", self.0.name), LONGEST_SILENCE);
        let keep = self.0.leases.clone().run_heartbeat(self.0.queue.clone(), pulse("keeper"), keeper.clone());
        tasks.spawn("keeper", End::Fatal, keep);
        let run = self.0.settler.clone().run(pulse("settle"), settle.clone());
        tasks.spawn("settle", End::Fatal, run);
        // It ends by the stop alone, and may do so before whoever listens for faults hears of that stop.
        let receive = tasks.spawn("receive", End::Fine, Poller::new(self.clone(), ready).run());
        RunningEngine {
            receive,
            probe: tasks.spawn("probe", End::Fault, self.clone().watch_handler()),
            engine: self.clone(),
            settle,
            keeper,
        }
    }
}

impl RunningEngine {
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Waits until nothing is received any more; the stop must have been asked for.
    pub async fn polling_stopped(&mut self) {
        self.probe.abort();
        if let Err(error) = (&mut self.receive).await {
            events::ReceiveLoopBroken { queue: self.engine.name(), error: &error }.emit();
        }
    }

    /// Starts no message any more.
    pub fn start_nothing(&self) {
        self.engine.slots().close();
    }

    /// Gives back every message that waits for a slot.
    pub fn give_back_waiting(&self) {
        self.engine.give_back_waiting(Duration::ZERO);
    }

    /// Waits until no handler runs.
    pub async fn handlers_ended(&self) {
        loop {
            let idle = self.engine.0.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.engine.slots().running() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Tells every handler that its time is over; after a second each is dropped and its message given back.
    pub fn cancel_handlers(&self) {
        self.engine.0.leases.cancel_all();
    }

    /// Waits until every outcome is told to SQS or given up.
    pub async fn flushed(&self) {
        self.engine.0.settler.flushed().await;
    }

    /// Waits until every notification is sent or given up.
    pub async fn notified(&self) {
        if let Some(notifier) = &self.engine.0.notifier {
            notifier.flushed().await;
        }
    }

    /// Lets the handler end what it has running beside its calls.
    pub async fn close_handler(&self) {
        let close = AssertUnwindSafe(async { self.engine.0.handler.close().await }).catch_unwind();
        if close.await.is_err() {
            events::HandlerPanickedAtEnd { queue: self.engine.name() }.emit();
        }
    }

    /// Ends the telling of notifications and the last two tasks; the keeper goes last, when no lease needs it.
    pub fn close(self) {
        if let Some(notifier) = &self.engine.0.notifier {
            notifier.close();
        }
        self.settle.cancel();
        self.keeper.cancel();
    }

    /// How many done messages could not be deleted so far.
    pub fn undeleted(&self) -> usize {
        self.engine.0.settler.undeleted()
    }

    /// How many messages are still held.
    pub fn held(&self) -> usize {
        self.engine.0.leases.len()
    }
}
