//! The parts of a client of SQS, which the queues of one place share: the configuration is read once, and not for each queue.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use aws_sdk_sqs::{
    Client,
    config::{Builder, StalledStreamProtectionConfig, retry::RetryConfig},
};
use tokio::{
    runtime::{self, Handle},
    sync::Mutex as AsyncMutex,
};

use super::direct::DirectCalls;
use crate::aws::{
    self, AccessError, AccessFacts, AwsAccess, LoadedAccess, RenewableCredentials, ServiceLocation,
};

/// The SDK's client, the frequent calls, and the access that they were made of.
#[derive(Debug)]
pub(super) struct ClientParts {
    pub(super) sdk: Client,
    /// Absent, the client makes all calls.
    pub(super) direct: Option<DirectCalls>,
    /// Absent, the client is the program's own.
    pub(super) access: Option<LoadedAccess>,
}

/// The parts that are in use in one place, if any are; one caller at a time makes them.
type SharedParts = Arc<AsyncMutex<Weak<ClientParts>>>;

/// The facts that parts depend on; those of one runtime are not used on another, because of their connections.
type SharedKey = (runtime::Id, AccessFacts);

impl ClientParts {
    /// The parts for this access at a location, shared by all that have the same; a loaded configuration has its own.
    pub(super) async fn shared(
        access: &AwsAccess,
        location: ServiceLocation,
    ) -> Result<Arc<Self>, AccessError> {
        let Some(facts) = access.facts(&location) else {
            return Self::load(access, location).await.map(Arc::new);
        };
        let shared = Self::in_place((Handle::current().id(), facts));
        let mut held = shared.lock().await;
        if let Some(parts) = held.upgrade() {
            return Ok(parts);
        }
        let parts = Arc::new(Self::load(access, location).await?);
        *held = Arc::downgrade(&parts);
        Ok(parts)
    }

    /// The place for the parts that depend on these facts; those that nobody uses are forgotten.
    fn in_place(key: SharedKey) -> SharedParts {
        static SHARED: LazyLock<Mutex<HashMap<SharedKey, SharedParts>>> = LazyLock::new(Mutex::default);
        let is_used = |shared: &SharedParts| shared.try_lock().is_ok_and(|parts| parts.strong_count() > 0);
        let mut places = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, shared| Arc::strong_count(shared) > 1 || is_used(shared));
        places.entry(key).or_default().clone()
    }

    async fn load(access: &AwsAccess, location: ServiceLocation) -> Result<Self, AccessError> {
        let loaded = access.load("SQS", location).await?;
        let builder = Builder::from(&loaded.config).timeout_config(aws::connect_limit());
        let sdk = Client::from_conf(aws::with_user_agent(builder, &loaded.config).build());
        Ok(Self { sdk, direct: DirectCalls::new(&loaded), access: Some(loaded) })
    }

    /// The program's client, with the time limits of the worker, whose loops do all retries.
    pub(super) fn of(client: &Client) -> Self {
        let builder = client.config().to_builder().timeout_config(aws::connect_limit());
        let builder = builder.retry_config(RetryConfig::disabled());
        let protection = StalledStreamProtectionConfig::disabled();
        let sdk = Client::from_conf(builder.stalled_stream_protection(protection).build());
        Self { sdk, direct: None, access: None }
    }

    /// The credentials that the calls are signed with, unless they are the program's own.
    pub(super) fn credentials(&self) -> Option<&RenewableCredentials> {
        self.access.as_ref().and_then(|access| access.credentials.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{Role, Settings};

    fn at(endpoint: &str) -> ServiceLocation {
        ServiceLocation { endpoint: Some(endpoint.to_owned()), ..ServiceLocation::in_region("eu-west-1") }
    }

    async fn shared(access: &AwsAccess, endpoint: &str) -> Arc<ClientParts> {
        ClientParts::shared(access, at(endpoint)).await.unwrap()
    }

    #[tokio::test]
    async fn queues_of_one_place_share_their_parts_and_others_have_their_own() {
        let (usual, endpoint) = (AwsAccess::default(), "http://127.0.0.1:1");
        let first = shared(&usual, endpoint).await;
        assert!(Arc::ptr_eq(&first, &shared(&usual, endpoint).await));
        let elsewhere = shared(&usual, "http://127.0.0.1:2").await;
        let role = usual.clone().with_role(Some(Role::new("arn:aws:iam::123456789012:role/orders")));
        let profile = Settings { profile: Some("other".to_owned()), ..Settings::default() };
        let region = Settings { region: Some("us-east-2".to_owned()), ..Settings::default() };
        for (name, other) in [
            ("another endpoint", elsewhere),
            ("a role", shared(&role, endpoint).await),
            ("another profile", shared(&profile.into(), endpoint).await),
            ("another region", shared(&region.into(), endpoint).await),
        ] {
            assert!(!Arc::ptr_eq(&first, &other), "{name}");
        }
    }

    #[tokio::test]
    async fn queues_that_are_opened_at_once_read_the_configuration_once() {
        let access = AwsAccess::default();
        let (first, second) =
            tokio::join!(shared(&access, "http://127.0.0.1:3"), shared(&access, "http://127.0.0.1:3"));
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[tokio::test]
    async fn a_loaded_configuration_has_parts_of_its_own() {
        let loaded = AwsAccess::from(aws_config::SdkConfig::builder().build());
        let (first, second) =
            (shared(&loaded, "http://127.0.0.1:4").await, shared(&loaded, "http://127.0.0.1:4").await);
        assert!(!Arc::ptr_eq(&first, &second));
    }
}
