//! The ingest API: the HTTP routes of the deployed API Gateway, in front of any queue.
//!
//! | route | sends | response |
//! |---|---|---|
//! | `POST /v1/messages` | the request's body, byte for byte | 202 `{"messageId", "md5OfBody"}` |
//! | `POST /v1/messages/batch` | 1 to 10 entries | 202, or 207 if some failed: `{"successful", "failed"}` |
//! | `POST /v1/queues/NAME/messages`, and `/batch` | the same, to the queue of this name | the same |
//! | `GET /queue?message=…` | the parameter | 200 `{"done": true}` |
//! | `GET /v1/send?MessageBody=…` | the parameter | 200 with SQS's `SendMessageResponse` |
//!
//! A request that cannot be sent gets a 4xx, a failure of the queue a 502 or 503 with `Retry-After`; the body of both is
//! `{"error": {"code", "message", "hint"?}}`. A request that a foreign web page may have sent gets a 403.
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
//! The routes without a name send to the first queue. A message or a batch that is too large for SQS gets a 413, unless the queue's `payload.bucket` names a bucket of S3: then the
//! largest bodies are stored there, and messages point to them as those of the extended clients do.
//!
//! On every route, a request without `X-Amzn-Trace-Id` gives its message the trace of its `traceparent`, or a new one, so
//! that each request can be followed to the handler.

mod batch;
mod connection;
mod error;
mod sending;
mod single;
mod targets;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../../tests/fuzz/ingest.rs"]
pub(crate) mod fuzz;

use std::{io, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::Method,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get, post},
};
use longshore_listener::{AllowedHosts, HttpListener, ListenerLimits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) use self::targets::{IngestTarget, IngestTargets};
use self::{connection::IngestConnection, error::IngestError};
use crate::{
    stop::Stop,
    telemetry::{ConnectionFault, events},
};

/// The largest request, which is API Gateway's own limit.
const REQUEST_BYTES: usize = 10 * 1024 * 1024;
/// The most connections.
const CONNECTIONS: usize = 1024;
/// The time for requests under way after the stop.
const GRACE: Duration = Duration::from_secs(5);

/// The routes, which send to queues.
fn router(targets: impl Into<IngestTargets>, hosts: AllowedHosts) -> Router {
    let of_queue = format!("/v1/queues/{{{}}}/messages", targets::QUEUE);
    Router::new()
        .route(&of_queue, only(&Method::POST, post(single::send)))
        .route(&format!("{of_queue}/batch"), only(&Method::POST, post(batch::send)))
        .route("/v1/messages", only(&Method::POST, post(single::send)))
        .route("/v1/messages/batch", only(&Method::POST, post(batch::send)))
        .route("/queue", only(&Method::GET, get(single::send_by_queue_route)))
        .route("/v1/send", only(&Method::GET, get(single::send_by_query)))
        .fallback(|| async { IngestError::unknown_path() })
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .layer(middleware::from_fn_with_state(hosts, refuse_foreign))
        .with_state(targets.into())
}

async fn refuse_foreign(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match hosts.check(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(foreign) => IngestError::foreign(&foreign).into_response(),
    }
}

/// Serves the routes until the stop; requests under way then have five seconds, or until a halt.
///
/// Further host names are allowed, by which clients reach the API.
pub(crate) async fn serve(
    socket: TcpListener,
    hosts: &[String],
    targets: impl Into<IngestTargets>,
    stop: Stop,
) -> io::Result<()> {
    let hosts = AllowedHosts::at(socket.local_addr()?.ip(), hosts);
    let listener = HttpListener::new(socket, router(targets, hosts))
        .limits(ListenerLimits::default().connections(CONNECTIONS))
        .on_close(|reason| {
            if let Some(reason) = ConnectionFault::of(reason) {
                events::IngestConnectionClosed { reason }.emit();
            }
        });
    let end = CancellationToken::new();
    let grace = async {
        stop.draining().await;
        end.cancel();
        // A halt ends the grace early.
        drop(tokio::time::timeout(GRACE, stop.halted()).await);
    };
    tokio::select! {
        () = listener.serve_wrapped(IngestConnection::new, end.clone()) => {}
        () = grace => {}
    }
    Ok(())
}

/// Refuses other methods; `HEAD` too, which axum would treat as a `GET` and so send a message.
fn only(method: &Method, route: MethodRouter<IngestTargets>) -> MethodRouter<IngestTargets> {
    let error = IngestError::wrong_method(method);
    let for_head = error.clone();
    let route = if *method == Method::GET { route.head(move || async { for_head }) } else { route };
    route.fallback(move || async { error })
}
