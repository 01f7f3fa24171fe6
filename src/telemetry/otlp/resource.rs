//! The OpenTelemetry resource of spans and metrics: the service, its version and its environment.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
};
use uuid::Uuid;

/// Detects attributes of the resource, by name.
pub(crate) type DetectedAttributes = BoxFuture<'static, Vec<(&'static str, String)>>;

/// The resource before anything is detected; clones become the same resource.
#[derive(Clone, Debug)]
pub(crate) struct ResourcePlan {
    /// The value of `OTEL_SERVICE_NAME`.
    service_name: Option<String>,
    /// The id of this process among those of its service.
    instance_id: Arc<str>,
    /// Detects further attributes.
    detected: Shared<DetectedAttributes>,
}

impl ResourcePlan {
    /// The resource with the service name of this variable, and these further attributes.
    pub(crate) fn new(variable: impl Fn(&str) -> Option<String>, detected: DetectedAttributes) -> Self {
        let service_name = variable("OTEL_SERVICE_NAME").filter(|name| !name.trim().is_empty());
        let instance_id = Uuid::new_v4().to_string().into();
        Self { service_name, instance_id, detected: detected.shared() }
    }

    /// The resource, once its attributes are detected.
    ///
    /// The environment (`OTEL_RESOURCE_ATTRIBUTES`, which the SDK reads) overrides detected attributes.
    pub(crate) async fn resource(self) -> Resource {
        let detected = self.detected.await.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let detectors: [Box<dyn ResourceDetector>; 2] =
            [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
        let resource = Resource::builder_empty()
            .with_attributes(of_service(&self.instance_id))
            .with_attributes(detected)
            .with_detectors(&detectors);
        match self.service_name {
            Some(name) => resource.with_service_name(name).build(),
            None => resource.build(),
        }
    }
}

fn of_service(instance_id: &str) -> [KeyValue; 3] {
    [
        KeyValue::new("service.name", "longshore"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance_id.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    async fn attribute(
        service_name: Option<&str>,
        detected: Vec<(&'static str, String)>,
        name: &'static str,
    ) -> String {
        let variable = |_: &str| service_name.map(str::to_owned);
        let plan = ResourcePlan::new(variable, Box::pin(async { detected }));
        plan.resource().await.get(&Key::from_static_str(name)).unwrap().to_string()
    }

    #[tokio::test]
    async fn the_service_is_called_longshore_unless_it_is_named() {
        assert_eq!(attribute(None, Vec::new(), "service.name").await, "longshore");
        assert_eq!(attribute(Some("orders-worker"), Vec::new(), "service.name").await, "orders-worker");
    }

    #[tokio::test]
    async fn detected_attributes_are_in_the_resource() {
        let detected = vec![("cloud.region", "eu-west-1".to_owned())];
        assert_eq!(attribute(None, detected, "cloud.region").await, "eu-west-1");
    }

    #[tokio::test]
    async fn traces_and_metrics_have_the_same_resource() {
        let plan = ResourcePlan::new(|_| None, Box::pin(async { vec![("cloud.region", "x".to_owned())] }));
        assert_eq!(plan.clone().resource().await, plan.resource().await);
    }
}
