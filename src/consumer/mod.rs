//! The engine of one queue: receives messages, keeps their leases, calls the handler and settles the messages.
//!
//! A message goes one way: the [`poller`] receives it with a reserved permit, the [`prepare`] stage takes a lease on
//! it, the [`dispatcher`] keeps it in the [`buffer`] until a slot is free and then [`call`]s the handler, the outcome
//! decides its [`disposition`], and [`settle`] carries that out. The heartbeat of [`lease`] keeps the message hidden
//! meanwhile. Each component owns its state and calls only the next one. A permit is freed when its lease is dropped.

mod availability;
mod breaker;
mod buffer;
mod call;
mod control;
pub(crate) mod depth;
mod dispatcher;
mod dispatcher_state;
mod disposition;
mod ends;
mod fifo;
pub(crate) mod lease;
mod limits;
pub(crate) mod metrics;
mod pause_reasons;
mod poller;
mod preparation;
mod preparation_lines;
mod prepare;
mod receive_mode;
pub(crate) mod running;
mod schedule;
mod settings;
pub(crate) mod settle;
mod shutdown;
mod slot;
mod standstill;
mod start_limit;
mod why;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::Instant,
};

pub(crate) use self::lease::LeaseFollower;
pub(crate) use self::limits::{PoolSettings, PoolWeight, RateScope, RateSettings};
pub(crate) use self::settings::BreakerSettings;
use self::{
    availability::Availability,
    buffer::Buffer,
    call::HandlerCaller,
    dispatcher::{Dispatcher, DispatcherParts},
    dispatcher_state::DispatcherState,
    ends::EndReporter,
    fifo::OrderedSettler,
    limits::{CallLimits, CallRate, GroupLimits, GroupLines},
    poller::{Poller, PollerParts, TICK, WATCHDOG},
    preparation::PreparationTasks,
    prepare::{Intake, IntakeParts},
    schedule::Schedule,
    shutdown::EngineEnds,
    standstill::StandstillWatch,
    why::{ReceiveFacts, ReceiveProgress, Why, WorkTotals},
};
pub(crate) use self::{
    call::{CallGuard, CallObserver, MessageEnd},
    preparation::{Preparation, PreparationClaim, PreparedMessage, Unprepared},
};
pub(crate) use self::{
    fifo::Order,
    pause_reasons::PauseReason,
    settings::{ConsumerSettings, Groups, OnExhausted},
    shutdown::RunningEngine,
};
pub use self::{
    limits::Pool,
    settings::{BatchSettings, Prefetch},
};
use crate::{
    consumer::depth::{Counts, QueueDepth, RedriveView},
    consumer::lease::{LeaseTerms, Leases, Permits, StageObserver},
    consumer::metrics::ConsumerMetrics,
    consumer::running::RunningCalls,
    consumer::settle::{DeadLetterQueue, Settler},
    handler::AnyHandler,
    handler::FailureCounter,
    health::{Condition, Health, Pulse},
    message::Wanted,
    queue::Queue,
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::{MetricScope, spans::QueueTraces},
};

/// The longest time between two beats of the heartbeat and the settler, which both run at least every 10 s.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// The longest linger of a settlement where nothing is set.
const USUAL_LINGER: Duration = Duration::from_millis(300);
/// The same on a FIFO queue, where the next message of the group may wait in the queue.
const USUAL_LINGER_IN_GROUPS: Duration = Duration::from_millis(20);

/// A handle to the engine of one queue; clones share one state.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    queue: Arc<dyn Queue>,
    settings: ConsumerSettings,
    handler: AnyHandler,
    availability: Availability,
    dispatcher: Dispatcher,
    permits: Permits,
    leases: Leases,
    settler: Settler,
    progress: watch::Receiver<ReceiveProgress>,
    order: Order,
    stop: Stop,
    metrics: Arc<ConsumerMetrics>,
    depth: QueueDepth,
    running: RunningCalls,
    wanted: Wanted,
}

/// The parts of an engine.
pub(crate) struct EngineParts {
    /// The queue's configured name.
    pub name: Arc<str>,
    /// The queue itself.
    pub queue: Arc<dyn Queue>,
    /// The DLQ that rejected messages are copied to; absent, a reject is a retry.
    pub dead_letters: Option<DeadLetterQueue>,
    /// The order of the queue's messages.
    pub order: Order,
    /// The queue's redrive policy.
    pub redrive: RedriveView,
    /// The handler of its messages.
    pub handler: AnyHandler,
    /// The preparations of messages between their receive and their call, in their order.
    pub(crate) preparations: Vec<Arc<dyn Preparation>>,
    /// The observers of the handler's calls.
    pub(crate) observers: Vec<Arc<dyn CallObserver>>,
    /// The observer of the stages that its messages pass, if there is one.
    pub(crate) stages: Option<Arc<dyn StageObserver>>,
    /// The settings of the consumer.
    pub settings: ConsumerSettings,
    /// The pool whose slots its calls take, and its weight there.
    pub pool: Option<(Pool, usize)>,
    /// The queue's metrics.
    pub metrics: MetricScope,
    /// Counts the failed calls of the handler.
    pub failures: FailureCounter,
    /// The number of messages in the queue.
    pub depth: QueueDepth,
    /// The calls of the handler, and the messages that wait for theirs.
    pub(crate) running: RunningCalls,
    /// The spans of the queue's messages; absent while traces are off.
    pub traces: Option<QueueTraces>,
    /// The health of the process.
    pub health: Health,
    /// Ends the engine.
    pub stop: Stop,
    /// The runtime for handlers that might block.
    pub caller: Handle,
    /// The runtime for everything else.
    pub runtime: Handle,
}

/// The state of an engine, for the status page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EngineStatus {
    /// The queue's configured name.
    pub queue: String,
    /// The most calls of the handler at once.
    pub concurrency: usize,
    /// Calls running.
    pub running: usize,
    /// Messages received that wait for a slot, for a full batch, or for an earlier message of their group.
    pub waiting: usize,
    /// Messages held: waiting, running or being settled.
    pub held: usize,
    /// The most messages held at once.
    pub permits: usize,
    /// Messages being settled.
    pub settling: usize,
    /// Seconds for which the oldest running call has run; absent while none runs.
    pub oldest_running_seconds: Option<f64>,
    /// Seconds since the receive of the oldest message that waits here for its call; absent while none waits.
    pub oldest_waiting_seconds: Option<f64>,
    /// Seconds for which the oldest settlement has waited for SQS to confirm it; absent while none waits.
    pub oldest_settling_seconds: Option<f64>,
    /// The error for which SQS refuses to settle messages, until it settles one.
    pub settling_error: Option<String>,
    /// The reasons for which polling is paused; empty while the queue is polled.
    pub paused: Vec<PauseStatus>,
    /// Whole seconds since a receive was last answered.
    pub seconds_since_successful_receive: u64,
    /// The error of the last receive, if it failed.
    pub last_error: Option<String>,
    /// The messages in the queue by SQS's count, of all workers, where that is known.
    pub queue_messages: Option<Counts>,
    /// Seconds for which SQS keeps a message, where that is known.
    pub retention_seconds: Option<u64>,
    /// The visible messages in the DLQ, where that is known.
    pub dlq_messages: Option<u64>,
    /// The time that this worker alone needs for the visible messages and those in flight, where that is known.
    pub backlog_seconds: Option<f64>,
    /// Why messages are received or not.
    #[serde(flatten)]
    pub why: Why,
    /// The work since the start.
    pub totals: WorkTotals,
}

/// One reason for which polling is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PauseStatus {
    /// The kind of reason.
    pub reason: PauseReason,
    /// The details, such as the error of the handler's last probe.
    pub details: String,
}

impl Engine {
    /// Builds the components of an engine, and starts its tasks.
    pub(crate) fn start(parts: &EngineParts, tasks: &Tasks) -> RunningEngine {
        let EngineParts { name, queue, settings, .. } = parts;
        let metrics: Arc<ConsumerMetrics> = parts.metrics.group();
        metrics.concurrency.set(i64::try_from(settings.concurrency).unwrap_or(i64::MAX));
        let (leases, settler, availability) = (parts.leases(), parts.settler(), parts.availability());
        let preparations = PreparationTasks::on(parts.runtime.clone());
        let observers: Arc<[_]> = parts.observers.iter().cloned().collect();
        let ordered = parts.ordered_settler(&settler, &preparations, &observers);
        let ends = EngineEnds::default();
        let dispatcher = parts.dispatcher(&availability, &ordered, &observers, &ends);
        let permits = Permits::new(settings.running() + settings.prefetch.initial());
        let (progress_sender, progress) = watch::channel(ReceiveProgress::default());
        let engine = Self(Arc::new(Inner {
            name: name.clone(),
            queue: queue.clone(),
            settings: settings.clone(),
            handler: parts.handler.clone(),
            availability: availability.clone(),
            dispatcher: dispatcher.clone(),
            permits: permits.clone(),
            leases: leases.clone(),
            settler: settler.clone(),
            progress,
            order: parts.order,
            stop: parts.stop.clone(),
            metrics,
            depth: parts.depth.clone(),
            running: parts.running.clone(),
            wanted: parts.wanted(&settler),
        }));
        if settings.paused {
            engine.pause("paused = true in its settings");
        }
        let intake = parts.intake(&engine, ordered, &preparations);
        let poller = parts.poller(&engine, intake, progress_sender, &ends);
        let heartbeat = leases.clone().run_heartbeat(
            queue.clone(),
            parts.pulse("heartbeat", LONGEST_SILENCE),
            ends.heartbeat.clone(),
        );
        tasks.spawn("heartbeat", End::Fatal, heartbeat);
        let settling = settler.clone().run(parts.pulse("settle", LONGEST_SILENCE), ends.settler.clone());
        tasks.spawn("settle", End::Fatal, settling);
        RunningEngine {
            // It ends at the stop, which the fault watch may notice later: that end is no fault.
            poller: tasks.spawn("receive", End::Fine, poller.run()),
            probes: tasks.spawn("probe", End::Fault, availability.run()),
            standstill: tasks.spawn("standstill", End::Fine, parts.standstill(&leases, &settler).run()),
            handler: parts.handler.clone(),
            engine,
            dispatcher,
            preparations,
            leases,
            settler,
            observers,
            ends,
        }
    }

    /// The queue's configured name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// The queue.
    pub(crate) fn queue(&self) -> Arc<dyn Queue> {
        self.0.queue.clone()
    }

    /// The DLQ that rejected messages are copied to, if there is one.
    pub(crate) fn dead_letter_queue(&self) -> Option<Arc<dyn Queue>> {
        self.0.settler.dead_letter_queue()
    }

    /// True if messages are received with all of their attributes, which copies of rejected ones need.
    pub(crate) fn receives_everything(&self) -> bool {
        self.0.wanted == Wanted::Everything
    }

    /// Copies rejected messages to this DLQ from now on; without one a reject is a retry.
    pub(crate) fn copy_rejects_to(&self, dlq: Option<DeadLetterQueue>) {
        self.0.settler.copy_rejects_to(dlq);
    }

    /// The state of the engine.
    pub(crate) fn status(&self) -> EngineStatus {
        let Inner { dispatcher, leases, permits, settler, metrics, .. } = &*self.0;
        let (load, now) = (dispatcher.load(), Instant::now());
        let seconds = |age: Option<Duration>| age.map(|age| age.as_secs_f64());
        let progress = self.0.progress.borrow().clone();
        let paused = self.0.availability.reasons().into_iter();
        let mut status = EngineStatus {
            queue: self.0.name.to_string(),
            concurrency: load.concurrency,
            running: load.running,
            waiting: load.waiting,
            held: leases.len(),
            permits: permits.capacity(),
            settling: settler.pending(),
            oldest_running_seconds: seconds(self.0.running.oldest(now)),
            oldest_waiting_seconds: seconds(self.0.running.oldest_waiting(now)),
            oldest_settling_seconds: seconds(settler.oldest_pending()),
            settling_error: settler.error(),
            paused: paused
                .map(|(reason, details)| PauseStatus { reason, details: details.to_string() })
                .collect(),
            seconds_since_successful_receive: metrics.poll_age.get(),
            last_error: progress.failure.as_ref().map(|failure| failure.message.clone()),
            queue_messages: self.0.depth.counts(),
            retention_seconds: self.0.depth.retention().map(|retention| retention.as_secs()),
            dlq_messages: self.0.depth.dlq(),
            backlog_seconds: self.0.depth.backlog_seconds(),
            why: Why::default(),
            totals: WorkTotals::of(metrics),
        };
        status.why = self.why(&status, &progress);
        status
    }

    /// Why messages are received or not.
    fn why(&self, status: &EngineStatus, progress: &ReceiveProgress) -> Why {
        let now = Instant::now();
        let allowance = self.0.dispatcher.allowance(now);
        let overdue = progress.answers_due.filter(|_| self.0.metrics.pollers.get() > 0);
        Why::of(&ReceiveFacts {
            is_draining: self.0.stop.is_draining(),
            paused: &status.paused,
            failure: progress.failure.as_ref(),
            order: self.0.order,
            concurrency: status.concurrency,
            running: status.running,
            waiting: status.waiting,
            held: status.held,
            permits: status.permits,
            settling: status.settling,
            settling_error: status.settling_error.as_deref(),
            calls_by_rate: allowance.by_rate,
            waits_for_pool: allowance.waits_for_pool,
            overdue: overdue.map_or(Duration::ZERO, |due| now.saturating_duration_since(due)),
            counts: status.queue_messages,
            is_outrun: self.0.depth.is_outrun(),
        })
    }
}

impl EngineParts {
    fn condition(&self, component: &str, reason: &str) -> Condition {
        self.health.condition(format!("{} {component}", self.name), reason)
    }

    fn pulse(&self, component: &str, longest_silence: Duration) -> Pulse {
        self.health.pulse(format!("{} {component}", self.name), longest_silence)
    }

    fn leases(&self) -> Leases {
        let ConsumerSettings { visibility, .. } = self.settings;
        let terms = LeaseTerms { visibility: visibility.0, longest: self.settings.longest_visibility() };
        let (scope, ready) = (self.metrics.clone(), self.condition("extend", "not started"));
        Leases::new(self.name.clone(), terms, (scope, ready), self.stages.clone())
    }

    fn settler(&self) -> Settler {
        let usual_linger = match self.order {
            Order::None => USUAL_LINGER,
            Order::Groups => USUAL_LINGER_IN_GROUPS,
        };
        Settler::new(settle::SettlerParts {
            name: self.name.clone(),
            queue: self.queue.clone(),
            dead_letters: self.dead_letters.clone(),
            longest_linger: self.settings.settle.longest_linger(self.settings.visibility, usual_linger),
            metrics: self.metrics.clone(),
            traces: self.traces.clone(),
            ready: self.condition("settle", "not started"),
            dlq_ready: self.condition("dlq", "not started"),
        })
    }

    fn standstill(&self, leases: &Leases, settler: &Settler) -> StandstillWatch {
        StandstillWatch {
            queue: self.name.clone(),
            running: self.running.clone(),
            settler: settler.clone(),
            leases: leases.clone(),
            scope: self.metrics.clone(),
        }
    }

    fn availability(&self) -> Availability {
        let ready = self.condition("handler", "the handler was not probed yet");
        let (name, handler) = (self.name.clone(), self.handler.clone());
        let notice = self.health.notice(format!("{} polling", self.name));
        Availability::new(name, handler, &self.settings, (ready, notice), self.metrics.group())
    }

    fn ordered_settler(
        &self,
        settler: &Settler,
        preparations: &PreparationTasks,
        observers: &Arc<[Arc<dyn CallObserver>]>,
    ) -> OrderedSettler {
        OrderedSettler {
            queue: self.name.clone(),
            given_back: Arc::default(),
            settler: settler.clone(),
            redrive: self.redrive.clone(),
            retry: self.settings.retry,
            on_exhausted: self.settings.on_exhausted,
            tasks: preparations.clone(),
            observers: observers.clone(),
            metrics: self.metrics.group(),
        }
    }

    fn dispatcher(
        &self,
        availability: &Availability,
        settler: &OrderedSettler,
        observers: &Arc<[Arc<dyn CallObserver>]>,
        ends: &EngineEnds,
    ) -> Dispatcher {
        let caller = HandlerCaller {
            queue: self.name.clone(),
            handler: self.handler.clone(),
            batch_size: self.settings.batch.size,
            time_limit: self.settings.timeout.duration(),
            redrive: self.redrive.clone(),
            end_of_grace: ends.grace.clone(),
        };
        let parts = DispatcherParts {
            queue: self.name.clone(),
            caller,
            availability: availability.clone(),
            settler: settler.clone(),
            observers: observers.clone(),
            metrics: self.metrics.group(),
            reporter: EndReporter {
                queue: self.name.clone(),
                scope: self.metrics.clone(),
                metrics: self.metrics.group(),
                observers: observers.clone(),
            },
            failures: self.failures.clone(),
            running: self.running.clone(),
            traces: self.traces.clone(),
            stop: self.stop.clone(),
            callers_runtime: self.caller.clone(),
            engine_runtime: self.runtime.clone(),
        };
        let ConsumerSettings { concurrency, batch, per_group, rate, .. } = self.settings;
        let of_group = rate.filter(|rate| rate.by == RateScope::Group);
        let limits = GroupLimits { running: per_group, rate: of_group };
        let has_lines = per_group.is_some() || of_group.is_some();
        let slot_idle = Arc::new(Notify::new());
        let calls = CallLimits {
            rate: rate.filter(|rate| rate.by == RateScope::Queue).map(CallRate::new),
            pool: self.pool.as_ref().map(|(pool, weight)| pool.join(*weight, slot_idle.clone())),
        };
        let lines = has_lines.then(|| GroupLines::new(limits));
        let state = DispatcherState::new(Buffer::new(concurrency, batch), lines, calls, Instant::now());
        Dispatcher::new(parts, state, slot_idle)
    }

    fn intake(&self, engine: &Engine, settler: OrderedSettler, preparations: &PreparationTasks) -> Intake {
        Intake::new(IntakeParts {
            queue: self.name.clone(),
            order: self.order,
            leases: engine.0.leases.clone(),
            preparations: self.preparations.clone(),
            tasks: preparations.clone(),
            dispatcher: engine.0.dispatcher.clone(),
            settler,
            stop: self.stop.clone(),
            metrics: self.metrics.group(),
            running: self.running.clone(),
        })
    }

    fn poller(
        &self,
        engine: &Engine,
        intake: Intake,
        progress: watch::Sender<ReceiveProgress>,
        ends: &EngineEnds,
    ) -> Poller {
        let receive = self.settings.receive;
        let longest_silence = (receive.wait.0 + WATCHDOG + TICK) * 2;
        let parts = PollerParts {
            name: self.name.clone(),
            queue: self.queue.clone(),
            order: self.order,
            wanted: engine.0.wanted,
            visibility: self.settings.visibility.0,
            wait: self.settings.wait(),
            prefetch: self.settings.prefetch,
            permits: engine.0.permits.clone(),
            availability: engine.0.availability.clone(),
            intake,
            dispatcher: engine.0.dispatcher.clone(),
            metrics: self.metrics.group(),
            calls: self.metrics.group(),
            depth: self.depth.clone(),
            warnings: self.metrics.warnings().clone(),
            traces: self.traces.clone(),
            stop: self.stop.clone(),
            end_of_receives: ends.receives.clone(),
            pulse: self.pulse("receive", longest_silence),
            ready: self.condition("receive", "no receive has succeeded yet"),
            progress,
        };
        Poller::new(parts, Schedule::new(receive.pollers, receive.pace.0))
    }

    /// The parts of messages to receive: those that the handler wants, or everything on a FIFO queue, which needs the
    /// groups, where rejects are copied, where messages are prepared, and where producers' traces are read.
    fn wanted(&self, settler: &Settler) -> Wanted {
        match self.order {
            Order::None if self.traces.is_some() || !self.preparations.is_empty() => Wanted::Everything,
            Order::None => settler.wanted(self.handler.wanted()),
            Order::Groups => Wanted::Everything,
        }
    }
}
