//! The history of messages: what this worker knows of those that it holds, and of those that it held lately.
//!
//! Each queue has a record for every message that it holds, and two rings of those that it held: one of the messages that
//! were done, one of those that failed, so that many good messages do not push out the few that are asked for.

mod record;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::record::{ReceiveRecord, WallClock};
use crate::{
    consumer::lease::{LeaseId, MessageStage, StageObserver},
    message::Message,
};

/// The records that the rings of all queues keep, about 300 bytes each.
const RECORDS: usize = 16_384;
/// The most records of one ring, and the fewest, however many queues there are.
const OF_ONE_RING: (usize, usize) = (32, 4_096);
/// The calls and the failures of one queue that its status shows.
const SHOWN: usize = 20;

/// The history of every queue of a worker; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct MessageHistory(Arc<Mutex<BTreeMap<Arc<str>, Arc<QueueHistory>>>>);

impl MessageHistory {
    fn queues(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<QueueHistory>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the history of a queue.
    pub(crate) fn of_queue(&self, name: Arc<str>) -> Arc<QueueHistory> {
        let mut queues = self.queues();
        let history = Arc::new(QueueHistory {
            queue: name.clone(),
            ring_size: AtomicUsize::new(0),
            state: Mutex::new(HistoryState::new(Instant::now())),
        });
        queues.insert(name, history.clone());
        let size = (RECORDS / 2 / queues.len()).clamp(OF_ONE_RING.0, OF_ONE_RING.1);
        for queue in queues.values() {
            queue.ring_size.store(size, Ordering::Relaxed);
        }
        history
    }

    /// Adds the running calls and the latest failures to the status of each queue.
    pub(crate) fn add_to(&self, queues: &mut Value) {
        let histories = self.queues().clone();
        for status in queues.as_array_mut().into_iter().flatten() {
            let history = status["queue"].as_str().and_then(|name| histories.get(name));
            if let Some((calls, failures)) = history.map(|history| history.status()) {
                (status["calls"], status["failures"]) = (calls, failures);
            }
        }
    }

    /// The receives of a message as JSON; `Err` says how far back the history goes if there are none.
    pub(crate) fn of_message(&self, id: &str) -> Result<Value, Value> {
        let clock = WallClock::now();
        let queues: Vec<_> = self.queues().values().cloned().collect();
        let mut receives: Vec<_> = queues.iter().flat_map(|queue| queue.of_message(id)).collect();
        receives.sort_by_key(|(at, ..)| *at);
        if receives.is_empty() {
            let reach: Vec<_> = queues.iter().map(|queue| queue.reach(clock)).collect();
            return Err(json!({ "messageId": id, "error": "this worker knows nothing", "reach": reach }));
        }
        let reports: Vec<_> = receives.iter().map(|(_, queue, record)| record.report(queue, clock)).collect();
        Ok(json!({ "messageId": id, "receives": reports }))
    }
}

/// The history of one queue.
#[derive(Debug)]
pub(crate) struct QueueHistory {
    queue: Arc<str>,
    /// The most records of each ring.
    ring_size: AtomicUsize,
    state: Mutex<HistoryState>,
}

#[derive(Debug)]
struct HistoryState {
    held: FxHashMap<LeaseId, ReceiveRecord>,
    done: RecordRing,
    failed: RecordRing,
}

impl HistoryState {
    fn new(now: Instant) -> Self {
        let ring = || RecordRing { records: VecDeque::new(), since: now };
        Self { held: FxHashMap::default(), done: ring(), failed: ring() }
    }
}

/// The latest records.
#[derive(Debug)]
struct RecordRing {
    records: VecDeque<ReceiveRecord>,
    /// The time since which nothing was left out.
    since: Instant,
}

impl RecordRing {
    fn push(&mut self, record: ReceiveRecord, most: usize) {
        while self.records.len() >= most {
            if let Some(oldest) = self.records.pop_front() {
                self.since = oldest.last();
            }
        }
        self.records.push_back(record);
    }
}

impl StageObserver for QueueHistory {
    fn received(&self, lease: LeaseId, message: &Message, at: Instant) {
        self.state().held.insert(lease, ReceiveRecord::new(message, at));
    }

    fn passed(&self, lease: LeaseId, stage: MessageStage<'_>, at: Instant) {
        let history = &mut *self.state();
        if !matches!(stage, MessageStage::Released) {
            if let Some(record) = history.held.get_mut(&lease) {
                record.pass(stage, at);
            }
            return;
        }
        let Some(mut record) = history.held.remove(&lease) else { return };
        record.pass(stage, at);
        let ring = if record.has_failed() { &mut history.failed } else { &mut history.done };
        ring.push(record, self.ring_size.load(Ordering::Relaxed));
    }
}

impl QueueHistory {
    fn state(&self) -> MutexGuard<'_, HistoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The receives of a message, each with its time.
    fn of_message(&self, id: &str) -> Vec<(Instant, Arc<str>, ReceiveRecord)> {
        let state = self.state();
        let past = state.done.records.iter().chain(&state.failed.records);
        let found = past.chain(state.held.values()).filter(|record| record.id() == id);
        found.map(|record| (record.last(), self.queue.clone(), record.clone())).collect()
    }

    /// The times since which every message is known.
    fn reach(&self, clock: WallClock) -> Value {
        let state = self.state();
        let (done, failed) = (clock.at(state.done.since), clock.at(state.failed.since));
        json!({ "queue": &*self.queue, "doneSince": done, "failedSince": failed })
    }

    /// The calls that have run for longest, and the latest failures, as JSON.
    fn status(&self) -> (Value, Value) {
        let clock = WallClock::now();
        let (running, failed) = self.shown();
        let calls: Vec<_> = running.iter().filter_map(|record| record.running_call(clock)).collect();
        let failures: Vec<_> = failed.iter().map(|record| record.report(&self.queue, clock)).collect();
        (json!(calls), json!(failures))
    }

    /// The records of the calls that have run for longest, and of the latest failures.
    ///
    /// They are copies, so that the engine does not wait for its lock while they become JSON.
    fn shown(&self) -> (Vec<ReceiveRecord>, Vec<ReceiveRecord>) {
        let state = self.state();
        let mut running: Vec<_> =
            state.held.values().filter_map(|record| Some((record.running_since()?, record))).collect();
        if running.len() > SHOWN {
            running.select_nth_unstable_by_key(SHOWN - 1, |(since, _)| *since);
            running.truncate(SHOWN);
        }
        running.sort_unstable_by_key(|(since, _)| *since);
        let running = running.into_iter().map(|(_, record)| record.clone()).collect();
        (running, state.failed.records.iter().rev().take(SHOWN).cloned().collect())
    }
}

#[cfg(test)]
mod tests;
