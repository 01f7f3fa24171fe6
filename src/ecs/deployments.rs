//! The deployments of the task's service, by which a protected task learns that a newer one replaces it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::sync::SetOnce;

use super::protection::ProtectionStatus;
use crate::{aws::AccessError, telemetry::events};

/// The pause between two looks at the deployments, give or take a quarter: ECS counts such calls for all tasks of an account.
const LOOKS: Duration = Duration::from_mins(2);
/// The age from which a deployment replaces tasks although it has not started all of its own: where ECS may run no more of
/// them at once, they wait for the protected ones to leave.
const WAITS_FOR_OTHERS: Duration = Duration::from_mins(10);

/// The deployments of the task's service.
///
/// # Contract
///
/// - No call retries by itself, and each ends within its own time limit.
/// - Futures may be dropped.
pub(crate) trait Deployments: Send + Sync + 'static {
    /// Reads the deployment that replaces the task's own; `None` while none does, and for a task of no service.
    fn replacement(&self) -> BoxFuture<'_, Result<Option<Replacement>, EcsError>>;
}

/// The deployment that replaces the task's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// Its id, such as `ecs-svc/1234567890123456789`.
    pub(crate) id: String,
    /// The ARN of its task definition.
    pub(crate) task_definition: String,
}

impl fmt::Display for Replacement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let definition = self.task_definition.rsplit('/').next().unwrap_or_default();
        write!(formatter, "the deployment {} of {definition} replaces this task", self.id)
    }
}

/// A call of the API of ECS failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EcsError {
    /// The task is not known.
    #[error(transparent)]
    Metadata(#[from] super::metadata::MetadataError),
    /// The access to AWS cannot be used as it is configured.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// ECS refused the call.
    #[error("ecs refuses {action}: {code}: {message}")]
    Refused {
        /// The permission that the call takes.
        action: &'static str,
        /// ECS's code, such as `AccessDeniedException`.
        code: String,
        /// ECS's message.
        message: String,
    },
    /// There was no usable answer, or no credentials for the call.
    #[error("no usable answer from ecs: {0}")]
    NoAnswer(String),
}

/// A deployment of the service, as ECS describes it.
#[derive(Clone, Debug)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) task_definition: String,
    /// True for the one that ECS brings the service to.
    pub(super) is_primary: bool,
    /// True while its tasks do not start, or once ECS has given it up.
    pub(super) is_failing: bool,
    pub(super) running: i32,
    pub(super) desired: i32,
    pub(super) created: Option<SystemTime>,
}

/// Finds the deployment that replaces the task's own: the primary one, once it works. Until then the task is still needed.
pub(super) fn replacement(own: &str, deployments: Vec<Deployment>, now: SystemTime) -> Option<Replacement> {
    let primary = deployments.into_iter().find(|deployment| deployment.is_primary)?;
    let age = primary.created.and_then(|created| now.duration_since(created).ok()).unwrap_or_default();
    let works = !primary.is_failing && (primary.running >= primary.desired || age >= WAITS_FOR_OTHERS);
    let Deployment { id, task_definition, .. } = primary;
    (id != own && works).then_some(Replacement { id, task_definition })
}

/// The look at the deployments every two minutes while the task is protected: ECS stops the other tasks itself.
pub(super) struct DeploymentWatch {
    pub(super) deployments: Arc<dyn Deployments>,
    pub(super) status: ProtectionStatus,
    pub(super) unwanted: Arc<SetOnce<String>>,
}

impl DeploymentWatch {
    /// Runs until a deployment replaces the task.
    pub(super) async fn run(self) {
        let mut logged = String::new();
        loop {
            self.status.protected().await;
            match self.deployments.replacement().await {
                Ok(Some(replacement)) => {
                    // The first reason to leave decides.
                    drop(self.unwanted.set(replacement.to_string()));
                    return;
                }
                Ok(None) => logged.clear(),
                Err(error) if error.to_string() == logged => {}
                Err(error) => {
                    events::DeploymentsUnknown { error: &error }.emit();
                    logged = error.to_string();
                }
            }
            tokio::time::sleep(LOOKS.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "ecs-svc/1";
    const MINUTE: Duration = Duration::from_mins(1);

    /// The own deployment with two tasks, and a newer one that wants two, has so many and is so old.
    fn found(running: i32, age: Duration, is_failing: bool) -> Option<String> {
        let now = SystemTime::now();
        let newer = Deployment {
            id: "ecs-svc/2".to_owned(),
            task_definition: "arn:aws:ecs:eu-west-1:1:task-definition/worker:8".to_owned(),
            is_primary: true,
            is_failing,
            running,
            desired: 2,
            created: Some(now - age),
        };
        let own = Deployment { id: OWN.to_owned(), is_primary: false, running: 2, ..newer.clone() };
        replacement(OWN, vec![own, newer], now).map(|found| found.to_string())
    }

    #[test]
    fn a_newer_deployment_replaces_the_task_once_it_runs_all_of_its_own() {
        assert_eq!(found(1, MINUTE, false), None);
        let found = found(2, MINUTE, false).unwrap();
        assert_eq!(found, "the deployment ecs-svc/2 of worker:8 replaces this task");
    }

    #[test]
    fn a_newer_deployment_that_cannot_start_all_of_its_tasks_replaces_the_task_after_ten_minutes() {
        assert_eq!(found(0, 9 * MINUTE, false), None);
        assert!(found(0, 10 * MINUTE, false).is_some());
    }

    #[test]
    fn a_newer_deployment_whose_tasks_fail_replaces_none() {
        assert_eq!(found(0, 60 * MINUTE, true), None);
        assert_eq!(found(2, MINUTE, true), None);
    }

    #[test]
    fn the_own_deployment_replaces_none_and_neither_does_a_service_without_a_primary_one() {
        let own = Deployment {
            id: OWN.to_owned(),
            task_definition: String::new(),
            is_primary: true,
            is_failing: false,
            running: 2,
            desired: 2,
            created: None,
        };
        assert_eq!(replacement(OWN, vec![own.clone()], SystemTime::now()), None);
        let former = Deployment { id: "ecs-svc/0".to_owned(), is_primary: false, ..own };
        assert_eq!(replacement(OWN, vec![former], SystemTime::now()), None);
    }
}
