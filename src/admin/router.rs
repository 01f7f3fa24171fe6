//! What the admin server answers.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRef, State},
    http::{Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::page;
use crate::{duration::Span, health::Health, tasks};

/// The content type of Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Scrapes at once, until their text is sent: each has a copy of its own, and of many queues it is megabytes.
const SCRAPES: usize = 4;
/// How long a scrape waits for the others; Prometheus gives up after 10 s.
const SCRAPE_PATIENCE: Duration = Duration::from_secs(5);

/// What the admin server tells of the process.
#[derive(Clone)]
pub struct Report {
    /// Whether the loops make progress, and what the process is not ready for.
    pub health: Health,
    /// The metrics in Prometheus's text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The state of the process as JSON.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
}

impl fmt::Debug for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Report").field("health", &self.health).finish_non_exhaustive()
    }
}

/// What the pages share.
#[derive(Clone)]
struct Shared {
    report: Report,
    scrapes: Arc<Semaphore>,
}

impl FromRef<Shared> for Report {
    fn from_ref(shared: &Shared) -> Self {
        shared.report.clone()
    }
}

/// The text of one scrape, which counts as one until the last byte is sent.
struct Scrape {
    text: String,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Scrape {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// The routes of the admin server; none of them changes anything.
pub fn router(report: Report) -> Router {
    let shared = Shared { report, scrapes: Arc::new(Semaphore::new(SCRAPES)) };
    Router::new()
        .route("/", get(async || Html(page::INDEX)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(shared)
}

/// Fails when a loop has been silent for too long: the process should be replaced.
async fn livez(State(report): State<Report>) -> Response {
    let whole_seconds = |(name, quiet): (String, Duration)| (name, Span::secs(quiet.as_secs()).to_string());
    let silent: BTreeMap<_, _> = report.health.silent().into_iter().map(whole_seconds).collect();
    verdict(&silent, "live", "silent")
}

/// Fails while something is amiss that may pass.
async fn readyz(State(report): State<Report>) -> Response {
    verdict(&report.health.unready(), "ready", "unready")
}

fn verdict(wrong: &BTreeMap<String, String>, good: &str, bad: &str) -> Response {
    if wrong.is_empty() {
        return Json(json!({ "status": good })).into_response();
    }
    let body = json!({ "status": bad, bad: wrong });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

async fn metrics(State(Shared { report, scrapes }): State<Shared>) -> Response {
    let Ok(Ok(turn)) = timeout(SCRAPE_PATIENCE, scrapes.acquire_owned()).await else {
        let error = format!("{SCRAPES} scrapes are under way, hint: scrape less often, or read what is sent");
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": error }))).into_response();
    };
    match tasks::aside(move || Scrape { text: (report.metrics)(), _turn: turn }).await {
        Ok(scrape) => ([(header::CONTENT_TYPE, METRICS_TYPE)], Bytes::from_owner(scrape)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(report): State<Report>) -> Json<Value> {
    Json((report.status)())
}

async fn not_found(uri: Uri) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "no such page", "path": uri.path() }))).into_response()
}

async fn not_allowed(method: Method) -> Response {
    let body =
        json!({ "error": "method not allowed", "method": method.as_str(), "allowed": ["GET", "HEAD"] });
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}
