//! The OpenTelemetry resource of the spans: the service, its version and its environment.

use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
};
use uuid::Uuid;

/// Detects attributes of the resource, by name.
pub(crate) type DetectedAttributes = BoxFuture<'static, Vec<(&'static str, String)>>;

/// The resource before anything is detected.
pub(super) struct PendingResource {
    /// The value of `OTEL_SERVICE_NAME`.
    pub(super) service_name: Option<String>,
    /// Detects further attributes.
    pub(super) detected: DetectedAttributes,
}

impl PendingResource {
    /// The resource, once its attributes are detected.
    ///
    /// The environment (`OTEL_RESOURCE_ATTRIBUTES`, which the SDK reads) overrides detected attributes.
    pub(super) async fn resource(self) -> Resource {
        let detected = self.detected.await.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let detectors: [Box<dyn ResourceDetector>; 2] =
            [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
        let resource = Resource::builder_empty()
            .with_attributes(of_service())
            .with_attributes(detected)
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

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    async fn attribute(
        service_name: Option<&str>,
        detected: Vec<(&'static str, String)>,
        name: &'static str,
    ) -> String {
        let detected = Box::pin(async { detected });
        let pending = PendingResource { service_name: service_name.map(str::to_owned), detected };
        pending.resource().await.get(&Key::from_static_str(name)).unwrap().to_string()
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
}
