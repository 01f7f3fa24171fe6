//! Whether the queue is polled: paused while the handler is down.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::Engine;
use crate::{
    backoff::{Backoff, Jitter},
    health::Condition,
    telemetry::events,
};

/// How often a handler that is down is probed.
const PROBES: Backoff = Backoff {
    initial: Duration::from_millis(250),
    factor: 2.0,
    max: Duration::from_secs(15),
    jitter: Jitter::Half,
};

/// When messages that waited for a handler that is down are visible again: not at once, or this worker's own
/// receives under way could bring them back in vain.
pub(super) const DOWN_DELAY: Backoff = Backoff {
    initial: Duration::from_secs(5),
    factor: 1.0,
    max: Duration::from_secs(5),
    jitter: Jitter::Half,
};
/// How long one probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// The state of a queue's polling.
#[derive(Debug)]
pub(super) struct Availability {
    state: watch::Sender<State>,
    /// Times that the handler was found down in a row; they set the pace of the probes.
    failures: AtomicU32,
    ready: Condition,
}

/// Why the queue is or is not polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The handler was not probed yet.
    New,
    Open,
    /// The handler is down, for this reason.
    Paused(Arc<str>),
}

/// The changes of a availability, none of them missed.
pub(super) struct Changes(watch::Receiver<State>);

impl Changes {
    /// Waits for a change since the last wait.
    pub(super) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // The availability is gone, and so is everyone who could change it.
            std::future::pending::<()>().await;
        }
    }
}

impl Availability {
    pub(super) fn new(ready: Condition) -> Self {
        Self { state: watch::Sender::new(State::New), failures: AtomicU32::new(0), ready }
    }

    pub(super) fn is_open(&self) -> bool {
        *self.state.borrow() == State::Open
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Hears of every change from now on.
    pub(super) fn changes(&self) -> Changes {
        Changes(self.state.subscribe())
    }

    /// Notes that the handler was reached.
    pub(super) fn handler_answered(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 && self.is_open() {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    fn open(&self) {
        self.ready.ready();
        self.state.send_replace(State::Open);
    }

    /// Pauses the polling; false when it was paused already.
    fn pause(&self, reason: &str) -> bool {
        self.ready.unready(format!("handler is down: {reason}"));
        let before = self.state.send_replace(State::Paused(reason.into()));
        let is_news = !matches!(before, State::Paused(_));
        // Calls that were under way together fail together, and count as one failure.
        if is_news {
            self.found_down();
        }
        is_news
    }

    fn found_down(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn pause_before_probe(&self) -> Duration {
        PROBES.random_delay(self.failures.load(Ordering::Relaxed))
    }
}

impl Engine {
    /// Pauses the polling because the handler could not be reached, and gives back what waits for it.
    pub(super) fn handler_is_down(&self, reason: &str) {
        if self.0.availability.pause(reason) {
            events::HandlerDown { queue: &self.0.name, reason }.emit(&self.0.metrics);
        }
        self.give_back_waiting(DOWN_DELAY.random_delay(1));
    }

    /// Probes the handler before the first receive and for as long as it is down.
    pub(super) async fn watch_handler(self) {
        let mut changes = self.0.availability.changes();
        loop {
            match self.0.availability.state() {
                State::Open => changes.next().await,
                State::New => self.probe().await,
                State::Paused(_) => {
                    tokio::time::sleep(self.0.availability.pause_before_probe()).await;
                    self.probe().await;
                }
            }
        }
    }

    async fn probe(&self) {
        let was_down = self.0.availability.state() != State::New;
        match self.ask_handler().await {
            Ok(()) => {
                self.0.availability.open();
                if was_down {
                    events::HandlerUp { queue: &self.0.name }.emit(&self.0.metrics);
                }
            }
            Err(reason) => {
                if was_down {
                    self.0.availability.found_down();
                }
                self.handler_is_down(&reason);
            }
        }
    }

    /// One probe; one that hangs or panics has found the handler down, too.
    async fn ask_handler(&self) -> Result<(), String> {
        let probe = AssertUnwindSafe(async { self.0.handler.probe().await }).catch_unwind();
        match tokio::time::timeout(PROBE_LIMIT, probe).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_panic)) => Err("the probe panicked".to_owned()),
            Err(_) => Err(format!("the probe did not end within {PROBE_LIMIT:?}")),
        }
    }
}
