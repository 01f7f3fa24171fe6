//! A queue and a handler that note when the worker does what with them.

mod handler;
mod queue;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use longshore::{
    handler::{AnyHandler, layered_batches},
    internals::Queue,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tower::layer::layer_fn;

use self::{handler::WatchedHandler, queue::WatchedQueue};
use crate::Failure;

/// Longer than anything here takes that is well.
const PATIENCE: Duration = Duration::from_mins(2);

/// What was noted; clones share it.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Inner>);

struct Inner {
    stamps: Mutex<Stamps>,
    calls: AtomicUsize,
    receiving: watch::Sender<usize>,
    deleted: watch::Sender<usize>,
}

/// When each step was last taken.
#[derive(Clone, Copy)]
pub(crate) struct Stamps {
    /// A receive brought messages.
    pub(crate) received: Instant,
    /// The handler was called.
    pub(crate) started: Instant,
    /// It answered.
    pub(crate) ended: Instant,
    /// A delete was answered.
    pub(crate) deleted: Instant,
}

impl Watch {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let stamps = Stamps { received: now, started: now, ended: now, deleted: now };
        let (receiving, deleted) = (watch::Sender::new(0), watch::Sender::new(0));
        Self(Arc::new(Inner { stamps: Mutex::new(stamps), calls: AtomicUsize::new(0), receiving, deleted }))
    }

    /// The same queue, with what is done to it noted here.
    pub(crate) fn queue(&self, queue: Arc<dyn Queue>) -> Arc<dyn Queue> {
        Arc::new(WatchedQueue { queue, watch: self.clone() })
    }

    /// The same handler, with its calls noted here.
    pub(crate) fn handler(&self, handler: AnyHandler) -> AnyHandler {
        let watch = self.clone();
        layered_batches(handler, layer_fn(|handler| WatchedHandler { handler, watch: watch.clone() }))
    }

    pub(crate) fn stamps(&self) -> Stamps {
        *self.lock()
    }

    /// Calls of the handler that have ended.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Messages that have been deleted.
    pub(crate) fn deletes(&self) -> usize {
        *self.0.deleted.borrow()
    }

    /// Waits until the worker waits for messages.
    pub(crate) async fn receiving(&self) -> Result<(), Failure> {
        reaches(&self.0.receiving, 1).await
    }

    /// Waits until so many messages are deleted.
    pub(crate) async fn deleted(&self, messages: usize) -> Result<(), Failure> {
        reaches(&self.0.deleted, messages).await
    }

    fn note(&self, note: impl FnOnce(&mut Stamps, Instant)) {
        note(&mut self.lock(), Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Stamps> {
        self.0.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn reaches(count: &watch::Sender<usize>, least: usize) -> Result<(), Failure> {
    let mut changes = count.subscribe();
    timeout(PATIENCE, changes.wait_for(|count| *count >= least)).await??;
    Ok(())
}
