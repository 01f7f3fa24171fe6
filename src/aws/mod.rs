//! The parts that the clients of all AWS services share: the SDK configuration, and the failures of calls.

mod failure;
mod user_agent;

use std::time::Duration;

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    meta::credentials::CredentialsProviderChain, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_credential_types::Credentials;
use aws_sdk_sqs::config::SharedHttpClient;
use aws_smithy_http_client::{
    Builder as HttpBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::settings::{Problem, http_url};

pub(crate) use self::{
    failure::{CallFailure, CredentialsFault, FailureKind, SendState, credentials_fault},
    user_agent::with_user_agent,
};

/// The access to AWS; absent values come from the SDK's own sources (`AWS_*` variables, profile, task role).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The region; absent, it is read from the queue's URL.
    pub region: Option<String>,
    /// Another SQS endpoint, such as an emulator's, which then serves topics too.
    pub endpoint_url: Option<String>,
    /// The profile of the shared AWS configuration files.
    pub profile: Option<String>,
}

impl Settings {
    /// Finds an endpoint that is not a URL of HTTP.
    pub fn validate(&self) -> Vec<Problem> {
        http_url("endpoint_url", self.endpoint_url.as_deref()).into_iter().collect()
    }
}

/// The time limit of a connection attempt.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);
/// The time limit of a call that does not wait.
pub(crate) const CALL: Duration = Duration::from_secs(10);
/// The time by which the outer limit of a call exceeds the SDK's own: an SDK that misses its limit
/// (aws-sdk-rust#1094) is cut off there.
pub(crate) const OUTER_MARGIN: Duration = Duration::from_secs(3);
/// The outer limit of a call that does not wait.
pub(crate) const CALL_LIMIT: Duration = CALL.saturating_add(OUTER_MARGIN);

/// The region and endpoint that the address of a queue or topic names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceLocation {
    /// The region that the address names.
    pub region: Option<String>,
    /// The endpoint, where it does not follow from the region.
    pub endpoint: Option<String>,
}

/// The access to AWS: settings for the SDK's own sources, or a configuration that the program has loaded.
#[derive(Clone, Debug)]
pub enum AwsAccess {
    /// The SDK's own sources, which the settings override.
    Settings(Settings),
    /// A loaded configuration, with its credentials, HTTP client, region and endpoint.
    Loaded(Box<SdkConfig>),
}

impl Default for AwsAccess {
    fn default() -> Self {
        Self::Settings(Settings::default())
    }
}

impl From<Settings> for AwsAccess {
    fn from(settings: Settings) -> Self {
        Self::Settings(settings)
    }
}

impl From<SdkConfig> for AwsAccess {
    fn from(config: SdkConfig) -> Self {
        Self::Loaded(Box::new(config))
    }
}

impl AwsAccess {
    /// The configured region.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Settings(settings) => settings.region.as_deref(),
            Self::Loaded(config) => config.region().map(Region::as_ref),
        }
    }

    /// Loads the SDK configuration for a service at this location.
    ///
    /// The clients made of it share one connection pool, which keeps up to `connections` idle connections.
    pub async fn load(&self, location: ServiceLocation, connections: usize) -> SdkConfig {
        match self {
            Self::Settings(settings) => load(settings, location, connections).await,
            Self::Loaded(config) => adapt(config, location, connections),
        }
    }
}

/// Adds the location to a loaded configuration, where that names none, and turns off what the worker does itself.
fn adapt(config: &SdkConfig, location: ServiceLocation, connections: usize) -> SdkConfig {
    let region = config.region().cloned().or_else(|| location.region.map(Region::new));
    let endpoint = config.endpoint_url().map(str::to_owned).or(location.endpoint);
    let mut builder = config.to_builder().region(region);
    builder.set_endpoint_url(endpoint);
    // A client without one panics.
    builder.set_behavior_version(Some(config.behavior_version().unwrap_or_else(BehaviorVersion::latest)));
    builder.set_retry_config(Some(RetryConfig::disabled()));
    builder.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
    if config.http_client().is_none() {
        builder.set_http_client(Some(http_client(connections)));
    }
    builder.build()
}

fn http_client(connections: usize) -> SharedHttpClient {
    HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .pool_max_idle_per_host(connections)
        .build_https()
}

async fn load(settings: &Settings, location: ServiceLocation, connections: usize) -> SdkConfig {
    let endpoint = settings.endpoint_url.clone().or(location.endpoint);
    let region = settings.region.clone().or(location.region);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(connections))
        // The callers retry: the poller repeats a receive, the heartbeat an extension before its deadline.
        .retry_config(RetryConfig::disabled())
        // A long poll is silent for 20 s by design, which the protection mistakes for a stall (aws-sdk-rust#1148).
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    let has_region = region.is_some();
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = endpoint {
        if is_local(&endpoint) && settings.profile.is_none() {
            loader = with_local_credentials(loader);
            if !has_region {
                loader = loader.region(Region::from_static("us-east-1"));
            }
        }
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// Adds placeholder credentials: an emulator requires some, and checks none.
fn with_local_credentials(loader: ConfigLoader) -> ConfigLoader {
    let placeholder = Credentials::new("longshore", "longshore", None, None, "local endpoint");
    let credentials =
        CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("local endpoint", placeholder);
    loader.credentials_provider(credentials)
}

/// True for plain HTTP on this machine, the endpoint of an emulator.
fn is_local(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let on_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    on_loopback && url.scheme() == "http"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_loopback_is_local() {
        for endpoint in ["http://127.0.0.1:9324", "http://localhost:4566", "http://[::1]:1"] {
            assert!(is_local(endpoint), "{endpoint}");
        }
        assert!(!is_local("https://localhost:4566") && !is_local("http://elasticmq:9324"));
    }

    #[test]
    fn a_loaded_configuration_keeps_what_it_names_and_gets_the_rest_from_the_location() {
        let location = ServiceLocation {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some("http://127.0.0.1:9324/".to_owned()),
        };
        let own = SdkConfig::builder().region(Region::new("us-west-2")).build();
        let adapted = adapt(&own, location.clone(), 1);
        assert_eq!(adapted.region().map(Region::as_ref), Some("us-west-2"));
        assert_eq!(adapted.endpoint_url(), Some("http://127.0.0.1:9324/"));
        assert!(adapted.http_client().is_some());
        let empty = adapt(&SdkConfig::builder().build(), location, 1);
        assert_eq!(empty.region().map(Region::as_ref), Some("eu-west-1"));
        assert!(empty.behavior_version().is_some(), "a client without one panics");
        assert_eq!(empty.retry_config().map(RetryConfig::max_attempts), Some(1));
    }
}
