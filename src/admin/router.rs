//! The routes of the admin server and their answers.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{FromRef, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use longshore_listener::AllowedHosts;
use serde_json::{Value, json};

use super::{
    control::{self, ControlAccess, ControlRefusal, ControlRequest},
    negotiation::{Coding, ScrapeForm},
    scrapes::ScrapeTexts,
};
use crate::{duration::Span, health::Health, telemetry::MetricsFormat};

/// The index page, with links to the others.
const INDEX: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Longshore</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }</style>
<h1>Longshore</h1>
<ul>
<li><a href="/livez">/livez</a>: 200 while every loop makes progress</li>
<li><a href="/readyz">/readyz</a>: 200 while messages can be received and handled</li>
<li><a href="/metrics">/metrics</a>: the metrics, for Prometheus</li>
<li><a href="/status">/status</a>: the state of every queue, as JSON</li>
</ul>
</html>
"#;

/// Does what an operator asks of the queue with this name; answers what is so now.
pub(crate) type AdminControl =
    Arc<dyn Fn(&str, ControlRequest) -> Result<Value, ControlRefusal> + Send + Sync>;

/// The sources of the admin server's answers.
#[derive(Clone)]
pub(crate) struct AdminSource {
    /// Liveness and readiness.
    pub health: Health,
    /// The metrics in a text format.
    pub metrics: Arc<dyn Fn(MetricsFormat) -> String + Send + Sync>,
    /// The state of the process as JSON.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
    /// The requests that may control queues.
    pub access: ControlAccess,
    /// Carries out a request about a queue, and answers the queue's state.
    pub control: AdminControl,
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
}

impl FromRef<RouterState> for AdminSource {
    fn from_ref(state: &RouterState) -> Self {
        state.source.clone()
    }
}

/// The routes of the admin server; all of them only read, but for those of control.
///
/// A request of a method that changes something is refused if a foreign web page may have sent it.
pub(super) fn router(source: AdminSource, hosts: AllowedHosts) -> Router {
    let control = control::routes(source.access.clone());
    let state = RouterState { source, scrapes: Arc::default() };
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .merge(control)
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(hosts, refuse_foreign))
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

async fn metrics(State(RouterState { source, scrapes }): State<RouterState>, headers: HeaderMap) -> Response {
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

async fn status(State(source): State<AdminSource>) -> Json<Value> {
    Json((source.status)())
}

async fn not_found(uri: Uri) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "no such page", "path": uri.path() }))).into_response()
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let allowed: &[&str] = if uri.path().starts_with("/queues/") { &["POST"] } else { &["GET", "HEAD"] };
    let body = json!({ "error": "method not allowed", "method": method.as_str(), "allowed": allowed });
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}
