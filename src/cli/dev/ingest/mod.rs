//! The front door: the HTTP routes that the deployed API Gateway has, in front of any queue.
//!
//! | route | sends | answers |
//! |---|---|---|
//! | `POST /v1/messages` | the request's body, byte for byte | 202 `{"messageId", "md5OfBody"}` |
//! | `POST /v1/messages/batch` | 1 to 10 entries | 202, or 207 when some failed: `{"successful", "failed"}` |
//! | `GET /queue?message=…` | the parameter | 200 `{"done": true}` |
//! | `GET /v1/send?MessageBody=…` | the parameter | 200 with SQS's `SendMessageResponse` |
//!
//! What it does not take it refuses with a 4xx, and what the queue fails at with a 502 or 503 and
//! `Retry-After`; always as `{"error": {"code", "message", "hint"?}}`.
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
//! A message without that header carries the trace of its request's `traceparent` there, or else a new one; on every
//! route, so that each request can be followed to the handler.

mod batch;
mod connection;
mod entry;
mod older;
mod query;
mod refusal;
mod sending;
mod single;
mod traced;
use std::{io, sync::Arc, time::Duration};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    routing::{MethodRouter, get, post},
};
use tokio::net::TcpListener;
use self::{connection::Connections, refusal::Refusal};
use crate::{queue::Queue, stop::Stop};

/// The largest request that is read to its end, which is API Gateway's own limit.
const REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// How long requests under way may go on after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// The queue behind the door, as the routes share it.
type Door = Arc<dyn Queue>;

/// The routes, sending to this queue.
pub fn router(queue: Arc<dyn Queue>) -> Router {
    Router::new()
        .route("/v1/messages", only(&Method::POST, post(single::send)))
        .route("/v1/messages/batch", only(&Method::POST, post(batch::send)))
        .route("/queue", only(&Method::GET, get(older::queue)))
        .route("/v1/send", only(&Method::GET, get(older::send)))
        .fallback(|| async { Refusal::unknown_path() })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .with_state(queue)
}

/// Answers the routes until the stop; requests under way then have five seconds, or until a halt.
pub async fn serve(listener: TcpListener, queue: Arc<dyn Queue>, stop: Stop) -> io::Result<()> {
    let draining = stop.clone();
    let server = axum::serve(Connections(listener), router(queue))
        .with_graceful_shutdown(async move { draining.draining().await })
        .into_future();
    let given_up = async {
        stop.draining().await;
        // Either is the end of the grace: its time, or a halt.
        drop(tokio::time::timeout(GRACE, stop.halted()).await);
    };
    tokio::select! {
        ended = server => ended,
        () = given_up => Ok(()),
    }
}

/// Refuses every method but this one; a `HEAD` too, which axum would treat as a `GET` and so send a message.
fn only(method: &Method, route: MethodRouter<Door>) -> MethodRouter<Door> {
    let refusal = Refusal::wrong_method(method);
    let for_head = refusal.clone();
    let route = if *method == Method::GET { route.head(move || async { for_head }) } else { route };
    route.fallback(move || async { refusal })
}
