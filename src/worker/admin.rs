//! The worker's admin server, from before its queues are open to the very end.

use std::{
    io,
    net::{self, SocketAddr},
    sync::{Arc, OnceLock},
};

use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::WorkerError;
use crate::{
    admin,
    consumer::Engine,
    health::Health,
    stop::Stop,
    tasks::{End, Tasks},
    telemetry::{Metrics, events},
};

/// Where the admin server is to listen.
pub(super) enum Place {
    At(SocketAddr),
    On(net::TcpListener),
}

impl Place {
    /// Binds, if that is not done yet.
    pub(super) async fn listen(self) -> Result<TcpListener, WorkerError> {
        match self {
            Self::At(address) => {
                let failed = |source| WorkerError::Admin { address, source };
                TcpListener::bind(address).await.map_err(failed)
            }
            Self::On(listener) => Ok(adopt(listener)?),
        }
    }
}

fn adopt(listener: net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The engines for the status page, once they are made.
pub(super) type Shown = Arc<OnceLock<Vec<Engine>>>;

/// What the admin server reports from.
pub(super) fn report(metrics: Metrics, health: Health, shown: Shown, stop: Stop) -> admin::Report {
    let status = move || {
        let queues: Vec<_> = shown.get().into_iter().flatten().map(Engine::status).collect();
        json!({ "version": env!("CARGO_PKG_VERSION"), "draining": stop.is_draining(), "queues": queues })
    };
    admin::Report { health, metrics: Arc::new(move || metrics.text()), status: Arc::new(status) }
}

/// The admin server, which answers until the very end.
pub(super) struct Admin {
    end: CancellationToken,
    served: JoinHandle<()>,
}

impl Admin {
    pub(super) fn start(listener: TcpListener, report: admin::Report, tasks: &Tasks) -> Self {
        let end = CancellationToken::new();
        let serving = admin::serve(listener, admin::router(report), end.clone());
        let served = tasks.spawn("admin", End::Fault, async move {
            if let Err(error) = serving.await {
                events::AdminFailed { error: &error }.emit();
            }
        });
        Self { end, served }
    }

    pub(super) async fn end(self) {
        self.end.cancel();
        // Its own failure is logged where it happens.
        drop(self.served.await);
    }
}
