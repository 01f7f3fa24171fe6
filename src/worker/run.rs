//! The worker: runs the consumers of a process from their start to the end of their drain.

#[cfg(feature = "admin")]
use std::net::{self, SocketAddr};
use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinError};

#[cfg(feature = "cli")]
use super::reload::Reload;
use super::{
    Consumer, Drained, WorkerControl, WorkerError, WorkerStatus,
    check::check,
    engines::{Engines, Environment},
    fault_watch::FaultWatch,
    metrics::DrainMetrics,
    opening::Opening,
    runtime::EngineRuntime,
    shutdown::{RunningParts, shut_down},
    signals::{SignalTargets, Signals},
};
#[cfg(feature = "ecs")]
use super::{ScalingSignal, embedded_metrics::ScalingTask, leaving::Leaving};
#[cfg(feature = "cli")]
use crate::consumer::lease::StageObserverOf;
#[cfg(feature = "ecs")]
use crate::ecs::{self, ProtectionMetrics};
#[cfg(feature = "otel")]
use crate::telemetry::{MetricsExport, traces::Traces};
#[cfg(feature = "admin")]
use crate::{
    admin::{AdminListener, AdminServer, AdminSource, ControlAccess},
    history::MessageHistory,
};
use crate::{
    aws::CREDENTIALS_DEAD_AFTER,
    consumer::depth::PollTurns,
    health::Health,
    start::Patience,
    stop::{DrainLimits, Stop},
    tasks::{self, End, Tasks},
    telemetry::{Metrics, events},
};

/// A process that consumes queues: its consumers, and what they share.
pub struct Worker {
    consumers: Vec<Consumer>,
    drain: DrainLimits,
    patience: Patience,
    credentials_dead_after: Option<Duration>,
    #[cfg(feature = "admin")]
    admin: Option<AdminListener>,
    #[cfg(feature = "admin")]
    access: ControlAccess,
    #[cfg(feature = "ecs")]
    protection: Option<ecs::ProtectionPlan>,
    #[cfg(feature = "ecs")]
    scale_out: Option<ecs::ScaleOutPlan>,
    #[cfg(feature = "ecs")]
    signal: Option<ScalingSignal>,
    #[cfg(feature = "otel")]
    traces: Option<Traces>,
    #[cfg(feature = "otel")]
    metrics_export: Option<MetricsExport>,
    /// The signals that stop it; absent, it listens when it runs.
    signals: Option<Signals>,
    /// The reloads of its configuration; absent, a SIGHUP always drains.
    #[cfg(feature = "cli")]
    reload: Option<Reload>,
    /// The observers of the stages that messages pass, beside the history of the admin server.
    #[cfg(feature = "cli")]
    stages: Option<StageObserverOf>,
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
            patience: Patience::default(),
            credentials_dead_after: Some(CREDENTIALS_DEAD_AFTER),
            #[cfg(feature = "admin")]
            admin: None,
            #[cfg(feature = "admin")]
            access: ControlAccess::off(),
            #[cfg(feature = "ecs")]
            protection: None,
            #[cfg(feature = "ecs")]
            scale_out: None,
            #[cfg(feature = "ecs")]
            signal: None,
            #[cfg(feature = "otel")]
            traces: None,
            #[cfg(feature = "otel")]
            metrics_export: None,
            signals: None,
            #[cfg(feature = "cli")]
            reload: None,
            #[cfg(feature = "cli")]
            stages: None,
            metrics: Metrics::new(),
            health: Health::new(),
            status: WorkerStatus::default(),
        }
    }

    /// Adds a queue to consume.
    #[must_use]
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.status.opening(&consumer.name, None);
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

    /// Sets the time for which the start repeats calls to SQS whose failure may pass; `None` means for ever. Default: 60 s.
    ///
    /// Until every queue is open, the worker is not ready. Refused access and a queue that does not exist end the start at
    /// once, but for [`Consumer::wait_if_missing`].
    #[must_use]
    pub fn start_patience(self, patience: Option<Duration>) -> Self {
        self.patience(patience.map_or(Patience::Forever, Patience::For))
    }

    /// Sets the patience of the start.
    pub(super) fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Sets the time after which credentials that AWS refuses, or that cannot be read, make [`Health::silent`] name them,
    /// because only a new process may help; `None` means never. Default: 15 minutes.
    #[must_use]
    pub fn credentials_dead_after(self, limit: Option<Duration>) -> Self {
        Self { credentials_dead_after: limit, ..self }
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

    /// Sets the requests that may pause, resume and scale queues, and read and change their DLQs, through the admin server;
    /// default: none.
    #[cfg(feature = "admin")]
    #[must_use]
    pub fn admin_control(mut self, access: ControlAccess) -> Self {
        self.access = access;
        self
    }

    /// Protects this ECS task from scale-in while calls run that a stop might cut off.
    #[cfg(feature = "ecs")]
    #[must_use]
    pub fn protect(mut self, plan: ecs::ProtectionPlan) -> Self {
        self.protection = Some(plan);
        self
    }

    /// Raises the desired count of the task's service while messages wait for more tasks than it has.
    ///
    /// A queue asks for none while the worker has paused it, or while its number of messages is not known.
    #[cfg(feature = "ecs")]
    #[must_use]
    pub fn scale_out(mut self, plan: ecs::ScaleOutPlan) -> Self {
        self.scale_out = Some(plan);
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

    /// Exports the metrics of this worker over OTLP, and once more at the end of a stop.
    #[cfg(feature = "otel")]
    #[must_use]
    pub fn export_metrics(mut self, export: MetricsExport) -> Self {
        self.metrics_export = Some(export);
        self
    }

    /// Sets the signals that stop it, which the program has listened for since its start.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn signals(mut self, signals: Signals) -> Self {
        self.signals = Some(signals);
        self
    }

    /// Reloads the configuration at a SIGHUP, if that is no stop.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn reload(mut self, reload: Reload) -> Self {
        self.reload = Some(reload);
        self
    }

    /// Lets an observer of each queue note the stages that its messages pass.
    #[cfg(feature = "cli")]
    #[must_use]
    pub(crate) fn observe_stages(mut self, of_queue: StageObserverOf) -> Self {
        self.stages = Some(of_queue);
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

    /// Pauses, resumes and scales the queues of this worker while it runs.
    pub fn control(&self) -> WorkerControl {
        WorkerControl::of(self.status.clone())
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
        let targets = SignalTargets {
            stop: stop.clone(),
            control: self.control(),
            #[cfg(feature = "cli")]
            reload: self.reload.take(),
        };
        let signals = tasks::detach("signals", signals.forward_to(targets));
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
        end_of_task("main", ended)
    }

    /// Runs everything on the current runtime until `stop` is requested, for tests that pause its clock.
    ///
    /// A handler that blocks its thread then delays the leases of all the others.
    pub async fn run_here(self, stop: Stop) -> Result<Drained, WorkerError> {
        self.work(stop, Handle::current(), Handle::current()).await
    }

    async fn work(mut self, stop: Stop, caller: Handle, runtime: Handle) -> Result<Drained, WorkerError> {
        check(&self.consumers)?;
        let (limits, metrics, health, status) =
            (self.drain, self.metrics.clone(), self.health.clone(), self.status.clone());
        let drain = DrainMetrics::in_scope(&metrics.process());
        drain.limit(limits.all);
        drain.unopened({
            let status = status.clone();
            move || status.unopened()
        });
        status.set_stop(stop.clone());
        let (tasks, faults) = Tasks::on(runtime.clone());
        let opening = Opening::new(self.patience, &health, status.clone());
        let mut parts = RunningParts::default();
        #[cfg(feature = "otel")]
        {
            parts.traces.clone_from(&self.traces);
            let export = self.metrics_export.take();
            parts.metrics_export = export.map(|export| export.start(metrics.clone())).transpose()?;
        }
        #[cfg(feature = "admin")]
        let history = self.start_admin(&tasks, &mut parts).await?;
        let mut faults = FaultWatch::new(faults, stop.clone());
        let reports = metrics.clone();
        let left_out = tasks.spawn("left out", End::Fine, async move { reports.report_left_out().await });
        let environment = Environment {
            metrics: metrics.clone(),
            health,
            status,
            stop,
            tasks,
            caller,
            runtime,
            drain_limit: limits.all,
            depth_turns: PollTurns::default(),
            credentials_dead_after: self.credentials_dead_after,
            #[cfg(feature = "admin")]
            history,
            #[cfg(feature = "cli")]
            stages: self.stages.take(),
        };
        let stop = environment.stop.clone();
        let mut engines = Engines::new(environment, parts);
        let started = faults.until(self.start(&opening, &stop, &mut engines)).await;
        let readiness = opening.into_readiness();
        if started.is_ok() {
            readiness.ready();
            faults.until(engines.start_late()).await;
            drain.draining();
            readiness.unready("draining");
        }
        let drained = shut_down(engines.parts, limits, &stop, &mut faults).await;
        left_out.abort();
        metrics.report_all_left_out();
        started?;
        events::WorkerDrained { held: drained.held() }.emit();
        faults.first().map_or(Ok(drained), |task| Err(WorkerError::Fault(task.to_owned())))
    }

    /// Opens every queue and starts its engine, unless a stop comes first.
    async fn start(
        mut self,
        opening: &Opening,
        stop: &Stop,
        engines: &mut Engines,
    ) -> Result<(), WorkerError> {
        let opened = tokio::select! {
            biased;
            () = stop.draining() => return Ok(()),
            opened = opening.open_all(&self.consumers) => opened?,
        };
        #[cfg(feature = "ecs")]
        self.start_ecs(engines);
        engines.start_all(self.consumers, opened)
    }

    /// Starts the admin server, if it is to have one, which shows the returned history of messages.
    #[cfg(feature = "admin")]
    async fn start_admin(
        &mut self,
        tasks: &Tasks,
        parts: &mut RunningParts,
    ) -> Result<Option<MessageHistory>, WorkerError> {
        let Some(listener) = self.admin.take() else { return Ok(None) };
        let address = listener.address();
        let failed = |source| match address {
            Some(address) => WorkerError::Admin { address, source },
            None => WorkerError::System(source),
        };
        let listener = listener.bind().await.map_err(failed)?;
        events::AdminListens { address: listener.local_addr()? }.emit();
        let (metrics, status, history) =
            (self.metrics.clone(), self.status.clone(), MessageHistory::default());
        self.status.set_history(history.clone());
        let messages = history.clone();
        let (control, queues) = (self.control(), self.control());
        let source = AdminSource {
            health: self.health.clone(),
            metrics: Arc::new(move |format| metrics.text_in(format)),
            status: Arc::new(move || status.value()),
            message: Arc::new(move |id: &str| messages.of_message(id)),
            access: self.access.clone(),
            control: Arc::new(move |queue: &str, request| control.carry_out(queue, request)),
            dlq: Arc::new(move |queue: &str| queues.dlq_access(queue)),
        };
        parts.admin = Some(AdminServer::start(listener, source, self.metrics.process(), tasks));
        Ok(Some(history))
    }

    #[cfg(feature = "ecs")]
    fn start_ecs(&mut self, engines: &mut Engines) {
        let tasks = engines.tasks().clone();
        if let Some(plan) = self.protection.take() {
            let protection = ecs::TaskProtection::start(plan, &tasks);
            let status = protection.status().clone();
            let metrics = self.metrics.process().group::<ProtectionMetrics>();
            metrics.task_protected.by(move || Some(f64::from(status.is_protected())));
            let leaving = Leaving {
                status: self.status.clone(),
                health: self.health.clone(),
                stop: engines.stop().clone(),
            };
            tasks.spawn("leaving", End::Fine, leaving.run(protection.unwanted()));
            engines.parts.protection = Some(protection);
        }
        let status = self.status.clone();
        let start = |plan| ecs::ScaleOut::start(plan, move || status.loads(), &tasks, engines.stop().clone());
        engines.parts.scale_out = self.scale_out.take().map(start);
        let signal = self.signal.take();
        engines.parts.scaling = signal.map(|signal| ScalingTask::start(signal, &tasks));
    }
}

/// The end of a worker that ran as a task of its own: a panic in it is a fault.
pub(crate) fn end_of_task(
    task: &str,
    ended: Result<Result<Drained, WorkerError>, JoinError>,
) -> Result<Drained, WorkerError> {
    ended.unwrap_or_else(|panic| Err(WorkerError::Fault(format!("{task} ({panic})"))))
}
