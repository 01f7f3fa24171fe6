//! Telling SQS how messages ended: deletes and give-backs, batched and retried.

mod flush;
mod settings;
mod slips;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

pub use self::settings::Settings;
use self::slips::{Slip, Slips, Verb};
use crate::{lease::Lease, queue::Queue, telemetry::QueueMetrics};

/// The outcomes of one queue on their way to SQS.
#[derive(Clone)]
pub struct Settle(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    slips: Mutex<Slips<Lease>>,
    due: Notify,
    /// Messages handed over and not settled yet.
    pending: AtomicUsize,
    /// Fires when nothing is pending any more.
    settled: Notify,
    metrics: Arc<QueueMetrics>,
}

impl Settle {
    /// Nothing to settle yet.
    pub fn new(
        name: Arc<str>,
        queue: Arc<dyn Queue>,
        settings: Settings,
        metrics: Arc<QueueMetrics>,
    ) -> Self {
        let slips = Mutex::new(Slips::new(settings.linger.0));
        Self(Arc::new(Inner {
            name,
            queue,
            slips,
            due: Notify::new(),
            pending: AtomicUsize::new(0),
            settled: Notify::new(),
            metrics,
        }))
    }

    fn slips(&self) -> MutexGuard<'_, Slips<Lease>> {
        self.0.slips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the message, soon.
    pub fn delete(&self, lease: Lease) {
        self.push(Verb::Delete, lease);
    }

    /// Makes the message visible again after `delay`, which is cut to what SQS still allows.
    pub fn give_back(&self, lease: Lease, delay: Duration) {
        self.push(Verb::GiveBack(delay), lease);
    }

    fn push(&self, verb: Verb, lease: Lease) {
        self.0.pending.fetch_add(1, Ordering::AcqRel);
        if self.slips().push(Slip::new(verb, lease, Instant::now())).is_worth_a_look() {
            self.0.due.notify_one();
        }
    }

    /// Sends everything handed over so far without lingering.
    pub fn rush(&self) {
        if self.slips().rush() {
            self.0.due.notify_one();
        }
    }

    /// How many messages were handed over and are not settled yet.
    pub fn pending(&self) -> usize {
        self.0.pending.load(Ordering::Acquire)
    }

    /// Waits until everything handed over is settled or given up.
    pub async fn flushed(&self) {
        loop {
            let settled = self.0.settled.notified();
            tokio::pin!(settled);
            // Listens before it looks, so that an end in between is heard.
            settled.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            settled.await;
        }
    }
}
