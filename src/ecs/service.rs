//! The task's service, as the API of ECS describes it.

use std::{error::Error, future::Future, time::SystemTime};

use aws_sdk_ecs::{
    Client,
    config::{Builder, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
    types::{self, DeploymentRolloutState},
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    EcsError, TaskMetadata,
    deployments::{self, Deployment, Deployments, Replacement},
    scale_out::ServiceSize,
};
use crate::aws::{
    self, AwsAccess, CallFailure, FailureKind, LoadedAccess, RenewableCredentials, ServiceLocation,
};

/// The group of a service's tasks is this and the service's name.
const OF_SERVICE: &str = "service:";

/// The API of ECS for one task: `DescribeTasks` once, `DescribeServices` for each look, and `UpdateService` for the desired count.
///
/// On Fargate the task's metadata name no service, and nowhere the deployment.
#[derive(Debug)]
pub(crate) struct EcsService {
    metadata: Url,
    access: AwsAccess,
    /// Read at the first call; `None` for a task of no service.
    own: OnceCell<Option<OwnTask>>,
}

/// The task's place in ECS.
#[derive(Debug)]
struct OwnTask {
    client: EcsClient,
    cluster: String,
    service: String,
    /// The id of its deployment.
    deployment: String,
}

/// The SDK's client, and its credentials unless they are the program's own.
#[derive(Debug)]
struct EcsClient {
    sdk: Client,
    credentials: Option<RenewableCredentials>,
}

impl EcsService {
    /// The service of the task with this metadata endpoint; sends nothing yet, and needs no runtime.
    pub(crate) fn new(metadata: Url, access: impl Into<AwsAccess>) -> Self {
        Self { metadata, access: access.into(), own: OnceCell::new() }
    }

    async fn read_own(&self) -> Result<Option<OwnTask>, EcsError> {
        let task = TaskMetadata::read(&self.metadata).await?;
        let location = ServiceLocation::in_region(task.region());
        let LoadedAccess { config: shared, credentials } = self.access.load("ECS", location).await?;
        let config = Builder::from(&shared).timeout_config(aws::time_limits(aws::CALL));
        let client = EcsClient { sdk: Client::from_conf(config.build()), credentials };
        let call = client.sdk.describe_tasks().cluster(&task.cluster).tasks(&task.task_arn);
        let answer = client.answered("ecs:DescribeTasks", || call.clone().send()).await?;
        let described = answer.tasks.unwrap_or_default().pop();
        let described = described.ok_or_else(|| EcsError::NoAnswer("it knows no such task".to_owned()))?;
        let service = described.group.as_deref().and_then(|group| group.strip_prefix(OF_SERVICE));
        Ok(service.zip(described.started_by.as_deref()).map(|(service, deployment)| OwnTask {
            client,
            cluster: task.cluster,
            service: service.to_owned(),
            deployment: deployment.to_owned(),
        }))
    }

    /// The task's place, read once; `None` for a task of no service.
    async fn own(&self) -> Result<Option<&OwnTask>, EcsError> {
        Ok(self.own.get_or_try_init(|| self.read_own()).await?.as_ref())
    }

    async fn find_replacement(&self) -> Result<Option<Replacement>, EcsError> {
        let Some(own) = self.own().await? else { return Ok(None) };
        let deployments = own.service().await?.deployments.unwrap_or_default();
        let deployments = deployments.into_iter().map(Deployment::from).collect();
        Ok(deployments::replacement(&own.deployment, deployments, SystemTime::now()))
    }

    async fn read_desired(&self) -> Result<Option<u32>, EcsError> {
        let Some(own) = self.own().await? else { return Ok(None) };
        Ok(Some(own.service().await?.desired_count.try_into().unwrap_or_default()))
    }

    async fn update_desired(&self, count: u32) -> Result<(), EcsError> {
        let Some(own) = self.own().await? else { return Ok(()) };
        let count = count.try_into().unwrap_or(i32::MAX);
        let call =
            own.client.sdk.update_service().cluster(&own.cluster).service(&own.service).desired_count(count);
        own.client.answered("ecs:UpdateService", || call.clone().send()).await?;
        Ok(())
    }
}

impl OwnTask {
    /// The service, as ECS describes it now.
    async fn service(&self) -> Result<types::Service, EcsError> {
        let call = self.client.sdk.describe_services().cluster(&self.cluster).services(&self.service);
        let answer = self.client.answered("ecs:DescribeServices", || call.clone().send()).await?;
        let service = answer.services.unwrap_or_default().pop();
        service.ok_or_else(|| EcsError::NoAnswer("it knows no such service".to_owned()))
    }
}

impl Deployments for EcsService {
    fn replacement(&self) -> BoxFuture<'_, Result<Option<Replacement>, EcsError>> {
        self.find_replacement().boxed()
    }
}

impl ServiceSize for EcsService {
    fn desired(&self) -> BoxFuture<'_, Result<Option<u32>, EcsError>> {
        self.read_desired().boxed()
    }

    fn set_desired(&self, count: u32) -> BoxFuture<'_, Result<(), EcsError>> {
        self.update_desired(count).boxed()
    }
}

impl EcsClient {
    /// Awaits a call within the outer limit, with other credentials if those that were used are refused and there are others.
    async fn answered<T, E, F>(&self, action: &'static str, call: impl Fn() -> F) -> Result<T, EcsError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let limit = aws::CALL_LIMIT;
        let hung = |_| EcsError::NoAnswer(format!("none within {}", humantime::format_duration(limit)));
        let calling = aws::with_renewal(self.credentials.as_ref(), call);
        let answer = tokio::time::timeout(limit, calling).await.map_err(hung)?;
        answer.map_err(|error| {
            let CallFailure { kind, message, .. } = CallFailure::of(&error);
            match kind {
                FailureKind::Answered(code) => EcsError::Refused { action, code, message },
                FailureKind::NoCredentials | FailureKind::TimedOut | FailureKind::NoUsableAnswer => {
                    EcsError::NoAnswer(message)
                }
            }
        })
    }
}

impl From<types::Deployment> for Deployment {
    fn from(found: types::Deployment) -> Self {
        Self {
            id: found.id.unwrap_or_default(),
            task_definition: found.task_definition.unwrap_or_default(),
            is_primary: found.status.as_deref() == Some("PRIMARY"),
            is_failing: found.failed_tasks > 0 || found.rollout_state == Some(DeploymentRolloutState::Failed),
            running: found.running_count,
            desired: found.desired_count,
            created: found.created_at.and_then(|created| created.try_into().ok()),
        }
    }
}
