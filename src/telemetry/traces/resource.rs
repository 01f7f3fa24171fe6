//! What the spans come from: the service, its version, and the task of ECS that it is.

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
};
use url::Url;
use uuid::Uuid;

use crate::ecs::{self, Task};

/// What is known of where spans come from before anything is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    /// What `OTEL_SERVICE_NAME` says.
    pub(super) service_name: Option<String>,
    /// Where ECS describes the task.
    pub(super) metadata: Option<Url>,
}

impl Origin {
    /// The resource, with what ECS tells of the task where it answers.
    ///
    /// What the environment says (`OTEL_RESOURCE_ATTRIBUTES`, which the SDK reads) counts for more than what is found here.
    pub(super) async fn resource(self) -> Resource {
        let task = match &self.metadata {
            Some(metadata) => ecs::describe(metadata).await,
            None => Ok(Task::default()),
        };
        let task = task.unwrap_or_else(|error| {
            tracing::warn!(%error, "traces do not tell of the ecs task");
            Task::default()
        });
        let detectors: [Box<dyn ResourceDetector>; 2] =
            [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
        let resource = Resource::builder_empty()
            .with_attributes(of_service())
            .with_attributes(of_task(&task))
            .with_detectors(&detectors);
        match self.service_name {
            Some(name) => resource.with_service_name(name).build(),
            None => resource.build(),
        }
    }
}

fn of_service() -> [KeyValue; 3] {
    [
        KeyValue::new("service.name", "longshore"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
    ]
}

/// What the metadata say; nothing at all anywhere but on ECS.
fn of_task(task: &Task) -> Vec<KeyValue> {
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
    known.map(|(name, value)| KeyValue::new(name, value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(attributes: &[KeyValue], name: &str) -> Option<String> {
        let found = attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.to_string())
    }

    #[test]
    fn a_task_tells_where_it_runs() {
        let task = Task {
            task_arn: "arn:aws:ecs:eu-west-1:123456789012:task/jobs/0a".to_owned(),
            family: "worker".to_owned(),
            launch_type: "FARGATE".to_owned(),
            ..Task::default()
        };
        let attributes = of_task(&task);
        for (name, expected) in [
            ("cloud.region", "eu-west-1"),
            ("cloud.account.id", "123456789012"),
            ("aws.ecs.task.family", "worker"),
            ("aws.ecs.launchtype", "fargate"),
        ] {
            assert_eq!(value(&attributes, name).as_deref(), Some(expected));
        }
        assert_eq!(value(&attributes, "cloud.availability_zone"), None);
        assert!(of_task(&Task::default()).is_empty());
    }

    #[tokio::test]
    async fn the_service_is_called_longshore_unless_it_is_named() {
        let named = |name: Option<&str>| Origin { service_name: name.map(str::to_owned), metadata: None };
        let key = opentelemetry::Key::from_static_str("service.name");
        let usual = named(None).resource().await;
        assert_eq!(usual.get(&key).unwrap().to_string(), "longshore");
        let own = named(Some("orders-worker")).resource().await;
        assert_eq!(own.get(&key).unwrap().to_string(), "orders-worker");
    }
}
