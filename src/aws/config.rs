//! The SDK's configuration, with every setting that matters said aloud.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    meta::credentials::CredentialsProviderChain, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_credential_types::Credentials;
use aws_smithy_http_client::{
    Builder as HttpBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use url::Url;

use super::Settings;

/// How long a connection may take to be made.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How long a call that does not wait may take.
pub const CALL: Duration = Duration::from_secs(10);
/// How much longer than the SDK's own limit a call may take before it is dropped from outside: an SDK that forgets
/// its own limit (aws-sdk-rust#1094) is cut off there.
pub const OUTER_MARGIN: Duration = Duration::from_secs(3);
/// The outer limit of a call that does not wait.
pub const CALL_LIMIT: Duration = CALL.saturating_add(OUTER_MARGIN);

/// Where a service is, as far as the address of what is in it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The region that the address names.
    pub region: Option<String>,
    /// Where requests go when the region alone does not tell.
    pub endpoint: Option<String>,
}

/// Loads the configuration for a service at this place, which the settings overrule; the clients made of it share
/// one pool that keeps up to `connections` idle.
pub async fn load(settings: &Settings, place: Place, connections: usize) -> SdkConfig {
    let endpoint = settings.endpoint_url.clone().or(place.endpoint);
    let region = settings.region.clone().or(place.region);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(
            HttpBuilder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .pool_max_idle_per_host(connections)
                .build_https(),
        )
        // The callers decide: a receive is repeated by its loop, an extension before its deadline.
        .retry_config(RetryConfig::disabled())
        // A long poll is silent for 20 s by design; taking that for a stall broke others (aws-sdk-rust#1148).
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    let is_told = region.is_some();
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = endpoint {
        if is_local(&endpoint) && settings.profile.is_none() {
            loader = with_local_credentials(loader);
            if !is_told {
                loader = loader.region(Region::from_static("us-east-1"));
            }
        }
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// An emulator asks for credentials as for a region, and cares for neither.
fn with_local_credentials(loader: ConfigLoader) -> ConfigLoader {
    let anyone = Credentials::new("longshore", "longshore", None, None, "local endpoint");
    let credentials =
        CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("local endpoint", anyone);
    loader.credentials_provider(credentials)
}

/// Whether an endpoint is plain HTTP on this machine, where an emulator listens.
pub fn is_local(endpoint: &str) -> bool {
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
}
