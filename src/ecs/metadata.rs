//! The ECS task's environment variables and metadata, and the telemetry attributes made of them.

use hyper::Method;
use serde::Deserialize;
use url::Url;

use super::agent::{below, http_address, http_request};
use crate::{error_chain::message_with_causes, telemetry::events};

/// The URLs that ECS sets in the environment of every container; empty outside ECS.
///
/// Read by the program: the library does not read the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EcsEnvironment {
    /// `ECS_AGENT_URI`: the endpoint of task protection.
    pub agent: Option<Url>,
    /// `ECS_CONTAINER_METADATA_URI_V4`: the endpoint of the task's metadata.
    pub metadata: Option<Url>,
}

impl EcsEnvironment {
    /// The variable of the agent.
    pub(crate) const AGENT: &str = "ECS_AGENT_URI";
    /// The variable of the metadata.
    pub(crate) const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

    /// Reads both variables; a value that is not an HTTP URL is logged and counts as absent.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let url = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty())?;
            let parsed = http_address(&text).ok();
            if parsed.is_none() {
                events::AddressUnusable { variable: name }.emit();
            }
            parsed
        };
        Self { agent: url(Self::AGENT), metadata: url(Self::METADATA) }
    }

    /// True inside a task of ECS.
    pub(crate) fn is_ecs(&self) -> bool {
        self.agent.is_some() || self.metadata.is_some()
    }
}

/// The metadata of an ECS task; absent fields are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct TaskMetadata {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The task's ARN.
    #[serde(rename = "TaskARN")]
    pub task_arn: String,
    /// The family of its task definition.
    pub family: String,
    /// The revision of its task definition.
    pub revision: String,
    /// Its availability zone.
    pub availability_zone: String,
    /// `FARGATE` or `EC2`.
    pub launch_type: String,
}

/// The failure to read the task's metadata.
#[derive(Debug, thiserror::Error)]
#[error("the task metadata endpoint gave no usable answer: {0}")]
pub(crate) struct MetadataError(String);

impl TaskMetadata {
    /// Reads the metadata of the task from its endpoint, within five seconds.
    pub(crate) async fn read(endpoint: &Url) -> Result<Self, MetadataError> {
        let answer = http_request(Method::GET, &below(endpoint, "/task"), String::new()).await;
        let (status, body) = answer.map_err(|error| MetadataError(message_with_causes(&*error)))?;
        if !status.is_success() {
            return Err(MetadataError(format!("status {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| MetadataError(error.to_string()))
    }

    /// The region, by the task's ARN; empty without it.
    pub(super) fn region(&self) -> &str {
        self.task_arn.split(':').nth(3).unwrap_or_default()
    }

    /// The OpenTelemetry resource attributes, named by the conventions for `cloud` and `aws.ecs`.
    pub(super) fn resource_attributes(&self) -> Vec<(&'static str, String)> {
        if self.task_arn.is_empty() {
            return Vec::new();
        }
        let account = self.task_arn.split(':').nth(4).unwrap_or_default();
        let attributes = [
            ("cloud.provider", "aws"),
            ("cloud.platform", "aws_ecs"),
            ("cloud.region", self.region()),
            ("cloud.account.id", account),
            ("cloud.availability_zone", &self.availability_zone),
            ("aws.ecs.task.arn", &self.task_arn),
            ("aws.ecs.task.family", &self.family),
            ("aws.ecs.task.revision", &self.revision),
            ("aws.ecs.launchtype", &self.launch_type.to_ascii_lowercase()),
        ];
        let known = attributes.into_iter().filter(|(_, value)| !value.is_empty());
        known.map(|(name, value)| (name, value.to_owned())).collect()
    }
}

/// The resource attributes of this task; none outside ECS, or when the endpoint fails.
pub(crate) async fn resource(metadata: Option<Url>) -> Vec<(&'static str, String)> {
    let Some(metadata) = metadata else { return Vec::new() };
    match TaskMetadata::read(&metadata).await {
        Ok(task) => task.resource_attributes(),
        Err(error) => {
            events::TraceOriginUnknown { error: &error }.emit();
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn environment(agent: &str) -> EcsEnvironment {
        EcsEnvironment::of(|name| (name == EcsEnvironment::AGENT).then(|| agent.to_owned()))
    }

    #[test]
    fn a_process_is_on_ecs_when_the_agents_variable_is_set() {
        let on = environment("http://169.254.170.2/api/0123");
        assert!(on.is_ecs() && on.metadata.is_none());
        assert_eq!(below(&on.agent.unwrap(), "/task"), "http://169.254.170.2/api/0123/task");
        assert!(!EcsEnvironment::of(|_| None).is_ecs());
    }

    #[test]
    fn a_value_that_is_no_http_url_counts_as_absent() {
        for text in ["", "169.254.170.2", "ftp://h/", "http://"] {
            assert_eq!(environment(text), EcsEnvironment::default(), "{text:?}");
        }
    }

    #[test]
    fn the_metadata_of_a_task_are_read_among_other_fields() {
        let json = r#"{"Cluster":"jobs","TaskARN":"arn:aws:ecs:eu-west-1:1:task/jobs/0a","Family":"worker","Revision":"7",
            "Limits":{"CPU":0.25,"Memory":512},"AvailabilityZone":"eu-west-1b","LaunchType":"FARGATE","Containers":[]}"#;
        let task: TaskMetadata = serde_json::from_str(json).unwrap();
        assert_eq!((task.cluster.as_str(), task.revision.as_str()), ("jobs", "7"));
        assert_eq!(task.task_arn, "arn:aws:ecs:eu-west-1:1:task/jobs/0a");
        assert_eq!(serde_json::from_str::<TaskMetadata>("{}").unwrap(), TaskMetadata::default());
    }

    #[test]
    fn the_resource_attributes_name_the_task_and_its_account() {
        let task = TaskMetadata {
            task_arn: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0a".to_owned(),
            family: "worker".to_owned(),
            launch_type: "FARGATE".to_owned(),
            ..TaskMetadata::default()
        };
        let attributes: BTreeMap<_, _> = task.resource_attributes().into_iter().collect();
        for (name, expected) in [
            ("cloud.region", "eu-west-1"),
            ("cloud.account.id", "123456789012"),
            ("aws.ecs.task.family", "worker"),
            ("aws.ecs.launchtype", "fargate"),
        ] {
            assert_eq!(attributes[name], expected);
        }
        assert!(!attributes.contains_key("cloud.availability_zone"));
        assert!(TaskMetadata::default().resource_attributes().is_empty());
    }
}
