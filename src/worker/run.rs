//! The worker: several consumers in one process, from their start to their drained end.

use std::{
    net::{self, SocketAddr},
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::{net::TcpListener, runtime::Handle};

use super::{
    Consumer, Drained, ScalingSignal, WorkerError,
    admin::{Admin, Place, Shown, report},
    check::check,
    measured::{self, measured, watch_depth},
    open::{Opened, open, refuse_twins},
    runtime::PumpRuntime,
    scaling::{Scaling, meter},
    shutdown::{drain, flush, may_outlast, unprotect},
    signals::Signals,
    stop_requests::FaultWatch,
};
use crate::{
    admin,
    consumer::{Engine, EngineParts},
    ecs,
    health::{Condition, Health},
    sns::notifications::Notifier,
    stop::{Settings as StopSettings, Stop},
    tasks::{self, Faults, Tasks},
    telemetry::{
        Meter, Metrics, events,
        traces::{QueueIdentity, Traces},
    },
};

/// Several consumers in one process.
pub struct Worker {
    consumers: Vec<Consumer>,
    drain_limit: Duration,
    admin: Option<Place>,
    protection: Option<ecs::ProtectionPlan>,
    signal: Option<ScalingSignal>,
    traces: Option<Traces>,
    metrics: Metrics,
    health: Health,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker {
    /// A worker with nothing to consume yet.
    pub fn new() -> Self {
        Self {
            consumers: Vec::new(),
            drain_limit: StopSettings::USUAL,
            admin: None,
            protection: None,
            signal: None,
            traces: None,
            metrics: Metrics::new(),
            health: Health::new(),
        }
    }

    /// Adds a queue to consume.
    #[must_use]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Sets how long a stop may take (110 s).
    ///
    /// Running handlers may go on for all but 7 s of it, or for three quarters of a limit below 28 s; the rest
    /// is for giving their messages back. A limit below 28 s may be exceeded by up to 7 s.
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain_limit = limit;
        self
    }

    /// Serves `/livez`, `/readyz`, `/metrics` and `/status` at this address.
    #[must_use]
    pub fn admin(mut self, listen: SocketAddr) -> Self {
        self.admin = Some(Place::At(listen));
        self
    }

    /// The same on a socket that listens already, so that the caller knows a port that the system chose.
    #[must_use]
    pub fn admin_on(mut self, listener: net::TcpListener) -> Self {
        self.admin = Some(Place::On(listener));
        self
    }

    /// Protects the task of ECS that this is from scale-in, while work runs that a stop would cut.
    #[must_use]
    pub fn protect(mut self, plan: ecs::ProtectionPlan) -> Self {
        self.protection = Some(plan);
        self
    }

    /// Prints what its scaling is computed from, for CloudWatch.
    #[must_use]
    pub fn scaling_signal(mut self, signal: ScalingSignal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Makes spans of what becomes of messages.
    #[must_use]
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = Some(traces);
        self
    }

    /// The metrics of this worker, to read or to serve elsewhere.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// The health of this worker.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Works until SIGTERM or SIGINT, and then drains; a second signal stops at once.
    ///
    /// Handlers run on the runtime that this is called on, everything else on a thread of the worker's own.
    pub async fn run(self) -> Result<Drained, WorkerError> {
        self.run_with(Stop::new()).await
    }

    /// The same, and the stop may be asked for by the program too.
    pub async fn run_with(self, stop: Stop) -> Result<Drained, WorkerError> {
        let signals = tasks::detach("signals", Signals::listen()?.obey(stop.clone()));
        let ended = self.run_until(stop).await;
        signals.abort();
        ended
    }

    /// Works until the stop is asked for, and then drains; signals are the caller's business.
    pub async fn run_until(self, stop: Stop) -> Result<Drained, WorkerError> {
        let runtime = PumpRuntime::start()?;
        let work = self.work(stop, Handle::current(), runtime.handle().clone());
        let ended = tasks::detach_on(runtime.handle(), "main", work).await;
        runtime.end().await;
        ended.unwrap_or_else(|panic| Err(WorkerError::Fault(format!("main ({panic})"))))
    }

    /// The same with everything on the current runtime, for tests that pause its clock.
    ///
    /// A handler that blocks then delays the leases of all the others.
    pub async fn run_here(self, stop: Stop) -> Result<Drained, WorkerError> {
        self.work(stop, Handle::current(), Handle::current()).await
    }

    async fn work(mut self, stop: Stop, caller: Handle, runtime: Handle) -> Result<Drained, WorkerError> {
        check(&self.consumers)?;
        self.metrics.drain_limit(self.drain_limit);
        let listener = self.listen().await?;
        let (tasks, faults) = Tasks::on(runtime.clone());
        let state = self.health.condition("worker", "the queues are not open yet");
        let frame = Frame { shown: Shown::default(), state, stop, tasks, caller, runtime };
        let admin = listener.map(|listener| Admin::start(listener, self.report(&frame), &frame.tasks));
        let traces = self.traces.clone();
        let ended = self.work_within(&frame, faults).await;
        if let Some(traces) = traces {
            flush(&traces, &frame.stop).await;
        }
        if let Some(admin) = admin {
            admin.end().await;
        }
        // The frame is dropped last: a worker that is drained is not ready either.
        ended
    }

    async fn work_within(mut self, frame: &Frame, faults: Faults) -> Result<Drained, WorkerError> {
        let Frame { shown, state, stop, tasks, .. } = frame;
        let opened = tokio::select! {
            opened = try_join_all(self.consumers.iter().map(open)) => opened?,
            () = stop.draining() => return Ok(Drained::All),
        };
        let drain_limit = self.drain_limit;
        refuse_twins(&self.consumers, &opened)?;
        let guard = self.protection.take().map(|plan| ecs::TaskProtection::start(plan, tasks));
        if let Some(held) = guard.as_ref().map(|guard| guard.status().clone()) {
            self.metrics.protection(move || held.is_protected());
        }
        let metrics = self.metrics.clone();
        let scaling = self.signal.take().map(|signal| Scaling::start(signal, self.meters(&opened), tasks));
        let engines = shown.get_or_init(|| self.engines(&opened, guard.as_ref(), frame));
        let running = engines.iter().map(|engine| engine.start(tasks)).collect();
        state.ready();
        let mut watch = FaultWatch::new(faults, stop.clone());
        watch.until(stop.draining()).await;
        metrics.draining();
        state.unready("draining");
        let drained = watch.until(drain(running, drain_limit, stop)).await;
        // The tasks that a drain ends are no faults from here on.
        if let Some(guard) = guard {
            unprotect(guard, stop).await;
        }
        drop(scaling);
        events::WorkerDrained { drained: &drained }.emit();
        watch.first().map_or(Ok(drained), |task| Err(WorkerError::Fault(task.to_owned())))
    }

    async fn listen(&mut self) -> Result<Option<TcpListener>, WorkerError> {
        let Some(place) = self.admin.take() else { return Ok(None) };
        let listener = place.listen().await?;
        events::AdminListens { address: listener.local_addr()? }.emit();
        Ok(Some(listener))
    }

    fn meters(&self, opened: &[Opened]) -> Vec<Meter> {
        let consumers = self.consumers.iter().zip(opened);
        consumers.map(|(consumer, opened)| meter(consumer, &opened.arn, &self.metrics)).collect()
    }

    fn engines(self, opened: &[Opened], guard: Option<&ecs::TaskProtection>, frame: &Frame) -> Vec<Engine> {
        let drain_limit = self.drain_limit;
        let engine = |(consumer, opened): (Consumer, &Opened)| {
            let metrics = measured(&self.metrics, &consumer, opened);
            let place = measured::Place { metrics: &metrics, stop: &frame.stop, tasks: &frame.tasks };
            watch_depth(&consumer, opened, place);
            let identity = QueueIdentity::of(opened.queue.url(), &consumer.name);
            let guard = guard.filter(|_| may_outlast(consumer.settings.timeout.duration(), drain_limit));
            let notifier = consumer
                .notify
                .map(|plan| Notifier::start(consumer.name.clone(), &plan, metrics.clone(), &frame.tasks));
            if !opened.arn.is_empty() {
                consumer.handler.opened(&opened.arn);
            }
            Engine::new(EngineParts {
                queue: opened.queue.clone(),
                dead_letters: opened.dead_letters.clone(),
                traits: opened.traits,
                handler: consumer.handler,
                notifier,
                options: consumer.settings,
                metrics,
                traces: self.traces.as_ref().map(|traces| traces.queue(&identity)),
                busy: guard.map(|guard| guard.calls_in_flight().clone()),
                name: consumer.name,
                health: self.health.clone(),
                stop: frame.stop.clone(),
                caller: frame.caller.clone(),
                runtime: frame.runtime.clone(),
            })
        };
        self.consumers.into_iter().zip(opened).map(engine).collect()
    }

    fn report(&self, frame: &Frame) -> admin::Report {
        report(self.metrics.clone(), self.health.clone(), frame.shown.clone(), frame.stop.clone())
    }
}

/// What surrounds the work of a worker from its start to its end.
struct Frame {
    shown: Shown,
    /// What keeps the worker as a whole from being ready.
    state: Condition,
    stop: Stop,
    tasks: Tasks,
    /// Where handlers run that might block.
    caller: Handle,
    /// Where everything else runs.
    runtime: Handle,
}
