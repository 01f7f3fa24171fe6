//! The live events: the status once a second for as long as someone looks, and one status for all viewers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::tasks;

/// The most viewers at once: each keeps one of the server's connections.
pub(super) const VIEWERS: usize = 8;
/// The time between two events.
const INTERVAL: Duration = Duration::from_secs(1);
/// The time for which viewers share a status; shorter than the interval, so that none of them gets the same one twice.
const SHARED_FOR: Duration = Duration::from_millis(900);
/// The time after which a stream ends and its viewer connects again, so that the place of one that is gone becomes free.
const LONGEST: Duration = Duration::from_mins(10);
/// The time after which a browser connects again.
const RETRY: &str = "retry: 2000\n";

/// The source of the statuses.
pub(super) type StatusSource = Arc<dyn Fn() -> Value + Send + Sync>;

/// The events of all viewers; nothing is computed while there is none.
#[derive(Debug)]
pub(super) struct LiveEvents {
    viewers: Arc<Semaphore>,
    latest: Mutex<Option<(Instant, Bytes)>>,
    /// Ends every stream.
    end: CancellationToken,
}

impl LiveEvents {
    pub(super) fn new(end: CancellationToken) -> Self {
        Self { viewers: Arc::new(Semaphore::new(VIEWERS)), latest: Mutex::new(None), end }
    }

    /// A stream of events, or a refusal if there are as many viewers as allowed.
    pub(super) fn response(self: Arc<Self>, status: StatusSource) -> Response {
        let Ok(place) = self.viewers.clone().try_acquire_owned() else {
            let error = format!("{VIEWERS} viewers are connected, hint: close one of them, or read /status");
            let headers = [(header::RETRY_AFTER, "5")];
            return (StatusCode::SERVICE_UNAVAILABLE, headers, Json(json!({ "error": error })))
                .into_response();
        };
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let viewer = Viewer { events: self, status, ticks, ends_at: Instant::now() + LONGEST, _place: place };
        let events = stream::unfold(viewer, async |mut viewer| {
            let event = viewer.next().await?;
            Some((Ok::<_, Infallible>(event), viewer))
        });
        ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
    }

    /// The latest status, or a new one if it is too old.
    async fn event(&self, status: &StatusSource) -> Option<Bytes> {
        let mut latest = self.latest.lock().await;
        if let Some((made, event)) = &*latest
            && made.elapsed() < SHARED_FOR
        {
            return Some(event.clone());
        }
        let (began, status) = (Instant::now(), status.clone());
        // The status of a thousand queues takes a while, and this thread extends the leases.
        let text = tasks::aside(move || format!("{RETRY}data: {}\n\n", status())).await.ok()?;
        let event = Bytes::from(text);
        *latest = Some((began, event.clone()));
        Some(event)
    }
}

/// One viewer, whose place becomes free when its stream is dropped.
struct Viewer {
    events: Arc<LiveEvents>,
    status: StatusSource,
    ticks: Interval,
    ends_at: Instant,
    _place: OwnedSemaphorePermit,
}

impl Viewer {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            _ = self.ticks.tick() => {}
            () = self.events.end.cancelled() => return None,
        }
        if Instant::now() >= self.ends_at {
            return None;
        }
        self.events.event(&self.status).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::BodyDataStream;
    use futures_util::StreamExt as _;

    use super::*;

    /// Live events whose statuses are numbered.
    struct Numbered {
        events: Arc<LiveEvents>,
        made: Arc<AtomicUsize>,
        end: CancellationToken,
    }

    impl Numbered {
        fn new() -> Self {
            let end = CancellationToken::new();
            Self { events: Arc::new(LiveEvents::new(end.clone())), made: Arc::default(), end }
        }

        fn look(&self) -> Result<BodyDataStream, StatusCode> {
            let made = self.made.clone();
            let response =
                self.events.clone().response(Arc::new(move || json!(made.fetch_add(1, Ordering::SeqCst))));
            match response.status() {
                StatusCode::OK => Ok(response.into_body().into_data_stream()),
                refused => Err(refused),
            }
        }
    }

    async fn data(stream: &mut BodyDataStream) -> Option<String> {
        let event = stream.next().await?.unwrap();
        let text = std::str::from_utf8(&event).unwrap();
        let data = text.strip_prefix("retry: 2000\ndata: ").and_then(|text| text.strip_suffix("\n\n"));
        Some(data.unwrap().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn viewers_share_one_status_a_second_and_without_viewers_there_is_none() {
        let numbered = Numbered::new();
        let mut viewers: Vec<_> = (0..3).map(|_| numbered.look().unwrap()).collect();
        for expected in ["0", "1", "2"] {
            for viewer in &mut viewers {
                assert_eq!(data(viewer).await.unwrap(), expected);
            }
        }
        drop(viewers);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(numbered.made.load(Ordering::SeqCst), 3, "nobody looks");
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_at_most_eight_viewers_and_one_that_leaves_makes_room() {
        let numbered = Numbered::new();
        let mut viewers: Vec<_> = (0..VIEWERS).map(|_| numbered.look().unwrap()).collect();
        assert_eq!(numbered.look().unwrap_err(), StatusCode::SERVICE_UNAVAILABLE);
        drop(viewers.pop());
        assert!(numbered.look().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_ten_minutes_and_at_the_end_of_the_server() {
        let numbered = Numbered::new();
        let (began, mut viewer) = (Instant::now(), numbered.look().unwrap());
        while data(&mut viewer).await.is_some() {}
        assert_eq!(began.elapsed(), LONGEST);
        let mut viewer = numbered.look().unwrap();
        assert!(data(&mut viewer).await.is_some());
        numbered.end.cancel();
        assert!(data(&mut viewer).await.is_none());
    }
}
