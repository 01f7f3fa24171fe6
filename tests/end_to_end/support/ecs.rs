//! A fake ECS agent, task metadata and API over HTTP, as strict as the real ones.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use super::tasks;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Launch, until};

/// The behavior of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent {
    /// Protects and releases as requested.
    Well,
    /// Protects nothing, because a deployment waits for protected tasks.
    Blocked,
    /// Protects the first time, and then no more, because a deployment waits for protected tasks.
    BlockedLater,
    /// ECS throttles the agent.
    Throttled,
    /// Answers with a page of something else.
    Nonsense,
    /// The task role lacks the permission.
    Denied,
    /// The task belongs to no service.
    Standalone,
}

/// The request, with all of its fields.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ask {
    protection_enabled: bool,
    expires_in_minutes: Option<i64>,
}

#[derive(Clone)]
struct Shared {
    agent: Agent,
    asked: Arc<Mutex<Vec<String>>>,
    newest: Arc<Mutex<&'static str>>,
    desired: Arc<Mutex<u64>>,
}

/// The agent and metadata server that ECS runs beside a task, and its API.
pub(crate) struct Ecs {
    address: String,
    api: String,
    asked: Arc<Mutex<Vec<String>>>,
    newest: Arc<Mutex<&'static str>>,
    desired: Arc<Mutex<u64>>,
    serving: JoinHandle<()>,
}

impl Ecs {
    pub(crate) async fn start(agent: Agent) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let newest = Arc::new(Mutex::new(DEPLOYMENT));
        let desired = Arc::new(Mutex::new(2));
        let shared = Shared { agent, asked: asked.clone(), newest: newest.clone(), desired: desired.clone() };
        let router = Router::new()
            .route("/", post(call))
            .route("/api/0a1b/task-protection/v1/state", put(set).get(state))
            .route("/api/0a1b/task", get(metadata))
            .with_state(shared);
        let serving = tasks::detach("ecs agent", async move { axum::serve(listener, router).await.unwrap() });
        Self { address: format!("{api}/api/0a1b"), api, asked, newest, desired, serving }
    }

    /// Makes a newer deployment of the task's service.
    pub(crate) fn deploy(&self) {
        *self.newest.lock().unwrap() = "ecs-svc/2";
    }

    /// The desired count of the task's service, which begins at 2.
    pub(crate) fn desired(&self) -> u64 {
        *self.desired.lock().unwrap()
    }

    /// Sets the environment of an ECS task, with this API of ECS.
    pub(crate) fn around(&self, launch: Launch) -> Launch {
        let launch = launch.variable("AWS_ENDPOINT_URL_ECS", &self.api);
        let launch = launch.variable("AWS_ACCESS_KEY_ID", "any").variable("AWS_SECRET_ACCESS_KEY", "any");
        let launch = launch.variable("ECS_AGENT_URI", &self.address);
        launch.variable("ECS_CONTAINER_METADATA_URI_V4", &self.address)
    }

    /// The bodies of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) async fn is_asked(&self) {
        until("the agent is asked", async || !self.asked().is_empty()).await;
    }
}

impl Drop for Ecs {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0a1b";
/// The deployment that the task is of.
const DEPLOYMENT: &str = "ecs-svc/1";

async fn set(State(shared): State<Shared>, body: String) -> (StatusCode, Json<Value>) {
    shared.asked.lock().unwrap().push(body.clone());
    let ask = serde_json::from_str::<Ask>(&body);
    let is_good = |ask: &Ask| ask.expires_in_minutes.is_none_or(|minutes| (1..=2_880).contains(&minutes));
    match ask {
        Ok(ask) if is_good(&ask) => shared.answer(ask.protection_enabled),
        _ => refused(StatusCode::BAD_REQUEST, "InvalidParameterException"),
    }
}

async fn state(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    shared.answer(false)
}

/// The calls of the API, in its protocol AWS JSON 1.1.
async fn call(State(shared): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let is_signed = headers.contains_key("authorization");
    let action = target.strip_prefix("AmazonEC2ContainerServiceV20141113.").filter(|_| is_signed);
    // The type of the body is not that which `Json` takes.
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let answer = match action {
        _ if shared.agent == Agent::Denied => None,
        Some("DescribeTasks") if body == json!({ "cluster": "jobs", "tasks": [TASK] }) => Some(
            json!({ "tasks": [{ "taskArn": TASK, "group": "service:worker", "startedBy": DEPLOYMENT }] }),
        ),
        Some("DescribeServices") if body == json!({ "cluster": "jobs", "services": ["worker"] }) => {
            Some(json!({ "services": [shared.service()] }))
        }
        Some("UpdateService") => shared.update(&body),
        _ => None,
    };
    let denied =
        || (StatusCode::BAD_REQUEST, Json(json!({ "__type": "AccessDeniedException", "message": target })));
    answer.map_or_else(denied, |answer| (StatusCode::OK, Json(answer)))
}

async fn metadata() -> Json<Value> {
    Json(json!({
        "Cluster": "jobs", "TaskARN": TASK, "Family": "worker", "Revision": "7", "DesiredStatus": "RUNNING",
        "Limits": { "CPU": 0.25, "Memory": 512 }, "AvailabilityZone": "eu-west-1b", "LaunchType": "FARGATE",
        "Containers": [],
    }))
}

impl Shared {
    /// The deployments of the service: the newest is the primary one, and runs both of its tasks.
    fn deployments(&self) -> Vec<Value> {
        let newest = *self.newest.lock().unwrap();
        let deployment = |id: &str, status: &str, revision: u8| {
            let definition = format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:{revision}");
            json!({
                "id": id, "status": status, "taskDefinition": definition, "desiredCount": 2, "runningCount": 2,
                "pendingCount": 0, "failedTasks": 0, "rolloutState": "IN_PROGRESS", "createdAt": 1_790_000_000.5,
            })
        };
        let mut all = vec![deployment(newest, "PRIMARY", 8)];
        if newest != DEPLOYMENT {
            all.push(deployment(DEPLOYMENT, "ACTIVE", 7));
        }
        all
    }

    fn service(&self) -> Value {
        let desired = *self.desired.lock().unwrap();
        json!({ "serviceName": "worker", "desiredCount": desired, "deployments": self.deployments() })
    }

    /// Sets the desired count; a call that names anything else is denied, as by the role's policy.
    fn update(&self, body: &Value) -> Option<Value> {
        let desired = body["desiredCount"].as_u64()?;
        let allowed = json!({ "cluster": "jobs", "service": "worker", "desiredCount": desired });
        *self.desired.lock().unwrap() = (*body == allowed).then_some(desired)?;
        Some(json!({ "service": self.service() }))
    }

    fn answer(&self, protect: bool) -> (StatusCode, Json<Value>) {
        let failure = |reason: &str| {
            let failure = json!({ "Arn": TASK, "Reason": reason, "Detail": "on request" });
            (StatusCode::OK, Json(json!({ "failure": failure })))
        };
        let is_later = self.asked.lock().unwrap().len() > 1;
        match self.agent {
            Agent::Blocked => failure("DEPLOYMENT_BLOCKED"),
            Agent::BlockedLater if protect && is_later => failure("DEPLOYMENT_BLOCKED"),
            Agent::Throttled => refused(StatusCode::BAD_REQUEST, "ThrottlingException"),
            Agent::Nonsense => (StatusCode::OK, Json(json!("a page of something else"))),
            Agent::Standalone => failure("TASK_NOT_VALID"),
            Agent::Denied => refused(StatusCode::BAD_REQUEST, "AccessDeniedException"),
            Agent::Well | Agent::BlockedLater => {
                let protection = json!({ "ProtectionEnabled": protect, "TaskArn": TASK });
                (StatusCode::OK, Json(json!({ "protection": protection })))
            }
        }
    }
}

fn refused(status: StatusCode, code: &str) -> (StatusCode, Json<Value>) {
    let error = json!({ "Arn": TASK, "Code": code, "Message": "on request" });
    (status, Json(json!({ "requestID": "0", "error": error })))
}
