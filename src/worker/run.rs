//! The worker: runs the consumers of a process from their start to the end of their drain.

#[cfg(feature = "admin")]
use std::net::{self, SocketAddr};
use std::{sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use tokio::runtime::Handle;

#[cfg(feature = "sns")]
use super::observers::NotifyEnds;
use super::{
    Consumer, Drained, WorkerError, WorkerStatus,
    check::check,
    metrics::{DrainMetrics, QueueMeasurements},
    open::{Opened, open, refuse_duplicate_queues},
    runtime::EngineRuntime,
    shutdown::{RunningParts, shut_down},
    stop_requests::{FaultWatch, Signals},
};
#[cfg(feature = "ecs")]
use super::{
    ScalingSignal,
    embedded_metrics::{Meter, ScalingTask},
    observers::CountCalls,
    shutdown::may_outlast,
};
#[cfg(feature = "admin")]
use crate::admin::{AdminListener, AdminServer, AdminSource};
#[cfg(feature = "ecs")]
use crate::ecs::{self, ProtectionMetrics};
#[cfg(feature = "sns")]
use crate::sns::notifications::Notifier;
#[cfg(feature = "otel")]
use crate::telemetry::{
    spans::{QueueIdentity, QueueTraces},
    traces::Traces,
};
use crate::{
    consumer::{
        CallObserver, Engine, EngineParts, RunningEngine,
        depth::{self, Interval},
    },
    health::{Condition, Health},
    stop::{DrainLimits, Stop},
    tasks::{self, End, Tasks},
    telemetry::{MetricScope, Metrics, events},
};

/// A process that consumes queues: its consumers, and what they share.
pub struct Worker {
    consumers: Vec<Consumer>,
    drain: DrainLimits,
    #[cfg(feature = "admin")]
    admin: Option<AdminListener>,
    #[cfg(feature = "ecs")]
    protection: Option<ecs::ProtectionPlan>,
    #[cfg(feature = "ecs")]
    signal: Option<ScalingSignal>,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
    /// The signals that stop it; absent, it listens when it runs.
    signals: Option<Signals>,
    metrics: Metrics,
    health: Health,
    status: WorkerStatus,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker {
    /// A worker without consumers.
    pub fn new() -> Self {
        Self {
            consumers: Vec::new(),
            drain: DrainLimits::default(),
            #[cfg(feature = "admin")]
            admin: None,
            #[cfg(feature = "ecs")]
            protection: None,
            #[cfg(feature = "ecs")]
            signal: None,
            #[cfg(feature = "otel")]
            traces: None,
            signals: None,
            metrics: Metrics::new(),
            health: Health::new(),
            status: WorkerStatus::default(),
        }
    }

    /// Adds a queue to consume.
    #[must_use]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.consumers.push(consumer);
        self
    }

    /// Sets the time limit of a stop; default: 110 s.
    ///
    /// Running handlers may go on for all but 7 s of it, or for three quarters of a limit below 28 s; in the rest their
    /// messages are given back. What is not reached in time is logged, and counted by [`Drained`].
    #[must_use]
    pub fn drain_limit(mut self, limit: Duration) -> Self {
        self.drain.all = limit;
        self
    }

    /// Sets the longest time that a stop waits for receives in flight; default: the rest of their wait and 2 s.
    ///
    /// They may still bring messages, which are given back. SQS may hide messages for a receive that is cut off; they
    /// come back after their visibility timeout.
    #[must_use]
    pub fn drain_receives(mut self, limit: Duration) -> Self {
        self.drain.receives = limit;
        self
    }

    #[cfg(feature = "cli")]
    pub(super) fn drain_limits(self, drain: DrainLimits) -> Self {
        Self { drain, ..self }
    }

    /// Serves `/livez`, `/readyz`, `/metrics` and `/status` at this address.
    ///
    /// To serve them from the program's own server, use [`health`](Self::health), [`metrics`](Self::metrics) and
    /// [`status`](Self::status).
    #[cfg(feature = "admin")]
    #[must_use]
    pub fn admin(mut self, listen: SocketAddr) -> Self {
        self.admin = Some(AdminListener::Address(listen));
        self
    }

    /// Serves the admin pages on a listening socket, so that the caller knows its port.
    #[cfg(feature = "admin")]
    #[must_use]
    pub fn admin_on(mut self, listener: net::TcpListener) -> Self {
        self.admin = Some(AdminListener::Socket(listener));
        self
    }

    /// Protects this ECS task from scale-in while calls run that a stop might cut off.
    #[cfg(feature = "ecs")]
    #[must_use]
    pub fn protect(mut self, plan: ecs::ProtectionPlan) -> Self {
        self.protection = Some(plan);
        self
    }

    /// Prints the metrics from which CloudWatch computes the fleet's size.
    #[cfg(feature = "ecs")]
    #[must_use]
    pub fn scaling_signal(mut self, signal: ScalingSignal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Exports spans of receives, calls and settlements.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn traces(mut self, traces: Traces) -> Self {
        self.traces = Some(traces);
        self
    }

    /// Sets the signals that stop it, which the program has listened for since its start.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn signals(mut self, signals: Signals) -> Self {
        self.signals = Some(signals);
        self
    }

    /// Adds the metrics to this registry, beside the program's own; call it before [`metrics`](Self::metrics).
    ///
    /// One registry serves one worker.
    #[must_use]
    pub fn registry(mut self, registry: prometheus::Registry) -> Self {
        self.metrics = Metrics::on(registry);
        self
    }

    /// The metrics of this worker, to read them or to serve them elsewhere.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// The health of this worker.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The status of this worker, for people and scripts.
    pub fn status(&self) -> WorkerStatus {
        self.status.clone()
    }

    /// Runs until SIGTERM, SIGINT, SIGQUIT or SIGHUP, and then drains; a second signal stops at once.
    ///
    /// A SIGHUP that the parent process has ignored, as `nohup` does, stays ignored.
    ///
    /// Handlers run on the current runtime, everything else on a thread of the worker's own.
    pub async fn run(self) -> Result<Drained, WorkerError> {
        self.run_with(Stop::new()).await
    }

    /// Runs until a signal or until `stop` is requested, and then drains.
    pub async fn run_with(mut self, stop: Stop) -> Result<Drained, WorkerError> {
        let signals = self.signals.take().map_or_else(Signals::listen, Ok)?;
        let signals = tasks::detach("signals", signals.forward_to(stop.clone()));
        let ended = self.run_until(stop).await;
        signals.abort();
        ended
    }

    /// Runs until `stop` is requested, and then drains; leaves signals to the program.
    pub async fn run_until(self, stop: Stop) -> Result<Drained, WorkerError> {
        let runtime = EngineRuntime::start()?;
        let work = self.work(stop, Handle::current(), runtime.handle().clone());
        let ended = tasks::detach_on(runtime.handle(), "main", work).await;
        runtime.end().await;
        ended.unwrap_or_else(|panic| Err(WorkerError::Fault(format!("main ({panic})"))))
    }

    /// Runs everything on the current runtime until `stop` is requested, for tests that pause its clock.
    ///
    /// A handler that blocks its thread then delays the leases of all the others.
    pub async fn run_here(self, stop: Stop) -> Result<Drained, WorkerError> {
        self.work(stop, Handle::current(), Handle::current()).await
    }

    async fn work(mut self, stop: Stop, caller: Handle, runtime: Handle) -> Result<Drained, WorkerError> {
        check(&self.consumers)?;
        let (limits, metrics) = (self.drain, self.metrics.clone());
        let drain = DrainMetrics::in_scope(&metrics.process());
        drain.limit(limits.all);
        self.status.set_stop(stop.clone());
        let (tasks, faults) = Tasks::on(runtime.clone());
        let readiness = self.health.condition("worker", "the queues are not open yet");
        let environment = Environment { readiness, stop, tasks, caller, runtime, drain_limit: limits.all };
        let mut parts = RunningParts::default();
        #[cfg(feature = "otel")]
        parts.traces.clone_from(&self.traces);
        #[cfg(feature = "admin")]
        self.start_admin(&environment.tasks, &mut parts).await?;
        let stop = &environment.stop;
        let mut faults = FaultWatch::new(faults, stop.clone());
        let started = self.start(&environment, &mut parts).await;
        if started.is_ok() {
            faults.until(stop.draining()).await;
            drain.draining();
            environment.readiness.unready("draining");
        }
        let drained = shut_down(parts, limits, stop, &mut faults).await;
        started?;
        events::WorkerDrained { held: drained.held() }.emit();
        faults.first().map_or(Ok(drained), |task| Err(WorkerError::Fault(task.to_owned())))
    }

    /// Opens every queue and starts its engine, unless a stop comes first.
    async fn start(mut self, environment: &Environment, parts: &mut RunningParts) -> Result<(), WorkerError> {
        let tasks = &environment.tasks;
        let opened = tokio::select! {
            opened = try_join_all(self.consumers.iter().map(open)) => opened?,
            () = environment.stop.draining() => return Ok(()),
        };
        refuse_duplicate_queues(&self.consumers, &opened)?;
        let queues = self.consumers.iter().zip(&opened);
        let measurements: Vec<_> = queues
            .map(|(consumer, opened)| QueueMeasurements::new(&self.metrics, consumer, opened))
            .collect();
        #[cfg(feature = "ecs")]
        self.start_ecs(&opened, &measurements, tasks, parts);
        let status = self.status.clone();
        parts.engines = self.start_engines(&opened, measurements, parts, environment);
        status.set_engines(parts.engines.iter().map(|running| running.engine().clone()).collect());
        environment.readiness.ready();
        Ok(())
    }

    #[cfg(feature = "admin")]
    async fn start_admin(&mut self, tasks: &Tasks, parts: &mut RunningParts) -> Result<(), WorkerError> {
        let Some(listener) = self.admin.take() else { return Ok(()) };
        let address = listener.address();
        let failed = |source| match address {
            Some(address) => WorkerError::Admin { address, source },
            None => WorkerError::System(source),
        };
        let listener = listener.bind().await.map_err(failed)?;
        events::AdminListens { address: listener.local_addr()? }.emit();
        let (metrics, status) = (self.metrics.clone(), self.status.clone());
        let source = AdminSource {
            health: self.health.clone(),
            metrics: Arc::new(move || metrics.text()),
            status: Arc::new(move || status.value()),
        };
        parts.admin = Some(AdminServer::start(listener, source, tasks));
        Ok(())
    }

    #[cfg(feature = "ecs")]
    fn start_ecs(
        &mut self,
        opened: &[Opened],
        measurements: &[QueueMeasurements],
        tasks: &Tasks,
        parts: &mut RunningParts,
    ) {
        if let Some(plan) = self.protection.take() {
            let protection = ecs::TaskProtection::start(plan, tasks);
            let status = protection.status().clone();
            let metrics = self.metrics.process().group::<ProtectionMetrics>();
            metrics.task_protected.by(move || Some(f64::from(status.is_protected())));
            parts.protection = Some(protection);
        }
        if let Some(signal) = self.signal.take() {
            let queues = self.consumers.iter().zip(opened).zip(measurements);
            let meters = queues.map(|((consumer, opened), measurements)| {
                let name = consumer.name_in_sqs(&opened.arn);
                Meter::new(name, &measurements.scope, measurements.depth.clone(), measurements.work())
            });
            parts.scaling = Some(ScalingTask::start(signal, meters.collect(), tasks));
        }
    }

    #[cfg(feature = "otel")]
    fn queue_traces(traces: Option<&Traces>, opened: &Opened, name: &str) -> Option<QueueTraces> {
        let identity = QueueIdentity::of(opened.queue.url(), name);
        traces.map(|traces| traces.queue(&identity))
    }

    fn start_engines(
        self,
        opened: &[Opened],
        measurements: Vec<QueueMeasurements>,
        parts: &RunningParts,
        environment: &Environment,
    ) -> Vec<RunningEngine> {
        let start = |((consumer, opened), measurements): ((Consumer, &Opened), QueueMeasurements)| {
            environment.poll_depth(&consumer, opened, &measurements);
            let observers = environment.observers(&consumer, parts, &measurements.scope);
            if !opened.arn.is_empty() {
                consumer.handler.opened(&opened.arn);
            }
            let parts = EngineParts {
                queue: opened.queue.clone(),
                dead_letters: opened.dead_letters.clone(),
                traits: opened.traits,
                handler: consumer.handler,
                preparation: consumer.preparation,
                observers,
                settings: consumer.settings,
                metrics: measurements.scope,
                failures: measurements.failures,
                depth: measurements.depth,
                #[cfg(feature = "otel")]
                traces: Self::queue_traces(self.traces.as_ref(), opened, &consumer.name),
                #[cfg(not(feature = "otel"))]
                traces: None,
                name: consumer.name,
                health: self.health.clone(),
                stop: environment.stop.clone(),
                caller: environment.caller.clone(),
                runtime: environment.runtime.clone(),
            };
            Engine::start(&parts, &environment.tasks)
        };
        self.consumers.into_iter().zip(opened).zip(measurements).map(start).collect()
    }
}

/// The surroundings of a running worker.
struct Environment {
    /// The readiness of the worker as a whole.
    readiness: Condition,
    stop: Stop,
    tasks: Tasks,
    /// The runtime of handlers that may block.
    caller: Handle,
    /// The runtime of everything else.
    runtime: Handle,
    drain_limit: Duration,
}

impl Environment {
    /// The observers of a consumer's calls: for the protection of the task, and for notifications.
    #[cfg_attr(
        not(feature = "ecs"),
        expect(unused_variables, reason = "only the protection asks for the parts")
    )]
    fn observers(
        &self,
        consumer: &Consumer,
        parts: &RunningParts,
        scope: &MetricScope,
    ) -> Vec<Arc<dyn CallObserver>> {
        let mut observers: Vec<Arc<dyn CallObserver>> = Vec::new();
        #[cfg(feature = "ecs")]
        if let Some(protection) = &parts.protection
            && may_outlast(consumer.settings.timeout.duration(), self.drain_limit)
        {
            observers.push(Arc::new(CountCalls(protection.calls_in_flight().clone())));
        }
        #[cfg(feature = "sns")]
        if let Some(plan) = &consumer.notify {
            let notifier = Notifier::start(consumer.name.clone(), plan, scope, &self.tasks);
            observers.push(Arc::new(NotifyEnds(notifier)));
        }
        observers
    }

    /// Polls the number of messages in a queue, if an interval is set.
    fn poll_depth(&self, consumer: &Consumer, opened: &Opened, measurements: &QueueMeasurements) {
        let Interval::Every(interval) = consumer.settings.depth.interval else { return };
        let parts = depth::DepthPollerParts {
            name: consumer.name.clone(),
            queue: opened.queue.clone(),
            dlq: opened.dlq.clone(),
            depth: measurements.depth.clone(),
            calls: measurements.scope.group(),
        };
        let polls = depth::DepthPoller::new(parts, measurements.work(), interval).run(self.stop.clone());
        self.tasks.spawn("depth", End::Fine, polls);
    }
}
