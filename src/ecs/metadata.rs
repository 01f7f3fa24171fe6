//! What ECS tells of the task: its cluster, its family, its zone.

use hyper::Method;
use serde::Deserialize;
use url::Url;

use super::{http::call, surroundings::below};
use crate::error_chain::message_with_causes;

/// A task of ECS as its metadata describe it; what is missing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Task {
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

/// Why a task's metadata are not known.
#[derive(Debug, thiserror::Error)]
#[error("the task metadata endpoint does not tell: {0}")]
pub struct MetadataError(String);

/// Asks the metadata endpoint (`ECS_CONTAINER_METADATA_URI_V4`) for the task, for five seconds at most.
pub async fn describe(metadata: &Url) -> Result<Task, MetadataError> {
    let answer = call(Method::GET, &below(metadata, "/task"), String::new()).await;
    let (status, body) = answer.map_err(|fault| MetadataError(message_with_causes(&*fault)))?;
    if !status.is_success() {
        return Err(MetadataError(format!("status {status}")));
    }
    serde_json::from_slice(&body).map_err(|error| MetadataError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_a_task_are_read_whatever_else_they_hold() {
        let json = r#"{"Cluster":"jobs","TaskARN":"arn:aws:ecs:eu-west-1:1:task/jobs/0a","Family":"worker","Revision":"7",
            "Limits":{"CPU":0.25,"Memory":512},"AvailabilityZone":"eu-west-1b","LaunchType":"FARGATE","Containers":[]}"#;
        let task: Task = serde_json::from_str(json).unwrap();
        assert_eq!((task.cluster.as_str(), task.revision.as_str()), ("jobs", "7"));
        assert_eq!(task.task_arn, "arn:aws:ecs:eu-west-1:1:task/jobs/0a");
        assert_eq!(serde_json::from_str::<Task>("{}").unwrap(), Task::default());
    }
}
