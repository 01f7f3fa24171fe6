//! The DLQs of the queues over HTTP, behind the access of control: a peek, and redrives and deletes that go on by themselves.
//!
//! All of them are requests that change something, a peek too: it costs each message a receive. So a page of another origin
//! can send none of them.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRef, Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminSource, ControlRefusal, control::parsed};
use crate::{
    dead_letters::{
        ChosenMessages, DlqLocation, DlqTaskKind, DlqTaskReport, DlqTasks, RunningDlqTask, locate,
    },
    queue::{Queue, QueueError},
    stop::Stop,
    tasks,
};

/// The messages that a peek shows, unless the request says how many, and the most that it may ask for.
const PEEKED: usize = 10;
const MOST_PEEKED: usize = 50;
/// The most messages that a redrive may name.
const MOST_IDS: usize = 100;

/// Finds the queue with this name.
pub(crate) type AdminDlq = Arc<dyn Fn(&str) -> Result<DlqAccess, ControlRefusal> + Send + Sync>;

/// A queue whose DLQ is to be read or changed.
pub(crate) struct DlqAccess {
    /// The queue.
    pub(crate) queue: Arc<dyn Queue>,
    /// Its DLQ, if that is not the one of its redrive policy.
    pub(crate) dlq: Option<Arc<dyn Queue>>,
    /// The stop of the worker, which ends what goes on.
    pub(crate) stop: Stop,
}

/// The body of a peek.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PeekBody {
    limit: usize,
}

impl Default for PeekBody {
    fn default() -> Self {
        Self { limit: PEEKED }
    }
}

/// The body of a redrive: either of the two.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RedriveBody {
    all: bool,
    ids: Vec<String>,
}

/// The body of a delete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteBody {
    id: String,
}

/// The routes, which need an access in front of them.
pub(super) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    AdminSource: FromRef<S>,
    Arc<DlqTasks>: FromRef<S>,
{
    Router::new()
        .route("/queues/{name}/dlq", get(latest))
        .route("/queues/{name}/dlq/peek", post(peek))
        .route("/queues/{name}/dlq/redrive", post(redrive))
        .route("/queues/{name}/dlq/delete", post(delete))
        .route("/queues/{name}/dlq/stop", post(stop))
}

type DlqAnswer = Result<Response, ControlRefusal>;

/// Answers the state of the queue's latest task, without a call to SQS.
async fn latest(
    State(source): State<AdminSource>,
    State(tasks): State<Arc<DlqTasks>>,
    Path(queue): Path<String>,
) -> Result<Json<Value>, ControlRefusal> {
    (source.dlq)(&queue)?;
    Ok(Json(json!({ "queue": queue, "latest": tasks.report(&queue) })))
}

/// Answers the beginnings of some messages.
async fn peek(
    State(source): State<AdminSource>,
    State(tasks): State<Arc<DlqTasks>>,
    Path(queue): Path<String>,
    body: Bytes,
) -> DlqAnswer {
    let PeekBody { limit } = parsed(&body, Some("{}"))?;
    if !(1..=MOST_PEEKED).contains(&limit) {
        return Err(ControlRefusal::Invalid(format!("limit is not 1 to {MOST_PEEKED}: {limit}")));
    }
    let begun = BegunTask::begin(&source, &tasks, &queue, DlqTaskKind::Peek).await?;
    let (dlq, visible) = (begun.location.name(), begun.location.attributes.visible);
    let BegunTask { task, location, .. } = begun;
    // Beside this request: a client that goes away would leave the messages hidden for a minute.
    let peeked = tasks::detach("dlq peek", async move { task.peek(location.dlq, limit).await });
    let peeked = peeked.await.map_err(|error| ControlRefusal::Failed(error.to_string()))?;
    let (messages, unreleased) = peeked.map_err(|error| failed(&error))?;
    let answer = json!({
        "queue": queue, "dlq": dlq, "visible": visible, "messages": messages, "unreleased": unreleased,
    });
    Ok(Json(answer).into_response())
}

/// Begins to send messages back; answers the state of the task, which goes on by itself.
async fn redrive(
    State(source): State<AdminSource>,
    State(tasks): State<Arc<DlqTasks>>,
    Path(queue): Path<String>,
    body: Bytes,
) -> DlqAnswer {
    let chosen = match parsed(&body, None)? {
        RedriveBody { all: true, ids } if ids.is_empty() => ChosenMessages::All,
        RedriveBody { all: false, ids } if (1..=MOST_IDS).contains(&ids.len()) => ChosenMessages::Ids(ids),
        _ => {
            let reason = format!("the body is neither {{\"all\": true}} nor has 1 to {MOST_IDS} ids");
            return Err(ControlRefusal::Invalid(reason));
        }
    };
    let begun = BegunTask::begin(&source, &tasks, &queue, DlqTaskKind::Redrive).await?;
    let report = begun.task.report();
    let BegunTask { task, location, source } = begun;
    tasks::detach("dlq redrive", async move {
        task.redrive(&queue, location, source, chosen).await;
    });
    Ok(accepted(&report))
}

/// Begins to delete a message; answers the state of the task, which goes on by itself.
async fn delete(
    State(source): State<AdminSource>,
    State(tasks): State<Arc<DlqTasks>>,
    Path(queue): Path<String>,
    body: Bytes,
) -> DlqAnswer {
    let DeleteBody { id } = parsed(&body, None)?;
    let begun = BegunTask::begin(&source, &tasks, &queue, DlqTaskKind::Delete).await?;
    let report = begun.task.report();
    let BegunTask { task, location, .. } = begun;
    tasks::detach("dlq delete", async move { task.delete(&queue, location, id).await });
    Ok(accepted(&report))
}

/// Stops the task of a queue.
async fn stop(
    source: State<AdminSource>,
    State(tasks): State<Arc<DlqTasks>>,
    queue: Path<String>,
) -> Result<Json<Value>, ControlRefusal> {
    tasks.stop(&queue);
    latest(source, State(tasks), queue).await
}

fn accepted(report: &DlqTaskReport) -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "latest": report }))).into_response()
}

/// A task that has begun, with all that it needs.
struct BegunTask {
    task: RunningDlqTask,
    location: DlqLocation,
    /// The queue that the DLQ belongs to.
    source: Arc<dyn Queue>,
}

impl BegunTask {
    /// Begins a task, unless another one of the queue runs, and finds the DLQ.
    async fn begin(
        source: &AdminSource,
        tasks: &DlqTasks,
        queue: &str,
        kind: DlqTaskKind,
    ) -> Result<Self, ControlRefusal> {
        let DlqAccess { queue: opened, dlq, stop } = (source.dlq)(queue)?;
        let task = tasks.begin(queue, kind, stop).ok_or_else(|| {
            ControlRefusal::Conflict("another request about this dlq is under way".to_owned())
        })?;
        let location = match locate(opened, dlq).await {
            Ok(location) => location,
            Err(error) => {
                let refusal = failed(&error);
                task.fail(&error);
                return Err(refusal);
            }
        };
        match location.source.as_ref().map(|(source, _)| source.clone()) {
            Some(source) => Ok(Self { task, location, source }),
            None => Err(ControlRefusal::Conflict(format!("the queue has no dlq: {queue}"))),
        }
    }
}

fn failed(error: &QueueError) -> ControlRefusal {
    let hint =
        if error.is_forbidden() { ", hint: docs/page.md names the permissions on the dlq" } else { "" };
    ControlRefusal::Failed(format!("{error}{hint}"))
}
