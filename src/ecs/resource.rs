//! What a task tells of itself as the source of telemetry, in OpenTelemetry's attributes of a resource.

use url::Url;

use super::{Task, describe};
use crate::telemetry::events;

/// The attributes of the task that this is, by name; none anywhere but on ECS, or where it does not tell.
///
/// The names are those of OpenTelemetry's semantic conventions for `cloud` and `aws.ecs`.
pub async fn resource(metadata: Option<Url>) -> Vec<(&'static str, String)> {
    let Some(metadata) = metadata else { return Vec::new() };
    match describe(&metadata).await {
        Ok(task) => attributes(&task),
        Err(error) => {
            events::TraceOriginUnknown { error: &error }.emit();
            Vec::new()
        }
    }
}

fn attributes(task: &Task) -> Vec<(&'static str, String)> {
    if task.task_arn.is_empty() {
        return Vec::new();
    }
    let mut arn = task.task_arn.split(':').skip(3);
    let (region, account) = (arn.next().unwrap_or_default(), arn.next().unwrap_or_default());
    let told = [
        ("cloud.provider", "aws"),
        ("cloud.platform", "aws_ecs"),
        ("cloud.region", region),
        ("cloud.account.id", account),
        ("cloud.availability_zone", &task.availability_zone),
        ("aws.ecs.task.arn", &task.task_arn),
        ("aws.ecs.task.family", &task.family),
        ("aws.ecs.task.revision", &task.revision),
        ("aws.ecs.launchtype", &task.launch_type.to_ascii_lowercase()),
    ];
    let known = told.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| (name, value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_task_tells_where_it_runs() {
        let task = Task {
            task_arn: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0a".to_owned(),
            family: "worker".to_owned(),
            launch_type: "FARGATE".to_owned(),
            ..Task::default()
        };
        let told: BTreeMap<_, _> = attributes(&task).into_iter().collect();
        for (name, expected) in [
            ("cloud.region", "eu-west-1"),
            ("cloud.account.id", "123456789012"),
            ("aws.ecs.task.family", "worker"),
            ("aws.ecs.launchtype", "fargate"),
        ] {
            assert_eq!(told[name], expected);
        }
        assert!(!told.contains_key("cloud.availability_zone"));
        assert!(attributes(&Task::default()).is_empty());
    }
}
