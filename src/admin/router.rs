//! The routes of the admin server and their answers.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, Path, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use longshore_listener::AllowedHosts;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    control::{self, ControlAccess, ControlRefusal, ControlRequest},
    dlq::AdminDlq,
    live::{LiveEvents, StatusSource},
    negotiation::{Coding, ScrapeForm},
    page,
    scrapes::ScrapeTexts,
};
use crate::{dead_letters::DlqTasks, duration::Span, health::Health, tasks, telemetry::MetricsFormat};

/// Does what an operator asks of the queue with this name; answers what is so now.
pub(crate) type AdminControl =
    Arc<dyn Fn(&str, ControlRequest) -> Result<Value, ControlRefusal> + Send + Sync>;

/// The receives of the message with this id, as far as the process knows any; `Err` if it knows none.
pub(crate) type AdminMessage = Arc<dyn Fn(&str) -> Result<Value, Value> + Send + Sync>;

/// The sources of the admin server's answers.
#[derive(Clone)]
pub(crate) struct AdminSource {
    /// Liveness and readiness.
    pub health: Health,
    /// The metrics in a text format.
    pub metrics: Arc<dyn Fn(MetricsFormat) -> String + Send + Sync>,
    /// The state of the process as JSON.
    pub status: StatusSource,
    /// Answers what is known of a message.
    pub message: AdminMessage,
    /// The requests that may control queues.
    pub access: ControlAccess,
    /// Carries out a request about a queue, and answers the queue's state.
    pub control: AdminControl,
    /// Finds a queue, whose DLQ is to be read or changed.
    pub dlq: AdminDlq,
}

impl fmt::Debug for AdminSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AdminSource").field("health", &self.health).finish_non_exhaustive()
    }
}

/// The state that the routes share.
#[derive(Clone)]
struct RouterState {
    source: AdminSource,
    scrapes: Arc<ScrapeTexts>,
    live: Arc<LiveEvents>,
    dlq_tasks: Arc<DlqTasks>,
}

impl FromRef<RouterState> for AdminSource {
    fn from_ref(state: &RouterState) -> Self {
        state.source.clone()
    }
}

impl FromRef<RouterState> for Arc<DlqTasks> {
    fn from_ref(state: &RouterState) -> Self {
        state.dlq_tasks.clone()
    }
}

/// The routes of the admin server; all of them only read, but for those of control.
///
/// A request of a method that changes something is refused if a foreign web page may have sent it. Streams last until `end`.
pub(super) fn router(source: AdminSource, hosts: AllowedHosts, end: CancellationToken) -> Router {
    let control = control::routes(source.access.clone());
    let live = Arc::new(LiveEvents::new(end));
    let state = RouterState { source, scrapes: Arc::default(), live, dlq_tasks: Arc::default() };
    page::with_files(Router::new())
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/events", get(events))
        .route("/messages/{id}", get(message))
        .merge(control)
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(hosts, refuse_foreign))
        .layer(middleware::map_response(page::with_headers))
        .with_state(state)
}

async fn refuse_foreign(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    match hosts.check(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(foreign) => {
            (StatusCode::FORBIDDEN, Json(json!({ "error": foreign.to_string() }))).into_response()
        }
    }
}

/// Answers 503 when a loop has been silent for too long: the process should be replaced.
async fn livez(State(source): State<AdminSource>) -> Response {
    let whole_seconds = |(name, quiet): (String, Duration)| (name, Span::secs(quiet.as_secs()).to_string());
    let silent: BTreeMap<_, _> = source.health.silent().into_iter().map(whole_seconds).collect();
    answer(&silent, ("live", "silent"), &BTreeMap::new())
}

/// Answers 503 while the process is not ready, which may pass. Notices, such as a queue that an operator has paused, leave it
/// ready.
async fn readyz(State(source): State<AdminSource>) -> Response {
    answer(&source.health.unready(), ("ready", "unready"), &source.health.notices())
}

fn answer(
    wrong: &BTreeMap<String, String>,
    (good, bad): (&str, &str),
    notices: &BTreeMap<String, String>,
) -> Response {
    let (status, mut body) = if wrong.is_empty() {
        (StatusCode::OK, json!({ "status": good }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": bad, bad: wrong }))
    };
    if !notices.is_empty() {
        body["notices"] = json!(notices);
    }
    (status, Json(body)).into_response()
}

async fn metrics(
    State(RouterState { source, scrapes, .. }): State<RouterState>,
    headers: HeaderMap,
) -> Response {
    let form = ScrapeForm::wanted(&headers);
    match scrapes.text(form, move || (source.metrics)(form.format)).await {
        Ok(body) => {
            let content =
                [(header::CONTENT_TYPE, form.format.media_type()), (header::VARY, "accept, accept-encoding")];
            let gzip = [(header::CONTENT_ENCODING, "gzip")];
            match form.coding {
                Coding::Identity => (content, body).into_response(),
                Coding::Gzip => (content, gzip, body).into_response(),
            }
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(source): State<AdminSource>) -> Response {
    made_aside(move || Json((source.status)()).into_response()).await
}

/// Makes an answer away from this thread, which extends the leases: that of a thousand queues takes a while.
async fn made_aside(make: impl FnOnce() -> Response + Send + 'static) -> Response {
    let response = tasks::aside(make).await;
    response.unwrap_or_else(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response())
}

/// Sends the status once a second, as server-sent events.
async fn events(State(RouterState { source, live, .. }): State<RouterState>) -> Response {
    live.response(source.status)
}

async fn message(State(source): State<AdminSource>, Path(id): Path<String>) -> Response {
    let make = move || match (source.message)(&id) {
        Ok(known) => Json(known).into_response(),
        Err(unknown) => (StatusCode::NOT_FOUND, Json(unknown)).into_response(),
    };
    made_aside(make).await
}

async fn not_found(uri: Uri) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "no such page", "path": uri.path() }))).into_response()
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let is_read = !uri.path().starts_with("/queues/") || uri.path().ends_with("/dlq");
    let allowed: &[&str] = if is_read { &["GET", "HEAD"] } else { &["POST"] };
    let body = json!({ "error": "method not allowed", "method": method.as_str(), "allowed": allowed });
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}
