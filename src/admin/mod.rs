//! The admin server: health, metrics, status and the live page over HTTP, on a port of its own.

mod control;
mod dlq;
mod live;
mod negotiation;
mod page;
mod router;
mod scrapes;

use std::{
    io,
    net::{self, IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use longshore_listener::{AllowedHosts, HttpListener};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::router::router;
use crate::{
    settings::{Problem, Secret},
    tasks::{End, Tasks},
    telemetry::{ConnectionFault, Each, IntCounter, MetricScope, events, metric_group},
};

pub use self::control::ControlAccess;
pub(crate) use self::{
    control::{ControlRefusal, ControlRequest},
    dlq::DlqAccess,
    router::AdminSource,
};

/// The admin server's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The address and port of the live page, `/livez`, `/readyz`, `/metrics` and `/status`; in a container that is scraped from outside `0.0.0.0:9090`.
    #[cfg_attr(feature = "cli", schemars(example = "0.0.0.0:9090"))]
    pub listen: SocketAddr,
    /// The requests that may pause, resume and scale queues (`longshore pause`, `resume`, `scale`) and read and change their DLQs on the live page: none (`off`), or those of programs on this machine or in this pod (`loopback`), beside those with the `token`. Absent, only those with the `token`; in `longshore dev` also those of this machine.
    pub control: Option<ControlFrom>,
    /// A secret of at least 16 printable characters; a request with `Authorization: Bearer` and this may control queues from anywhere. Set it by its variable from a secret store, and not in the file.
    pub token: Option<Secret>,
}

/// The origin of requests that may control queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum ControlFrom {
    /// None, with the token or without it.
    Off,
    /// Programs on this machine, or in this pod.
    Loopback,
}

/// The least characters of a token.
const TOKEN_CHARS: usize = 16;

impl Settings {
    /// Finds a token that could be guessed or not be sent, or that has no effect.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let Some(token) = self.token.as_ref().map(Secret::reveal) else { return Vec::new() };
        let mut problems = Vec::new();
        if token.len() < TOKEN_CHARS || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = Problem::new("token", "not a token");
            problems.push(problem.with_allowed("at least 16 printable ASCII characters without blanks"));
        }
        if self.control == Some(ControlFrom::Off) {
            let problem = Problem::new("control", "off, although there is a token");
            problems.push(problem.with_hint("remove one of the two"));
        }
        problems
    }

    /// The requests that may control queues.
    pub(crate) fn access(&self) -> ControlAccess {
        match self.control {
            Some(ControlFrom::Off) => ControlAccess::off(),
            Some(ControlFrom::Loopback) => ControlAccess::loopback().with_secret(self.token.clone()),
            None => ControlAccess::off().with_secret(self.token.clone()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9090)), control: None, token: None }
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
        let router = router(source, AllowedHosts::at(address, [""; 0]), end.clone());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(control: Option<ControlFrom>, token: &str) -> Vec<String> {
        let settings = Settings { control, token: Some(Secret::new(token)), ..Settings::default() };
        settings.validate().iter().map(|problem| problem.key().unwrap().to_string()).collect()
    }

    #[test]
    fn a_token_is_long_and_printable_and_has_an_effect() {
        assert_eq!(keys(None, "0123456789abcdef"), [""; 0]);
        assert_eq!(keys(Some(ControlFrom::Loopback), "0123456789abcde"), ["token"]);
        assert_eq!(keys(None, "0123456789 abcdef"), ["token"]);
        assert_eq!(keys(Some(ControlFrom::Off), "0123456789abcdef"), ["control"]);
    }
}
