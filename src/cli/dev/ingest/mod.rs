//! The ingest API: the HTTP routes of the deployed API Gateway, in front of any queue.
//!
//! | route | sends | response |
//! |---|---|---|
//! | `POST /v1/messages` | the request's body, byte for byte | 202 `{"messageId", "md5OfBody"}` |
//! | `POST /v1/messages/batch` | 1 to 10 entries | 202, or 207 if some failed: `{"successful", "failed"}` |
//! | `GET /queue?message=…` | the parameter | 200 `{"done": true}` |
//! | `GET /v1/send?MessageBody=…` | the parameter | 200 with SQS's `SendMessageResponse` |
//!
//! A request that cannot be sent gets a 4xx, a failure of the queue a 502 or 503 with `Retry-After`; the body of both is
//! `{"error": {"code", "message", "hint"?}}`.
//!
//! `POST /v1/messages` reads these headers, each of which a mapping template of API Gateway can read too; an empty
//! one counts as absent:
//!
//! | header | becomes |
//! |---|---|
//! | `X-Message-Group-Id` | `MessageGroupId`: the FIFO group, or the tenant on a standard queue |
//! | `X-Message-Deduplication-Id` | `MessageDeduplicationId`, FIFO queues only |
//! | `X-Message-Delay-Seconds` | `DelaySeconds`, 0 to 900 |
//! | `traceparent`, `tracestate` | the message attributes of these names |
//! | `X-Request-Id` | the message attribute `requestId` |
//! | `X-Amzn-Trace-Id` | the system attribute `AWSTraceHeader` |
//!
//! On every route, a request without `X-Amzn-Trace-Id` gives its message the trace of its `traceparent`, or a new one, so
//! that each request can be followed to the handler.

mod batch;
mod connection;
mod error;
mod sending;
mod single;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../../tests/fuzz/ingest.rs"]
pub(crate) mod fuzz;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    routing::{MethodRouter, get, post},
};
use tokio::net::TcpListener;

use self::{connection::IngestListener, error::IngestError};
use crate::{queue::Queue, stop::Stop};

/// The largest request, which is API Gateway's own limit.
const REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// The time for requests under way after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// The queue behind the API, which the routes share.
type SharedQueue = Arc<dyn Queue>;

/// The routes, which send to a queue.
fn router(queue: Arc<dyn Queue>) -> Router {
    Router::new()
        .route("/v1/messages", only(&Method::POST, post(single::send)))
        .route("/v1/messages/batch", only(&Method::POST, post(batch::send)))
        .route("/queue", only(&Method::GET, get(single::send_by_queue_route)))
        .route("/v1/send", only(&Method::GET, get(single::send_by_query)))
        .fallback(|| async { IngestError::unknown_path() })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .with_state(queue)
}

/// Serves the routes until the stop; requests under way then have five seconds, or until a halt.
pub(crate) async fn serve(listener: TcpListener, queue: Arc<dyn Queue>, stop: Stop) -> io::Result<()> {
    let draining = stop.clone();
    let server = axum::serve(IngestListener(listener), router(queue))
        .with_graceful_shutdown(async move { draining.draining().await })
        .into_future();
    let grace = async {
        stop.draining().await;
        // A halt ends the grace early.
        drop(tokio::time::timeout(GRACE, stop.halted()).await);
    };
    tokio::select! {
        ended = server => ended,
        () = grace => Ok(()),
    }
}

/// Refuses other methods; `HEAD` too, which axum would treat as a `GET` and so send a message.
fn only(method: &Method, route: MethodRouter<SharedQueue>) -> MethodRouter<SharedQueue> {
    let error = IngestError::wrong_method(method);
    let for_head = error.clone();
    let route = if *method == Method::GET { route.head(move || async { for_head }) } else { route };
    route.fallback(move || async { error })
}
