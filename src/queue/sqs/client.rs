//! The SDK's clients, with every setting that matters said aloud.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, environment::EnvironmentVariableCredentialsProvider,
    meta::credentials::CredentialsProviderChain,
};
use aws_sdk_sqs::{
    Client,
    config::{
        Builder, Credentials, SharedHttpClient, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use aws_smithy_http_client::{
    Builder as HttpBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use super::{Address, Settings, address::is_local};
use crate::queue::limits;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a call that does not wait may take.
const CALL: Duration = Duration::from_secs(10);
/// How much longer than its wait a receive may take.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);
/// How much longer than the SDK's own limit a call may take before it is dropped from outside.
const OUTER_MARGIN: Duration = Duration::from_secs(3);
/// Connections beyond the pollers' own: deletes, extensions and sends under way at once.
const SPARE_CONNECTIONS: usize = 16;

/// One client for calls that wait and one for calls that do not: their time limits differ, and giving each call its
/// own would cost more than the call.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) receive: Client,
    pub(super) call: Client,
}

impl Clients {
    /// The outer limit of a receive: an SDK that forgets its own limit (aws-sdk-rust#1094) is cut off here.
    pub(super) const fn receive_limit(wait: Duration) -> Duration {
        wait.saturating_add(RECEIVE_MARGIN).saturating_add(OUTER_MARGIN)
    }

    /// The outer limit of every other call.
    pub(super) const CALL_LIMIT: Duration = CALL.saturating_add(OUTER_MARGIN);

    /// Builds both clients over one pool of connections.
    pub(super) async fn build(settings: &Settings, address: &Address, sizes: Sizes) -> Self {
        let shared = load(settings, address, sizes).await;
        let with_limit = |limit: Duration| {
            let timeouts =
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(limit).build();
            Client::from_conf(Builder::from(&shared).timeout_config(timeouts).build())
        };
        Self { receive: with_limit(sizes.longest_wait + RECEIVE_MARGIN), call: with_limit(CALL) }
    }
}

/// What the clients must be able to carry.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Receives under way at once, at most.
    pub pollers: usize,
    /// The longest wait of a receive.
    pub longest_wait: Duration,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { pollers: 1, longest_wait: limits::WAIT }
    }
}

async fn load(settings: &Settings, address: &Address, sizes: Sizes) -> aws_config::SdkConfig {
    let endpoint = settings.endpoint_url.clone().or_else(|| address.endpoint());
    let region = settings.region.as_deref().or_else(|| address.region()).map(str::to_owned);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client(sizes.pollers))
        // The callers decide: a receive is repeated by its loop, an extension before its deadline.
        .retry_config(RetryConfig::disabled())
        // A long poll is silent for 20 s by design; taking that for a stall broke others (aws-sdk-rust#1148).
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = endpoint {
        if is_local(&endpoint) && settings.profile.is_none() {
            loader = with_local_defaults(loader, settings);
        }
        loader = loader.endpoint_url(endpoint);
    }
    loader.load().await
}

/// An emulator asks for a region and credentials, and cares for neither.
fn with_local_defaults(loader: ConfigLoader, settings: &Settings) -> ConfigLoader {
    let anyone = Credentials::new("longshore", "longshore", None, None, "local endpoint");
    let credentials =
        CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("local endpoint", anyone);
    let loader = loader.credentials_provider(credentials);
    match settings.region {
        Some(_) => loader,
        None => loader.region(Region::from_static("us-east-1")),
    }
}

fn http_client(pollers: usize) -> SharedHttpClient {
    HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .pool_max_idle_per_host(pollers + SPARE_CONNECTIONS)
        .build_https()
}
