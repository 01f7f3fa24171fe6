//! What the admin server answers.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::page;
use crate::{duration::Span, health::Health, tasks};

/// The content type of Prometheus's text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

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

/// The routes of the admin server; none of them changes anything.
pub fn router(report: Report) -> Router {
    Router::new()
        .route("/", get(async || Html(page::INDEX)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(report)
}

/// Fails when a loop has been silent for too long: the process should be replaced.
async fn livez(State(report): State<Report>) -> Response {
    let whole_seconds =
        |(name, quiet): (String, std::time::Duration)| (name, Span::secs(quiet.as_secs()).to_string());
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

async fn metrics(State(report): State<Report>) -> Response {
    // Of many queues it is megabytes of text.
    match tasks::aside(move || (report.metrics)()).await {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
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
