//! The worker: several consumers in one process, from their start to their drained end.

use std::{
    net::{self, SocketAddr},
    time::Duration,
};

use futures_util::future::try_join_all;
use tokio::{net::TcpListener, runtime::Handle};

use super::{
    Consumer, Drained, WorkerError,
    admin::{Admin, Place, Report},
    drain::drain,
    open::{Opened, open},
    runtime::PumpRuntime,
    signals::Signals,
};
use crate::{
    health::Health,
    pump::{Parts, Pump},
    stop::{self, Stop},
    tasks::{self, Faults, Tasks},
    telemetry::Metrics,
};

/// Several consumers in one process.
pub struct Worker {
    consumers: Vec<Consumer>,
    drain_limit: Duration,
    admin: Option<Place>,
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
            drain_limit: stop::Settings::default().limit.0,
            admin: None,
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

    /// Sets how long running handlers may go on at a stop (110 s) before their messages are given back.
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
        let signals = tasks::detach(Signals::listen()?.obey(stop.clone()));
        let ended = self.run_until(stop).await;
        signals.abort();
        ended
    }

    /// Works until the stop is asked for, and then drains; signals are the caller's business.
    pub async fn run_until(self, stop: Stop) -> Result<Drained, WorkerError> {
        let runtime = PumpRuntime::start()?;
        let work = self.work(stop, Handle::current(), runtime.handle().clone());
        let ended = tasks::detach_on(runtime.handle(), work).await;
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
        if self.consumers.is_empty() {
            return Err(WorkerError::NoQueue);
        }
        let listener = self.listen().await?;
        let opened = tokio::select! {
            opened = try_join_all(self.consumers.iter().map(open)) => opened?,
            () = stop.draining() => return Ok(Drained::All),
        };
        let (drain_limit, health, report) = (self.drain_limit, self.health.clone(), self.report());
        let (tasks, faults) = Tasks::on(runtime.clone());
        let pumps = self.pumps(&opened, &stop, &caller, &runtime);
        let admin = listener.map(|listener| Admin::start(listener, report.with_pumps(&pumps, &stop), &tasks));
        let stages =
            pumps.iter().zip(&opened).map(|(pump, opened)| pump.start(&tasks, opened.batch)).collect();
        let fault = stopped(&stop, faults).await;
        // Held until the admin server is gone: a worker that is drained is not ready either.
        let _draining = health.condition("worker", "draining");
        let drained = drain(stages, drain_limit, &stop).await;
        tracing::info!(?drained, "drained");
        if let Some(admin) = admin {
            admin.end().await;
        }
        fault.map_or(Ok(drained), |task| Err(WorkerError::Fault(task.to_owned())))
    }

    async fn listen(&mut self) -> Result<Option<TcpListener>, WorkerError> {
        let Some(place) = self.admin.take() else { return Ok(None) };
        let listener = place.listen().await?;
        tracing::info!(address = %listener.local_addr()?, "admin server listens");
        Ok(Some(listener))
    }

    fn pumps(self, opened: &[Opened], stop: &Stop, caller: &Handle, runtime: &Handle) -> Vec<Pump> {
        let pump = |(consumer, opened): (Consumer, &Opened)| {
            Pump::new(Parts {
                queue: opened.queue.clone(),
                handler: consumer.handler,
                options: consumer.options,
                metrics: self.metrics.queue(&consumer.name),
                name: consumer.name,
                health: self.health.clone(),
                stop: stop.clone(),
                caller: caller.clone(),
                runtime: runtime.clone(),
            })
        };
        self.consumers.into_iter().zip(opened).map(pump).collect()
    }

    fn report(&self) -> Report {
        Report { metrics: self.metrics.clone(), health: self.health.clone() }
    }
}

/// Waits for the stop; a task that ended when it should not have asks for it too, and is named.
async fn stopped(stop: &Stop, mut faults: Faults) -> Option<&'static str> {
    let fault = tokio::select! {
        () = stop.draining() => None,
        fault = faults.recv() => fault,
    };
    if let Some(task) = fault {
        tracing::error!(task, "a task ended that must not, draining");
        stop.drain();
    }
    fault
}
