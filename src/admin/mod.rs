//! The admin server: health, metrics and status over HTTP, on a port of its own.

mod router;

use std::{
    io,
    net::{self, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, serve::ListenerExt as _};
use rustix::net::sockopt::set_tcp_user_timeout;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::router::router;
use crate::{
    tasks::{End, Tasks},
    telemetry::events,
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

/// The time that an answer in progress may take after the end.
const FINAL_ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// The time after which a connection is closed whose peer reads nothing: unread answers stay in memory.
const UNREAD_LIMIT: Duration = Duration::from_secs(30);

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
    /// Serves until [`end`](Self::end).
    pub(crate) fn start(listener: TcpListener, source: AdminSource, tasks: &Tasks) -> Self {
        let end = CancellationToken::new();
        let serving = serve(listener, router(source), end.clone());
        let served = tasks.spawn("admin", End::Fault, async move {
            if let Err(error) = serving.await {
                events::AdminFailed { error: &error }.emit();
            }
        });
        Self { end, served }
    }

    /// Answers what is in progress, and stops serving.
    pub(crate) async fn end(self) {
        self.end.cancel();
        // A failure was logged by the task.
        drop(self.served.await);
    }
}

/// Serves until `end` is cancelled, the last step of a stop: health and metrics answer during the drain.
///
/// Idle connections are closed at once, and slow ones soon after, so that no open connection delays the process's end.
async fn serve(listener: TcpListener, router: Router, end: CancellationToken) -> io::Result<()> {
    let ended = end.clone().cancelled_owned();
    let serving = axum::serve(listener.tap_io(close_if_unread), router).with_graceful_shutdown(ended);
    tokio::select! {
        served = serving.into_future() => served,
        () = final_answers(&end) => Ok(()),
    }
}

fn close_if_unread(connection: &mut TcpStream) {
    let milliseconds = u32::try_from(UNREAD_LIMIT.as_millis()).unwrap_or(u32::MAX);
    // A system without this option keeps the connection open for longer.
    set_tcp_user_timeout(connection, milliseconds).unwrap_or_default();
}

async fn final_answers(end: &CancellationToken) {
    end.cancelled().await;
    tokio::time::sleep(FINAL_ANSWER_LIMIT).await;
}
