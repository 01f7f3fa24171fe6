//! Credentials that change: read anew once AWS refuses them, and replaced before they expire.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_config::{Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider};
use aws_credential_types::{
    Credentials,
    provider::{
        ProvideCredentials, Result as Provided, SharedCredentialsProvider, error::CredentialsError,
        future::ProvideCredentials as Providing,
    },
};
use aws_sdk_sqs::config::{ConfigBag, RuntimeComponents};
#[cfg(any(feature = "ecs", feature = "once", feature = "payload"))]
use aws_sdk_sqs::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, SharedIdentityResolver,
};
use tokio::{
    runtime::{self, Handle},
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};

use super::{CALL, Role, access::CredentialSources, sources, time_limits};
use crate::{duration::Span, tasks};

/// The time before their expiry from which credentials are replaced, in the background; a fifth of a shorter life.
const EARLY: Duration = Duration::from_mins(5);
/// The time limit of reading credentials, a program of `credential_process` included.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// The time for which a call waits for credentials: less than its own limit, so that its error names them.
const WAIT_LIMIT: Duration = Duration::from_secs(8);
/// The pause between two readings because of refusals, so that calls in flight at once do not each cause one.
const PAUSE: Duration = Duration::from_secs(2);
/// The name of a role's session that has none.
const SESSION_NAME: &str = "longshore";

/// The credentials of AWS calls; clones share them.
///
/// They are both the SDK's provider and its cache, because its own cache keeps what AWS refuses, and its providers keep
/// what they once read from files.
#[derive(Clone, Debug)]
pub(crate) struct RenewableCredentials(Arc<Renewal>);

/// The number of the credentials in use: another after each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

#[derive(Debug)]
struct Renewal {
    source: CredentialsSource,
    held: RwLock<Option<Arc<HeldCredentials>>>,
    generation: AtomicU64,
    /// True once a role could not be assumed with them, so that they are read anew before the next attempt.
    is_doubted: AtomicBool,
    reading: AsyncMutex<Reading>,
}

#[derive(Debug)]
enum CredentialsSource {
    /// The SDK's own sources.
    Own(CredentialSources),
    /// A role, assumed with other credentials, which this configuration has.
    Role { role: Role, config: Box<SdkConfig>, base: Option<RenewableCredentials> },
}

/// The state that the one reading at a time owns.
#[derive(Debug, Default)]
struct Reading {
    /// The sources as they were read; absent, they are read anew.
    provider: Option<SharedCredentialsProvider>,
    read_at: Option<Instant>,
}

#[derive(Debug)]
struct HeldCredentials {
    credentials: Credentials,
    identity: Identity,
    /// The time from which they are replaced.
    due: Option<SystemTime>,
    expires: Option<SystemTime>,
}

impl HeldCredentials {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        let expires = credentials.expiry();
        let life = |expires: SystemTime| expires.duration_since(now).unwrap_or_default();
        let due = expires.map(|expires| expires - EARLY.min(life(expires) / 5));
        Self { identity: credentials.clone().into(), credentials, due, expires }
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The facts that credentials depend on; those of one runtime are not used on another, because of their connections.
type SharedKey = (runtime::Id, Option<String>, Option<Region>, bool, Option<Role>);

impl RenewableCredentials {
    /// The credentials of these sources, or of a role assumed with them, which all share that name the same.
    pub(super) fn shared(sources: &CredentialSources, role: Option<&Role>, config: &SdkConfig) -> Self {
        static SHARED: LazyLock<Mutex<HashMap<SharedKey, Weak<Renewal>>>> = LazyLock::new(Mutex::default);
        let CredentialSources { profile, region, is_local, .. } = sources;
        let key = |role: Option<&Role>| {
            (Handle::current().id(), profile.clone(), region.clone(), *is_local, role.cloned())
        };
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|_, renewal| renewal.strong_count() > 0);
        if let Some(renewal) = shared.get(&key(role)).and_then(Weak::upgrade) {
            return Self(renewal);
        }
        let own = shared.get(&key(None)).and_then(Weak::upgrade).map(Self);
        let base_key = key(None);
        let base = own.unwrap_or_else(|| Self::of(CredentialsSource::Own(sources.clone())));
        shared.insert(base_key, Arc::downgrade(&base.0));
        let Some(role) = role else { return base };
        let of_role = Self::of_role(role, base.sign(config.clone()), Some(base));
        shared.insert(key(Some(role)), Arc::downgrade(&of_role.0));
        of_role
    }

    /// The credentials of a role, assumed with those of a configuration.
    pub(super) fn of_role(role: &Role, config: SdkConfig, base: Option<Self>) -> Self {
        Self::of(CredentialsSource::Role { role: role.clone(), config: Box::new(config), base })
    }

    fn of(source: CredentialsSource) -> Self {
        Self(Arc::new(Renewal {
            source,
            held: RwLock::default(),
            generation: AtomicU64::default(),
            is_doubted: AtomicBool::default(),
            reading: AsyncMutex::default(),
        }))
    }

    /// A configuration that signs with them.
    pub(super) fn sign(&self, config: SdkConfig) -> SdkConfig {
        let provider = SharedCredentialsProvider::new(self.clone());
        config.into_builder().credentials_provider(provider).identity_cache(self.clone()).build()
    }

    fn held(&self) -> Option<Arc<HeldCredentials>> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The credentials to use now without waiting, if there are; ones that will expire are replaced meanwhile.
    fn at_hand(&self) -> Option<Arc<HeldCredentials>> {
        let now = SystemTime::now();
        let held = self.held().filter(|held| !held.has_expired(now))?;
        if self.0.is_doubted.load(Ordering::Acquire) {
            return None;
        }
        if held.is_due(now) && self.0.reading.try_lock().is_ok() {
            let own = self.clone();
            // Its failure is no loss yet: the next call asks again.
            drop(tasks::detach("credentials", async move { drop(own.0.replaced().await) }));
        }
        Some(held)
    }

    /// The credentials to use now. They are read by a task, because a caller may have less patience than a source.
    async fn current(&self) -> Result<Arc<HeldCredentials>, CredentialsError> {
        if let Some(held) = self.at_hand() {
            return Ok(held);
        }
        let own = self.clone();
        let read = tasks::detach("credentials", async move { own.0.replaced().await });
        match timeout(WAIT_LIMIT, read).await {
            Ok(read) => read.map_err(CredentialsError::unhandled)?,
            Err(_) => Err(CredentialsError::provider_error(SourceHangs)),
        }
    }
}

impl Renewal {
    fn number(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    async fn renew(&self, refused: Generation) -> bool {
        let mut reading = self.reading.lock().await;
        if self.number() != refused {
            return true;
        }
        if reading.is_recent() {
            return false;
        }
        reading.provider = None;
        self.doubt_base();
        self.read(&mut reading).await.is_ok() && self.number() != refused
    }

    /// Replaces the credentials, unless that was done a moment ago.
    async fn replaced(&self) -> Result<Arc<HeldCredentials>, CredentialsError> {
        let mut reading = self.reading.lock().await;
        let now = SystemTime::now();
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let is_doubted = self.is_doubted.load(Ordering::Acquire);
        if let Some(held) = held
            && (reading.is_recent() || !is_doubted && !held.is_due(now))
        {
            return Ok(held);
        }
        if is_doubted {
            reading.provider = None;
        }
        self.read(&mut reading).await
    }

    async fn read(&self, reading: &mut Reading) -> Result<Arc<HeldCredentials>, CredentialsError> {
        let read = async {
            let provider = match reading.provider.take() {
                Some(provider) => provider,
                None => self.source.open().await?,
            };
            let credentials = provider.provide_credentials().await;
            let credentials = match credentials {
                Ok(credentials) => credentials,
                Err(error) => return Err(self.source.explain(error).await),
            };
            reading.provider = Some(provider);
            Ok(credentials)
        };
        let answer = timeout(READ_LIMIT, read).await;
        let answer = answer.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(READ_LIMIT)));
        reading.read_at = answer.is_ok().then(Instant::now);
        if answer.is_err() {
            self.doubt_base();
        }
        Ok(self.hold(answer?))
    }

    fn hold(&self, credentials: Credentials) -> Arc<HeldCredentials> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = |held: &Arc<HeldCredentials>| are_same(&held.credentials, &credentials);
        if !held.as_ref().is_some_and(is_same) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        self.is_doubted.store(false, Ordering::Release);
        held.insert(Arc::new(HeldCredentials::new(credentials, SystemTime::now()))).clone()
    }

    /// Notes that a role could not be assumed, or not for long, which may be the fault of what it is assumed with.
    fn doubt_base(&self) {
        if let CredentialsSource::Role { base: Some(base), .. } = &self.source {
            base.0.is_doubted.store(true, Ordering::Release);
        }
    }
}

impl Reading {
    fn is_recent(&self) -> bool {
        self.read_at.is_some_and(|read_at| read_at.elapsed() < PAUSE)
    }
}

impl CredentialsSource {
    /// Names the role, or the profile and its source, in their failure.
    async fn explain(&self, error: CredentialsError) -> CredentialsError {
        match self {
            Self::Role { role, .. } => CredentialsError::provider_error(RoleNotAssumed::new(role, error)),
            Self::Own(sources) => sources::explained(error, sources.named_profile()).await,
        }
    }

    /// Opens the sources: their files and variables are read anew.
    async fn open(&self) -> Result<SharedCredentialsProvider, CredentialsError> {
        match self {
            Self::Own(sources) => {
                sources.read().await.ok_or_else(|| CredentialsError::not_loaded("no source of credentials"))
            }
            Self::Role { role, config, .. } => {
                let config = config.to_builder().retry_config(RetryConfig::standard());
                let config = config.timeout_config(time_limits(CALL)).build();
                let session = role.session_name.as_deref().unwrap_or(SESSION_NAME);
                let mut builder =
                    AssumeRoleProvider::builder(&role.arn).configure(&config).session_name(session);
                if let Some(id) = &role.external_id {
                    builder = builder.external_id(id);
                }
                Ok(SharedCredentialsProvider::new(builder.build().await))
            }
        }
    }
}

/// The source of the credentials has not answered while a call waited for it.
#[derive(Debug, thiserror::Error)]
#[error(
    "their source has not answered for {}: a credential_process that hangs, or an address that is not reached",
    Span(WAIT_LIMIT)
)]
pub(super) struct SourceHangs;

impl SourceHangs {
    pub(super) const FIX: &str = "run the profile's credential_process by hand, and check the network to STS, SSO and the addresses of metadata";
}

/// A role is not assumed.
#[derive(Debug, thiserror::Error)]
#[error("the role {arn} is not assumed")]
pub(super) struct RoleNotAssumed {
    arn: String,
    source: CredentialsError,
}

impl RoleNotAssumed {
    pub(super) fn new(role: &Role, source: CredentialsError) -> Self {
        Self { arn: role.arn.clone(), source }
    }
}

fn are_same(one: &Credentials, other: &Credentials) -> bool {
    let parts = |credentials: &Credentials| {
        let session_token = credentials.session_token().map(str::to_owned);
        (credentials.access_key_id().to_owned(), credentials.secret_access_key().to_owned(), session_token)
    };
    parts(one) == parts(other)
}

impl ProvideCredentials for RenewableCredentials {
    fn provide_credentials<'a>(&'a self) -> Providing<'a>
    where
        Self: 'a,
    {
        Providing::new(async { Provided::Ok(self.current().await?.credentials.clone()) })
    }
}

impl ResolveCachedIdentity for RenewableCredentials {
    fn resolve_cached_identity<'a>(
        &'a self,
        _resolver: SharedIdentityResolver,
        _components: &'a RuntimeComponents,
        _config: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        match self.at_hand() {
            Some(held) => IdentityFuture::ready(Ok(held.identity.clone())),
            None => IdentityFuture::new(async { Ok(self.current().await?.identity.clone()) }),
        }
    }
}

/// The credentials with which a call is about to be signed, unless they are the program's own.
#[derive(Debug)]
pub(crate) struct UsedCredentials<'a>(Option<(&'a RenewableCredentials, Generation)>);

impl<'a> UsedCredentials<'a> {
    /// The credentials as they are before the call.
    pub(crate) fn of(credentials: Option<&'a RenewableCredentials>) -> Self {
        Self(credentials.map(|credentials| (credentials, credentials.0.number())))
    }

    /// Reads their sources anew, because AWS has refused them; true if there are others since.
    pub(crate) async fn are_renewed(self) -> bool {
        let Some((credentials, refused)) = self.0 else { return false };
        let own = credentials.clone();
        let renewed = tasks::detach("credentials", async move { own.0.renew(refused).await });
        renewed.await.unwrap_or(false)
    }
}

/// Calls AWS, and once more with other credentials if it refuses those that were used and there are others by then.
#[cfg(any(feature = "ecs", feature = "once", feature = "payload"))]
pub(crate) async fn with_renewal<T, E, F>(
    credentials: Option<&RenewableCredentials>,
    call: impl Fn() -> F,
) -> Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let used = UsedCredentials::of(credentials);
    // Boxed, because the SDK's futures are large.
    match Box::pin(call()).await {
        Err(error) if error.code().is_some_and(super::refuses_credentials) => {
            if used.are_renewed().await {
                Box::pin(call()).await
            } else {
                Err(error)
            }
        }
        answer => answer,
    }
}
