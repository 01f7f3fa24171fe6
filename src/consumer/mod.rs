//! The engine of one queue: receive, hold, run, settle.
//!
//! Messages go one way: `receive` reserves room and asks, `admit` takes a lease on each message, `lanes` keeps the order
//! of FIFO groups and makes batches, `slots` lets as many calls run as the concurrency allows, `work` takes messages
//! through their `call` of the handler, `ended` decides what becomes of them, and that goes to [`crate::consumer::settle`].
//! A slow call holds its own slot and no other.

mod admit;
mod attempts;
mod behind;
mod call;
pub mod depth;
mod ended;
mod fifo;
mod flow;
mod gate;
mod lanes;
pub mod lease;
mod plan;
mod receive;
mod settings;
pub mod settle;
mod sighting;
mod slots;
mod stages;
mod trouble;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::{runtime::Handle, sync::Notify, time::Instant};

use self::{admit::Waiting, flow::Flow, gate::Gate, slots::Slots, trouble::Trouble};
pub use self::{
    fifo::{Nature, Order},
    settings::{BatchSettings, ConsumerSettings, Groups, Prefetch, ReceiveSettings},
    stages::Stages,
};
use crate::{
    consumer::lease::{Leases, Room, Terms},
    consumer::settle::{DeadLetterQueue, Settle},
    ecs::Busy,
    handler::AnyHandler,
    health::Health,
    queue::{Queue, limits},
    sns::notifications::Notifier,
    stop::Stop,
    telemetry::{Counts, QueueMetrics, traces::QueueTraces},
};

/// The engine of one queue.
#[derive(Clone)]
pub struct Pump(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    nature: Nature,
    handler: AnyHandler,
    notifier: Option<Notifier>,
    options: ConsumerSettings,
    room: Room,
    leases: Leases,
    settle: Settle,
    slots: Mutex<Slots<Waiting>>,
    flow: Mutex<Flow>,
    trouble: Mutex<Trouble>,
    gate: Gate,
    idle: Notify,
    last_error: Mutex<Option<String>>,
    metrics: Arc<QueueMetrics>,
    /// What makes the queue's spans; absent while traces are off.
    traces: Option<QueueTraces>,
    /// Where calls are noted that may outlast a stop.
    busy: Option<Busy>,
    health: Health,
    stop: Stop,
    /// Where handlers run that might block.
    caller: Handle,
    /// Where everything else runs.
    runtime: Handle,
}

/// What an engine is made of.
pub struct Parts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// Where rejected messages are copied to; absent, a reject is a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// What must be known of it.
    pub nature: Nature,
    /// What runs for each message.
    pub handler: AnyHandler,
    /// Who tells how messages end, if anybody wants to know.
    pub notifier: Option<Notifier>,
    /// How it is run.
    pub options: ConsumerSettings,
    /// Where the queue counts.
    pub metrics: Arc<QueueMetrics>,
    /// What makes the queue's spans; absent while traces are off.
    pub traces: Option<QueueTraces>,
    /// Where its calls are noted, if they may outlast a stop of a task that can be protected.
    pub busy: Option<Busy>,
    /// Where the queue's loops show that they live.
    pub health: Health,
    /// What ends it.
    pub stop: Stop,
    /// The runtime for handlers that might block.
    pub caller: Handle,
    /// The runtime for everything else.
    pub runtime: Handle,
}

/// What an engine is doing, for the status page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The queue's configured name.
    pub queue: String,
    /// The most calls of the handler at once.
    pub concurrency: usize,
    /// Calls running.
    pub running: usize,
    /// Messages received that wait for a slot, for company, or for one before them in their group.
    pub waiting: usize,
    /// Messages held: waiting, running or being settled.
    pub held: usize,
    /// The most messages held at once.
    pub room: usize,
    /// Messages being settled.
    pub settling: usize,
    /// Why polling is paused, if it is.
    pub paused: Option<String>,
    /// Whole seconds since a receive was last answered.
    pub seconds_since_successful_receive: u64,
    /// What the last receive failed with, if it did.
    pub last_error: Option<String>,
    /// How many messages SQS says there are, of all workers, where that is known.
    pub queue_messages: Option<Counts>,
    /// How many messages are visible in the DLQ, where that is known.
    pub dlq_messages: Option<u64>,
    /// How long this worker alone would need for what is visible and in flight, where that is known.
    pub backlog_seconds: Option<f64>,
}

impl Pump {
    /// Puts an engine together; nothing happens until it is started.
    pub fn new(parts: Parts) -> Self {
        let Parts { name, queue, nature, dead_letters, handler, notifier, options, .. } = parts;
        let Parts { metrics, traces, busy, health, stop, caller, runtime, .. } = parts;
        let terms = Terms { visibility: options.visibility.0, longest: options.longest_visibility() };
        let condition = |what: &str, why: &str| health.condition(format!("{name} {what}"), why);
        let leases = Leases::new(name.clone(), terms, metrics.clone(), condition("extend", "not started"));
        let settle = Settle::new(settle::Parts {
            name: name.clone(),
            queue: queue.clone(),
            dead_letters,
            settings: options.settle,
            metrics: metrics.clone(),
            traces: traces.clone(),
            ready: condition("settle", "not started"),
            dlq_ready: condition("dlq", "not started"),
        });
        let room = Room::new(options.running() + options.prefetch.initial());
        let gate = Gate::new(condition("handler", "the handler was not probed yet"));
        metrics.concurrency.set(i64::try_from(options.concurrency).unwrap_or(i64::MAX));
        let pump = Inner {
            slots: Mutex::new(Slots::new(options.concurrency, options.batch)),
            trouble: Mutex::default(),
            flow: Mutex::new(Flow::new(Instant::now())),
            idle: Notify::new(),
            last_error: Mutex::new(None),
            name,
            queue,
            nature,
            handler,
            notifier,
            options,
            room,
            leases,
            settle,
            gate,
            metrics,
            traces,
            busy,
            health,
            stop,
            caller,
            runtime,
        };
        Self(Arc::new(pump))
    }

    fn slots(&self) -> MutexGuard<'_, Slots<Waiting>> {
        self.0.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.0.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fits the room to the prefetch; `hidden` messages may have been received in vain and are to come again.
    fn resize_room(&self, hidden: usize) {
        let blocked = self.slots().blocked() + hidden;
        let prefetch = match self.0.options.prefetch {
            // What waits behind its group could start nowhere else, and keeps no slot busy here.
            Prefetch::Auto => self.flow().prefetch(Instant::now()) + blocked,
            Prefetch::Fixed(messages) => messages,
        };
        let capacity = (self.0.options.running() + prefetch).min(limits::IN_FLIGHT);
        self.0.metrics.room.set(i64::try_from(capacity).unwrap_or(i64::MAX));
        if capacity != self.0.room.capacity() {
            self.0.room.resize(capacity);
        }
    }

    /// The queue's configured name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the engine is doing.
    pub fn status(&self) -> Status {
        let (running, waiting) = {
            let slots = self.slots();
            (slots.running(), slots.waiting())
        };
        let paused = match self.0.gate.state() {
            gate::State::Paused(reason) => Some(reason.to_string()),
            gate::State::New | gate::State::Open => None,
        };
        Status {
            queue: self.0.name.to_string(),
            concurrency: self.0.options.concurrency,
            running,
            waiting,
            held: self.0.leases.len(),
            room: self.0.room.capacity(),
            settling: self.0.settle.pending(),
            paused,
            seconds_since_successful_receive: self.0.metrics.poll_age_seconds(),
            last_error: self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            queue_messages: self.0.metrics.depth.counts(),
            dlq_messages: self.0.metrics.depth.dlq(),
            backlog_seconds: self.0.metrics.backlog_seconds(),
        }
    }
}
