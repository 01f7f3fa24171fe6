//! The OpenTelemetry resource of the spans: the service, its version and its environment.

use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector},
};
use uuid::Uuid;

/// The detected attributes of the resource, by name.
pub(crate) type Place = BoxFuture<'static, Vec<(&'static str, String)>>;

/// The resource before anything is detected.
pub(super) struct Origin {
    /// The value of `OTEL_SERVICE_NAME`.
    pub(super) service_name: Option<String>,
    /// Detects the rest.
    pub(super) place: Place,
}

impl Origin {
    /// The resource, once the place is known.
    ///
    /// The environment (`OTEL_RESOURCE_ATTRIBUTES`, which the SDK reads) overrides detected attributes.
    pub(super) async fn resource(self) -> Resource {
        let place = self.place.await.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let detectors: [Box<dyn ResourceDetector>; 2] =
            [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
        let resource = Resource::builder_empty()
            .with_attributes(of_service())
            .with_attributes(place)
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
        place: Vec<(&'static str, String)>,
        name: &'static str,
    ) -> String {
        let origin =
            Origin { service_name: service_name.map(str::to_owned), place: Box::pin(async { place }) };
        origin.resource().await.get(&Key::from_static_str(name)).unwrap().to_string()
    }

    #[tokio::test]
    async fn the_service_is_called_longshore_unless_it_is_named() {
        assert_eq!(attribute(None, Vec::new(), "service.name").await, "longshore");
        assert_eq!(attribute(Some("orders-worker"), Vec::new(), "service.name").await, "orders-worker");
    }

    #[tokio::test]
    async fn the_place_is_told_as_it_is_found() {
        let place = vec![("cloud.region", "eu-west-1".to_owned())];
        assert_eq!(attribute(None, place, "cloud.region").await, "eu-west-1");
    }
}
