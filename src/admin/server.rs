//! Serves the admin pages until the very end of the process.

use std::{io, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long an answer under way may still take once the end has come.
const FAREWELL: Duration = Duration::from_millis(250);

/// How long a peer may take none of what is sent to it before its connection is cut: what it does not read stays in
/// memory.
const UNREAD: Duration = Duration::from_secs(30);

/// Serves until `end` is cancelled, which is the last thing a stop does: health and metrics answer while it drains.
///
/// Idle connections are closed at once, and slow ones soon after: a scraper that keeps its connection open never
/// keeps the process from ending.
pub async fn serve(listener: TcpListener, router: Router, end: CancellationToken) -> io::Result<()> {
    let ended = end.clone().cancelled_owned();
    let serving = axum::serve(listener.tap_io(cut_if_unread), router).with_graceful_shutdown(ended);
    tokio::select! {
        served = serving.into_future() => served,
        () = farewell(&end) => Ok(()),
    }
}

fn cut_if_unread(connection: &mut TcpStream) {
    let milliseconds = u32::try_from(UNREAD.as_millis()).unwrap_or(u32::MAX);
    // Where the system cannot do it, the connection is none the worse.
    set_tcp_user_timeout(connection, milliseconds).unwrap_or_default();
}

async fn farewell(end: &CancellationToken) {
    end.cancelled().await;
    tokio::time::sleep(FAREWELL).await;
}
