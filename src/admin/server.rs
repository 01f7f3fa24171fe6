//! Serves the admin pages until the very end of the process.

use std::{io, time::Duration};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long an answer under way may still take once the end has come.
const FAREWELL: Duration = Duration::from_millis(250);

/// Serves until `end` is cancelled, which is the last thing a stop does: health and metrics answer while it drains.
///
/// Idle connections are closed at once, and slow ones soon after: a scraper that keeps its connection open never
/// keeps the process from ending.
pub async fn serve(listener: TcpListener, router: Router, end: CancellationToken) -> io::Result<()> {
    let ended = end.clone().cancelled_owned();
    let serving = axum::serve(listener, router).with_graceful_shutdown(ended);
    tokio::select! {
        served = serving.into_future() => served,
        () = farewell(&end) => Ok(()),
    }
}

async fn farewell(end: &CancellationToken) {
    end.cancelled().await;
    tokio::time::sleep(FAREWELL).await;
}
