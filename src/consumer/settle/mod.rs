//! Telling SQS how messages ended: copies to the DLQ, deletes and give-backs, batched and retried.

mod batcher;
mod copies;
mod flusher;
mod letter;
mod settings;

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use self::{
    batcher::{Slip, Slips, Verb},
    copies::Refusals,
};
pub use self::{
    copies::{DeadLetterQueue, Rejection},
    settings::{DlqSettings, Settings},
};
use crate::{
    consumer::lease::Lease,
    health::Condition,
    queue::Queue,
    telemetry::{QueueMetrics, traces::QueueTraces},
};

/// The outcomes of one queue on their way to SQS.
#[derive(Clone)]
pub struct Settler(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    dead_letters: Option<DeadLetterQueue>,
    slips: Mutex<Slips<Owed>>,
    due: Notify,
    pending: Arc<Pending>,
    /// Done or copied messages that could not be deleted while their lease lasted.
    undeleted: AtomicUsize,
    ready: Condition,
    refusals: Refusals,
    metrics: Arc<QueueMetrics>,
    traces: Option<QueueTraces>,
    /// The same for the DLQ.
    dlq_traces: Option<QueueTraces>,
}

/// The longest that a failed outcome waits for its next try while the worker drains.
const DRAINING_PAUSE: Duration = Duration::from_secs(1);

/// What outcomes are told with.
pub struct SettlerParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// Where rejected messages are copied to; absent, a reject is a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// How outcomes are told.
    pub settings: Settings,
    /// Where they are counted.
    pub metrics: Arc<QueueMetrics>,
    /// What makes spans of them; absent while traces are off.
    pub traces: Option<QueueTraces>,
    /// Ceases to hold while SQS refuses to be told.
    pub ready: Condition,
    /// Ceases to hold while the DLQ refuses copies.
    pub dlq_ready: Condition,
}

/// How many messages were handed over and are not settled yet.
#[derive(Debug, Default)]
struct Pending {
    messages: AtomicUsize,
    /// Fires when there is none any more.
    none: Notify,
}

/// A message that is owed its outcome; counted until it is dropped, by a panic too.
struct Owed {
    lease: Lease,
    pending: Arc<Pending>,
}

impl Owed {
    fn new(lease: Lease, pending: Arc<Pending>) -> Self {
        pending.messages.fetch_add(1, Ordering::AcqRel);
        Self { lease, pending }
    }
}

impl Deref for Owed {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

impl DerefMut for Owed {
    fn deref_mut(&mut self) -> &mut Lease {
        &mut self.lease
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.pending.messages.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.pending.none.notify_waiters();
        }
    }
}

impl Settler {
    /// Nothing to settle yet.
    pub fn new(parts: SettlerParts) -> Self {
        let SettlerParts { name, queue, dead_letters, settings, metrics, traces, ready, dlq_ready } = parts;
        ready.ready();
        let dlq_traces = traces.as_ref().zip(dead_letters.as_ref()).map(|(traces, dlq)| dlq.traces(traces));
        let slips = Mutex::new(Slips::new(settings.linger.0));
        Self(Arc::new(Inner {
            name,
            queue,
            dead_letters,
            slips,
            due: Notify::new(),
            pending: Arc::default(),
            undeleted: AtomicUsize::new(0),
            ready,
            refusals: Refusals::new(dlq_ready),
            metrics,
            traces,
            dlq_traces,
        }))
    }

    fn slips(&self) -> MutexGuard<'_, Slips<Owed>> {
        self.0.slips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the message, soon.
    pub fn delete(&self, lease: Lease) {
        self.push(Verb::Delete, lease);
    }

    /// Makes the message visible again after `delay`, which is cut to what SQS still allows.
    pub fn change_visibility(&self, lease: Lease, delay: Duration) {
        self.push(Verb::GiveBack(delay), lease);
    }

    fn push(&self, verb: Verb, lease: Lease) {
        let owed = Owed::new(lease, self.0.pending.clone());
        if self.slips().push(Slip::new(verb, owed, Instant::now())).is_worth_a_look() {
            self.0.due.notify_one();
        }
    }

    /// Sends everything handed over so far without lingering.
    pub fn flush_now(&self) {
        if self.slips().rush() {
            self.0.due.notify_one();
        }
    }

    /// How many messages were handed over and are not settled yet.
    pub fn pending(&self) -> usize {
        self.0.pending.messages.load(Ordering::Acquire)
    }

    /// How many done or copied messages could not be deleted so far: they will run again elsewhere.
    pub fn undeleted(&self) -> usize {
        self.0.undeleted.load(Ordering::Acquire)
    }

    /// Waits until everything handed over is settled or given up, and lets none of it wait for long from now on.
    pub async fn flushed(&self) {
        self.slips().hurry(DRAINING_PAUSE);
        self.0.due.notify_one();
        loop {
            let settled = self.0.pending.none.notified();
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
