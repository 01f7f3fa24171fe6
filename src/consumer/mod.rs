//! The engine of one queue: receive, hold, run, settle.
//!
//! Messages go one way: `receive` reserves room and asks, `admit` takes a lease on each message, `lanes` keeps the order
//! of FIFO groups and makes batches, `slots` lets as many calls run as the concurrency allows, `work` takes messages
//! through their `call` of the handler, `ended` decides what becomes of them, and that goes to [`crate::consumer::settle`].
//! A slow call holds its own slot and no other.

mod attempts;
mod availability;
mod behind;
mod buffer;
mod call;
pub mod depth;
mod dispatcher;
mod disposition;
mod fifo;
mod flow;
pub mod lease;
mod poller;
mod prepare;
mod receive_mode;
mod schedule;
mod settings;
pub mod settle;
mod shutdown;
mod sighting;
mod slots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::{runtime::Handle, sync::Notify, time::Instant};

use self::{
    availability::Availability, flow::Flow, prepare::HeldMessage, receive_mode::FailedGroups, slots::Slots,
};
pub use self::{
    fifo::{Order, QueueTraits},
    settings::{BatchSettings, ConsumerSettings, Groups, Prefetch, ReceiveSettings},
    shutdown::RunningEngine,
};
use crate::{
    consumer::lease::{LeaseTerms, Leases, Permits},
    consumer::settle::{DeadLetterQueue, Settler},
    ecs::CallsInFlight,
    handler::AnyHandler,
    health::Health,
    queue::{Queue, limits},
    sns::notifications::Notifier,
    stop::Stop,
    telemetry::{Counts, QueueMetrics, traces::QueueTraces},
};

/// The engine of one queue.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    traits: QueueTraits,
    handler: AnyHandler,
    notifier: Option<Notifier>,
    options: ConsumerSettings,
    permits: Permits,
    leases: Leases,
    settler: Settler,
    slots: Mutex<Slots<HeldMessage>>,
    flow: Mutex<Flow>,
    failed_groups: Mutex<FailedGroups>,
    availability: Availability,
    idle: Notify,
    last_error: Mutex<Option<String>>,
    metrics: Arc<QueueMetrics>,
    /// What makes the queue's spans; absent while traces are off.
    traces: Option<QueueTraces>,
    /// Where calls are noted that may outlast a stop.
    busy: Option<CallsInFlight>,
    health: Health,
    stop: Stop,
    /// Where handlers run that might block.
    caller: Handle,
    /// Where everything else runs.
    runtime: Handle,
}

/// What an engine is made of.
pub struct EngineParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// Where rejected messages are copied to; absent, a reject is a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// What must be known of it.
    pub traits: QueueTraits,
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
    pub busy: Option<CallsInFlight>,
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
pub struct EngineStatus {
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

impl Engine {
    /// Puts an engine together; nothing happens until it is started.
    pub fn new(parts: EngineParts) -> Self {
        let EngineParts { name, queue, traits, dead_letters, handler, notifier, options, .. } = parts;
        let EngineParts { metrics, traces, busy, health, stop, caller, runtime, .. } = parts;
        let terms = LeaseTerms { visibility: options.visibility.0, longest: options.longest_visibility() };
        let condition = |what: &str, why: &str| health.condition(format!("{name} {what}"), why);
        let leases = Leases::new(name.clone(), terms, metrics.clone(), condition("extend", "not started"));
        let settler = Settler::new(settle::SettlerParts {
            name: name.clone(),
            queue: queue.clone(),
            dead_letters,
            settings: options.settle,
            metrics: metrics.clone(),
            traces: traces.clone(),
            ready: condition("settle", "not started"),
            dlq_ready: condition("dlq", "not started"),
        });
        let permits = Permits::new(options.running() + options.prefetch.initial());
        let availability = Availability::new(condition("handler", "the handler was not probed yet"));
        metrics.concurrency.set(i64::try_from(options.concurrency).unwrap_or(i64::MAX));
        let engine = Inner {
            slots: Mutex::new(Slots::new(options.concurrency, options.batch)),
            failed_groups: Mutex::default(),
            flow: Mutex::new(Flow::new(Instant::now())),
            idle: Notify::new(),
            last_error: Mutex::new(None),
            name,
            queue,
            traits,
            handler,
            notifier,
            options,
            permits,
            leases,
            settler,
            availability,
            metrics,
            traces,
            busy,
            health,
            stop,
            caller,
            runtime,
        };
        Self(Arc::new(engine))
    }

    fn slots(&self) -> MutexGuard<'_, Slots<HeldMessage>> {
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
        if capacity != self.0.permits.capacity() {
            self.0.permits.resize(capacity);
        }
    }

    /// The queue's configured name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What the engine is doing.
    pub fn status(&self) -> EngineStatus {
        let (running, waiting) = {
            let slots = self.slots();
            (slots.running(), slots.waiting())
        };
        let paused = match self.0.availability.state() {
            availability::State::Paused(reason) => Some(reason.to_string()),
            availability::State::New | availability::State::Open => None,
        };
        EngineStatus {
            queue: self.0.name.to_string(),
            concurrency: self.0.options.concurrency,
            running,
            waiting,
            held: self.0.leases.len(),
            room: self.0.permits.capacity(),
            settling: self.0.settler.pending(),
            paused,
            seconds_since_successful_receive: self.0.metrics.poll_age_seconds(),
            last_error: self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            queue_messages: self.0.metrics.depth.counts(),
            dlq_messages: self.0.metrics.depth.dlq(),
            backlog_seconds: self.0.metrics.backlog_seconds(),
        }
    }
}
