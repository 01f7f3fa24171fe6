//! A started engine's tasks, and the steps by which it stops.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Engine, call::CallObserver, dispatcher::Dispatcher, preparation::PreparationTasks};
use crate::{consumer::lease::Leases, consumer::settle::Settler, handler::AnyHandler, telemetry::events};

/// A started engine. Each method is one step of its stop, in the order of the calls.
pub(crate) struct RunningEngine {
    pub(super) engine: Engine,
    pub(super) dispatcher: Dispatcher,
    pub(super) preparations: PreparationTasks,
    pub(super) leases: Leases,
    pub(super) settler: Settler,
    pub(super) handler: AnyHandler,
    pub(super) observers: Arc<[Arc<dyn CallObserver>]>,
    pub(super) poller: JoinHandle<()>,
    pub(super) probes: JoinHandle<()>,
    pub(super) standstill: JoinHandle<()>,
    pub(super) ends: EngineEnds,
}

/// The signals that end parts of an engine, each in its step of the stop.
#[derive(Clone, Debug, Default)]
pub(super) struct EngineEnds {
    /// Ends the wait for receives in flight.
    pub(super) receives: CancellationToken,
    /// Ends the grace of cancelled handlers.
    pub(super) grace: CancellationToken,
    pub(super) settler: CancellationToken,
    pub(super) heartbeat: CancellationToken,
}

impl RunningEngine {
    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Stops starting calls.
    pub(crate) fn start_nothing(&self) {
        self.dispatcher.close();
    }

    /// Gives back every message that waits for a slot.
    pub(crate) fn give_back_waiting(&self) {
        self.dispatcher.give_back_waiting(Duration::ZERO);
    }

    /// Waits until receives in flight are answered, or cut off at the limit, and the poller has ended; the stop must have
    /// been requested.
    pub(crate) async fn polling_stopped(&mut self, limit: Duration) {
        self.probes.abort();
        let ended = if let Ok(ended) = timeout(limit, &mut self.poller).await {
            ended
        } else {
            self.ends.receives.cancel();
            (&mut self.poller).await
        };
        if let Err(error) = ended {
            events::ReceiveLoopBroken { queue: self.engine.name(), error: &error }.emit();
        }
    }

    /// Waits until all calls and preparations have ended.
    pub(crate) async fn handlers_ended(&self) {
        self.dispatcher.calls_ended().await;
        self.preparations.ended().await;
    }

    /// Cancels every handler; one that has not ended after a second is dropped, and its message given back.
    pub(crate) fn cancel_handlers(&self) {
        self.leases.cancel_all();
    }

    /// Drops the cancelled handlers that have not ended yet, and gives their messages back.
    pub(crate) fn drop_handlers(&self) {
        self.ends.grace.cancel();
    }

    /// Waits until every message is settled or given up, and every preparation completed or undone.
    pub(crate) async fn flushed(&self) {
        loop {
            self.settler.flushed().await;
            self.preparations.ended().await;
            // A message is given back only once its preparation is undone.
            if self.settler.pending() == 0 {
                return;
            }
        }
    }

    /// Waits until every observer has sent its notes, or given them up.
    pub(crate) async fn notified(&self) {
        join_all(self.observers.iter().map(|observer| observer.flushed())).await;
    }

    /// Lets the handler end its processes and tasks outside of calls.
    pub(crate) async fn close_handler(&self) {
        let close = AssertUnwindSafe(async { self.handler.close().await }).catch_unwind();
        if close.await.is_err() {
            events::HandlerPanickedAtEnd { queue: self.engine.name() }.emit();
        }
    }

    /// Ends the observers, the settler, and last the heartbeat, which no lease needs any more.
    pub(crate) fn close(self) {
        self.standstill.abort();
        for observer in &*self.observers {
            observer.close();
        }
        self.ends.settler.cancel();
        self.ends.heartbeat.cancel();
    }

    /// The number of done messages that could not be deleted so far.
    pub(crate) fn undeleted(&self) -> usize {
        self.settler.undeleted()
    }

    /// The number of messages that are still held.
    pub(crate) fn held(&self) -> usize {
        self.leases.len()
    }
}
