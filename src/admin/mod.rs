//! The admin server: health, metrics and status over HTTP, on a port of its own.

mod negotiation;
mod router;
mod scrapes;

use std::{
    io,
    net::{self, IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use longshore_listener::{AllowedHosts, HttpListener};
use prometheus::IntCounter;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::router::router;
use crate::{
    tasks::{End, Tasks},
    telemetry::{ConnectionFault, Each, MetricScope, events, metric_group},
};

pub(crate) use self::router::AdminSource;

/// The admin server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The address and port of `/livez`, `/readyz`, `/metrics` and `/status`; in a container that is scraped from outside `0.0.0.0:9090`.
    #[cfg_attr(feature = "cli", schemars(example = "0.0.0.0:9090"))]
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)) }
    }
}

metric_group! {
    /// Metrics of the admin server.
    pub(crate) struct AdminMetrics {
        /// Connections to the admin server that were closed or refused because their client was slow, idle or read nothing, or because all connections were in use.
        pub closed: Each<ConnectionFault, IntCounter> = "longshore_admin_connections_closed_total" ["reason"];
    }
}

/// The time that an answer in progress may take after the end.
const FINAL_ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// The address or socket of the admin server.
#[derive(Debug)]
pub(crate) enum AdminListener {
    /// An address to bind.
    Address(SocketAddr),
    /// A socket that listens already.
    Socket(net::TcpListener),
}

impl AdminListener {
    /// The address, as far as it is known.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Socket(socket) => socket.local_addr().ok(),
        }
    }

    /// Binds the address, or adopts the socket.
    pub(crate) async fn bind(self) -> io::Result<TcpListener> {
        match self {
            Self::Address(address) => TcpListener::bind(address).await,
            Self::Socket(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            }
        }
    }
}

/// The running admin server.
#[derive(Debug)]
pub(crate) struct AdminServer {
    end: CancellationToken,
    served: JoinHandle<()>,
}

impl AdminServer {
    /// Serves until [`end`](Self::end), the last step of a stop: health and metrics answer during the drain.
    ///
    /// Connections that were closed to protect the worker are counted in the scope.
    pub(crate) fn start(socket: TcpListener, source: AdminSource, scope: MetricScope, tasks: &Tasks) -> Self {
        let end = CancellationToken::new();
        // Without an address every foreign name is refused.
        let address = socket.local_addr().map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |address| address.ip());
        let router = router(source, AllowedHosts::at(address, [""; 0]));
        let metrics = scope.group::<AdminMetrics>();
        let listener = HttpListener::new(socket, router).on_close(move |reason| {
            if let Some(reason) = ConnectionFault::of(reason) {
                events::AdminConnectionClosed { reason }.emit(&metrics.closed, scope.warnings());
            }
        });
        let served = tasks.spawn("admin", End::Fault, serve(listener, end.clone()));
        Self { end, served }
    }

    /// Answers what is in progress, and stops serving.
    pub(crate) async fn end(self) {
        self.end.cancel();
        // A panic was reported as a fault of the task.
        drop(self.served.await);
    }
}

/// Idle connections are closed at the end, and slow ones soon after, so that no open connection delays the process's end.
async fn serve(listener: HttpListener, end: CancellationToken) {
    tokio::select! {
        () = listener.serve(end.clone()) => {}
        () = final_answers(&end) => {}
    }
}

async fn final_answers(end: &CancellationToken) {
    end.cancelled().await;
    tokio::time::sleep(FINAL_ANSWER_LIMIT).await;
}
