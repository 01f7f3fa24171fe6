//! The worker: several consumers in one process, from their start to their drained end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use serde_json::json;
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::sync::CancellationToken;

use super::{
    Consumer, Drained, WorkerError,
    drain::drain,
    open::{Opened, open},
    runtime::PumpRuntime,
    signals::Signals,
};
use crate::{
    admin,
    health::Health,
    pump::{Parts, Pump, Stages},
    stop::{self, Stop},
    tasks::{self, End, Faults, Tasks},
    telemetry::Metrics,
};

/// Several consumers in one process.
pub struct Worker {
    consumers: Vec<Consumer>,
    drain_limit: Duration,
    admin: Option<SocketAddr>,
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
        self.admin = Some(listen);
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

    async fn work(self, stop: Stop, caller: Handle, runtime: Handle) -> Result<Drained, WorkerError> {
        if self.consumers.is_empty() {
            return Err(WorkerError::NoQueue);
        }
        let listener = self.listen().await?;
        let opened = tokio::select! {
            opened = try_join_all(self.consumers.iter().map(open)) => opened?,
            () = stop.draining() => return Ok(Drained::All),
        };
        let (drain_limit, report) = (self.drain_limit, self.report());
        let (tasks, faults) = Tasks::on(runtime.clone());
        let pumps = self.pumps(&opened, &stop, &caller, &runtime);
        let admin = listener.map(|listener| Admin::start(listener, report.with_pumps(&pumps, &stop), &tasks));
        let stages =
            pumps.iter().zip(&opened).map(|(pump, opened)| pump.start(&tasks, opened.batch)).collect();
        let ended = until_drained(stages, drain_limit, &stop, faults).await;
        if let Some(admin) = admin {
            admin.end().await;
        }
        ended
    }

    async fn listen(&self) -> Result<Option<TcpListener>, WorkerError> {
        let Some(address) = self.admin else { return Ok(None) };
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Some(listener)),
            Err(source) => Err(WorkerError::Admin { address, source }),
        }
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

/// Waits for the stop, or for a part that ended when it should not have, and drains.
async fn until_drained(
    stages: Vec<Stages>,
    limit: Duration,
    stop: &Stop,
    mut faults: Faults,
) -> Result<Drained, WorkerError> {
    let fault = tokio::select! {
        () = stop.draining() => None,
        fault = faults.recv() => fault,
    };
    if let Some(task) = fault {
        tracing::error!(task, "a task ended that must not, draining");
        stop.drain();
    }
    let drained = drain(stages, limit, stop).await;
    tracing::info!(?drained, "drained");
    match fault {
        Some(task) => Err(WorkerError::Fault(task.to_owned())),
        None => Ok(drained),
    }
}

/// What the admin server reports from.
struct Report {
    metrics: Metrics,
    health: Health,
}

impl Report {
    fn with_pumps(self, pumps: &[Pump], stop: &Stop) -> admin::Report {
        let Self { metrics, health } = self;
        let (pumps, stop) = (pumps.to_vec(), stop.clone());
        let status = move || {
            let queues: Vec<_> = pumps.iter().map(Pump::status).collect();
            json!({ "version": env!("CARGO_PKG_VERSION"), "draining": stop.is_draining(), "queues": queues })
        };
        admin::Report { health, metrics: Arc::new(move || metrics.text()), status: Arc::new(status) }
    }
}

/// The admin server, which answers until the very end.
struct Admin {
    end: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Admin {
    fn start(listener: TcpListener, report: admin::Report, tasks: &Tasks) -> Self {
        let end = CancellationToken::new();
        let serving = admin::serve(listener, admin::router(report), end.clone());
        let served = tasks.spawn("admin", End::Fault, async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "admin server failed");
            }
        });
        Self { end, served }
    }

    async fn end(self) {
        self.end.cancel();
        // Its own failure is logged where it happens.
        drop(self.served.await);
    }
}
