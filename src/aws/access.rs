//! The access to an AWS service: region, endpoint and credentials, from the settings, the environment and an address.

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    meta::{
        credentials::CredentialsProviderChain,
        region::{ProvideRegion as _, RegionProviderChain},
    },
    profile::ProfileFileRegionProvider,
    retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sqs::config::SharedHttpClient;
use aws_types::{origin::Origin, service_config::ServiceConfigKey};
use url::{Host, Url};

use super::{Network, RenewableCredentials, Role, Settings, network::variable};
use crate::settings::Problems;

/// The variable with the profile, where the settings name none.
const PROFILE: &str = "AWS_PROFILE";
/// The region of an emulator on this machine, unless another is named.
const EMULATORS_REGION: &str = "us-east-1";

/// The region and the endpoint that the address of a queue or topic leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceLocation {
    /// The region that the address names.
    pub region: Option<String>,
    /// The endpoint, where it does not follow from the region.
    pub endpoint: Option<String>,
    /// True for the region's endpoint with validated cryptography.
    pub fips: bool,
    /// True for the region's endpoint with IPv6 addresses too.
    pub dual_stack: bool,
}

impl ServiceLocation {
    /// A region, and its usual endpoint.
    pub(crate) fn in_region(region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..Self::default() }
    }
}

/// The access to AWS: settings for the SDK's own sources, or what the program has loaded.
#[derive(Clone, Debug)]
pub struct AwsAccess {
    source: AccessSource,
    role: Option<Role>,
}

#[derive(Clone, Debug)]
enum AccessSource {
    /// The SDK's own sources, which the settings override.
    Settings(Settings),
    /// A loaded configuration, with its credentials, HTTP client, region and endpoint.
    Loaded(Box<SdkConfig>),
}

/// The facts that a loaded configuration follows from: equal ones lead to equal configurations.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AccessFacts {
    region: Option<String>,
    endpoint_url: Option<String>,
    profile: Option<String>,
    role: Option<Role>,
    location: ServiceLocation,
}

/// The access to AWS cannot be used as it is configured.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// The environment names a proxy or certificates that cannot be used.
    #[error("the access to aws has {0}")]
    Network(Problems),
    /// Nothing names a region.
    #[error("no region: neither its address nor the configuration names one")]
    NoRegion,
}

/// A loaded configuration of the SDK.
#[derive(Clone, Debug)]
pub(crate) struct LoadedAccess {
    /// The configuration, with the endpoint of this service.
    pub(crate) config: SdkConfig,
    /// Its credentials, unless they are the program's own.
    pub(crate) credentials: Option<RenewableCredentials>,
}

impl LoadedAccess {
    /// The endpoint of the service, where it does not follow from the region.
    pub(crate) fn endpoint(&self, service: &str) -> Option<String> {
        if self.config.get_origin("endpoint_url").is_client_config() {
            return self.config.endpoint_url().map(str::to_owned);
        }
        configured_endpoint(&self.config, service)
    }
}

impl Default for AwsAccess {
    fn default() -> Self {
        Settings::default().into()
    }
}

impl From<Settings> for AwsAccess {
    fn from(settings: Settings) -> Self {
        Self { source: AccessSource::Settings(settings), role: None }
    }
}

impl From<SdkConfig> for AwsAccess {
    fn from(config: SdkConfig) -> Self {
        Self { source: AccessSource::Loaded(Box::new(config)), role: None }
    }
}

impl AwsAccess {
    /// Sets the role to assume; absent, the credentials are used as they are.
    #[must_use]
    pub fn with_role(self, role: Option<Role>) -> Self {
        Self { role, ..self }
    }

    /// The facts that this access at a location follows from; `None` for a loaded configuration, which is like no other.
    pub(crate) fn facts(&self, location: &ServiceLocation) -> Option<AccessFacts> {
        let AccessSource::Settings(settings) = &self.source else { return None };
        let Settings { region, endpoint_url, profile, .. } = settings.clone();
        Some(AccessFacts {
            region,
            endpoint_url,
            profile,
            role: self.role.clone(),
            location: location.clone(),
        })
    }

    /// Loads the SDK configuration of a service, by its id such as `SQS`, at this location.
    ///
    /// All clients of a runtime share one connection pool.
    pub(crate) async fn load(
        &self,
        service: &str,
        location: ServiceLocation,
    ) -> Result<LoadedAccess, AccessError> {
        match &self.source {
            AccessSource::Settings(settings) => {
                let base = BaseConfig { settings, role: self.role.as_ref() };
                // Boxed, because the SDK's futures are large.
                Box::pin(base.load(service, location)).await
            }
            AccessSource::Loaded(config) => {
                let adapted = adapt(config, &location)?;
                let credentials = match &self.role {
                    Some(role) => {
                        Some(RenewableCredentials::of_role(role, Box::pin(for_sts(&adapted)).await, None))
                    }
                    None => None,
                };
                with_credentials(located(adapted, service, None, &location), credentials)
            }
        }
    }
}

/// Adds the region to a loaded configuration, and turns off what the worker does itself.
fn adapt(config: &SdkConfig, location: &ServiceLocation) -> Result<SdkConfig, AccessError> {
    let region = location.region.clone().map(Region::new).or_else(|| config.region().cloned());
    let mut builder = config.to_builder().region(region);
    // A client without one panics.
    builder.set_behavior_version(Some(config.behavior_version().unwrap_or_else(BehaviorVersion::latest)));
    builder.set_retry_config(Some(RetryConfig::disabled()));
    builder.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
    if config.http_client().is_none() {
        builder.set_http_client(Some(http_client()?));
    }
    Ok(builder.build())
}

/// The configuration of calls to STS: the endpoint of a configuration is that of the queue or topic.
async fn for_sts(config: &SdkConfig) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(config.region().cloned());
    if let Some(client) = config.http_client() {
        loader = loader.http_client(client);
    }
    match config.credentials_provider() {
        Some(credentials) => loader.credentials_provider(credentials).load().await,
        None => loader.load().await,
    }
}

/// Leads a configuration to the endpoint of a service: the explicit one, or else that of the environment or the profile,
/// or else that of the address.
fn located(
    config: SdkConfig,
    service: &str,
    explicit: Option<&str>,
    location: &ServiceLocation,
) -> SdkConfig {
    let is_configured = configured_endpoint(&config, service).is_some();
    let mut builder = config.into_builder();
    match explicit {
        Some(endpoint) => {
            builder.set_endpoint_url(Some(endpoint.to_owned()));
            builder.insert_origin("endpoint_url", Origin::shared_config());
        }
        None if is_configured => {}
        None => {
            builder.set_endpoint_url(location.endpoint.clone());
            // What the environment demands for all services is demanded beside any endpoint, and refused by the SDK.
            if location.fips {
                builder.set_use_fips(Some(true));
            }
            if location.dual_stack {
                builder.set_use_dual_stack(Some(true));
            }
        }
    }
    builder.build()
}

/// The endpoint of a service by the environment and the profile.
fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let of_service = config.service_config().and_then(|of_service| of_service.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

fn http_client() -> Result<SharedHttpClient, AccessError> {
    let network = Network::of_process().map_err(|problems| AccessError::Network(problems.clone()))?;
    Ok(network.http_client())
}

fn with_credentials(
    config: SdkConfig,
    credentials: Option<RenewableCredentials>,
) -> Result<LoadedAccess, AccessError> {
    if config.region().is_none() {
        return Err(AccessError::NoRegion);
    }
    let config = match &credentials {
        Some(credentials) => credentials.sign(config),
        None => config,
    };
    Ok(LoadedAccess { config, credentials })
}

/// A configuration from the SDK's own sources.
struct BaseConfig<'a> {
    settings: &'a Settings,
    role: Option<&'a Role>,
}

impl BaseConfig<'_> {
    async fn load(&self, service: &str, location: ServiceLocation) -> Result<LoadedAccess, AccessError> {
        let http_client = http_client()?;
        let profile = self.settings.profile.as_deref();
        let explicit = self.settings.endpoint_url.as_deref();
        let endpoint = explicit.or(location.endpoint.as_deref());
        let is_local = profile.is_none() && endpoint.is_some_and(is_local);
        let region = self.region(&location, is_local).await;
        let sources =
            CredentialSources { profile: profile.map(str::to_owned), region, is_local, http_client };
        let config = sources.loader().no_credentials().load().await;
        if config.region().is_none() {
            return Err(AccessError::NoRegion);
        }
        let sources = CredentialSources { region: config.region().cloned(), ..sources };
        let credentials = RenewableCredentials::shared(&sources, self.role, &config);
        with_credentials(located(config, service, explicit, &location), Some(credentials))
    }

    /// The region that is known without the SDK: of the address, of the settings, or of the profile that these name.
    async fn region(&self, location: &ServiceLocation, is_local: bool) -> Option<Region> {
        let named = location.region.clone().or_else(|| self.settings.region.clone());
        if named.is_some() {
            return named.map(Region::new);
        }
        if let Some(profile) = &self.settings.profile {
            return ProfileFileRegionProvider::builder().profile_name(profile).build().region().await;
        }
        if !is_local {
            return None;
        }
        // As the SDK does, but for the look-up on an EC2 instance.
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
            .or_else(Region::from_static(EMULATORS_REGION))
            .region()
            .await
    }
}

/// The SDK's own sources of credentials.
#[derive(Clone, Debug)]
pub(super) struct CredentialSources {
    /// The profile that the settings name.
    pub(super) profile: Option<String>,
    /// The region of the STS endpoint, where a source asks STS.
    pub(super) region: Option<Region>,
    /// True for an emulator on this machine, which requires some credentials and checks none.
    pub(super) is_local: bool,
    pub(super) http_client: SharedHttpClient,
}

impl CredentialSources {
    /// Reads the sources, files and variables, anew.
    pub(super) async fn read(&self) -> Option<SharedCredentialsProvider> {
        self.loader().load().await.credentials_provider()
    }

    /// The profile that the settings or the environment name.
    pub(super) fn named_profile(&self) -> Option<String> {
        let of_environment = || variable(PROFILE).filter(|name| !name.is_empty());
        self.profile.clone().or_else(of_environment)
    }

    fn loader(&self) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http_client.clone())
            // The callers retry: the poller repeats a receive, the heartbeat an extension before its deadline.
            .retry_config(RetryConfig::disabled())
            // A long poll is silent for 20 s by design, which the protection mistakes for a stall (aws-sdk-rust#1148).
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(region.clone());
        }
        if self.is_local { with_local_credentials(loader) } else { loader }
    }
}

/// Adds placeholder credentials: an emulator requires some, and checks none.
fn with_local_credentials(loader: ConfigLoader) -> ConfigLoader {
    let placeholder = Credentials::new("longshore", "longshore", None, None, "local endpoint");
    let credentials =
        CredentialsProviderChain::first_try("environment", EnvironmentVariableCredentialsProvider::new())
            .or_else("local endpoint", placeholder);
    loader.credentials_provider(credentials)
}

/// True for plain HTTP on this machine, the endpoint of an emulator; LocalStack's own domain leads there too.
fn is_local(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let is_local_name = |name: &str| {
        ["localhost", "localhost.localstack.cloud"]
            .iter()
            .any(|local| name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    };
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => is_local_name(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_this_machine && url.scheme() == "http"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_this_machine_is_local() {
        for endpoint in [
            "http://127.0.0.1:9324",
            "http://localhost:4566",
            "http://[::1]:1",
            "http://sqs.eu-west-1.localhost.localstack.cloud:4566",
        ] {
            assert!(is_local(endpoint), "{endpoint}");
        }
        for endpoint in ["https://localhost:4566", "http://elasticmq:9324", "http://notlocalhost:1"] {
            assert!(!is_local(endpoint), "{endpoint}");
        }
    }

    async fn loaded(config: SdkConfig, location: ServiceLocation) -> SdkConfig {
        AwsAccess::from(config).load("SQS", location).await.unwrap().config
    }

    #[tokio::test]
    async fn a_loaded_configuration_keeps_its_endpoint_and_takes_the_region_of_the_address() {
        let location = ServiceLocation {
            endpoint: Some("http://127.0.0.1:9324/".to_owned()),
            ..ServiceLocation::in_region("eu-west-1")
        };
        let own = SdkConfig::builder().region(Region::new("us-west-2")).endpoint_url("http://[::1]:1");
        let adapted = loaded(own.build(), location.clone()).await;
        assert_eq!(adapted.region().map(Region::as_ref), Some("eu-west-1"));
        assert_eq!(adapted.endpoint_url(), Some("http://[::1]:1"));
        assert!(adapted.http_client().is_some());
        let empty = loaded(SdkConfig::builder().build(), location).await;
        assert_eq!(empty.endpoint_url(), Some("http://127.0.0.1:9324/"));
        assert!(empty.behavior_version().is_some(), "a client without one panics");
        assert_eq!(empty.retry_config().map(RetryConfig::max_attempts), Some(1));
        let own = SdkConfig::builder().region(Region::new("us-west-2")).build();
        let kept = loaded(own, ServiceLocation::default()).await;
        assert_eq!(kept.region().map(Region::as_ref), Some("us-west-2"));
    }

    #[tokio::test]
    async fn no_region_is_an_error_of_its_own() {
        let empty = AwsAccess::from(SdkConfig::builder().build());
        let failed = empty.load("SQS", ServiceLocation::default()).await;
        assert!(matches!(failed, Err(AccessError::NoRegion)));
    }

    #[tokio::test]
    async fn the_kind_of_endpoint_is_that_of_the_address_unless_an_endpoint_is_set() {
        let fips = ServiceLocation { fips: true, ..ServiceLocation::in_region("us-west-2") };
        assert_eq!(loaded(SdkConfig::builder().build(), fips.clone()).await.use_fips(), Some(true));
        let explicit = SdkConfig::builder().endpoint_url("http://127.0.0.1:1").build();
        assert_eq!(loaded(explicit, fips).await.use_fips(), None);
    }
}
