//! The store of claims: its contract, and a store in memory for tests.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use tokio::time::Instant;

/// A claim on a key, by one delivery of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The queue's name in SQS, `#`, and the key of the message.
    pub key: String,
    /// The holder, another for each delivery.
    pub holder: String,
    /// The time for which the store remembers the key, from the last call about it.
    pub keep: Duration,
}

impl Claim {
    /// A claim on this key by this holder, for tests of a store.
    pub fn new(key: impl Into<String>, holder: impl Into<String>, keep: Duration) -> Self {
        Self { key: key.into(), holder: holder.into(), keep }
    }
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The holder has the claim.
    Granted,
    /// The key is finished.
    Finished,
    /// Another holder has the claim, which ends after this time unless it is extended.
    Held {
        /// The rest of the time.
        left: Duration,
    },
}

/// A store of claims: DynamoDB, memory, or one of your own.
///
/// # Contract
///
/// - A store remembers a key beyond the life of a worker, and serves all workers of a queue.
/// - Each call decides and changes at once: of two holders that claim a key at the same time, one is granted it.
/// - A key that was finished is granted to nobody until its `keep` is over.
/// - A call that is repeated by the same holder has the same effect: after an error it may have taken effect, or not.
/// - Each call ends within its own time limit, and repeats nothing: the caller does.
/// - Futures may be dropped; the call may then take effect, or not.
pub trait ClaimStore: Send + Sync + 'static {
    /// Claims a key for `lifetime`, unless it is finished or another holder's claim lasts.
    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        lifetime: Duration,
    ) -> BoxFuture<'a, Result<ClaimAnswer, ClaimError>>;

    /// Makes a claim end after `lifetime` from now; `false` if it is no longer the holder's, or finished.
    fn extend<'a>(&'a self, claim: &'a Claim, lifetime: Duration) -> BoxFuture<'a, Result<bool, ClaimError>>;

    /// Finishes a key, whoever holds its claim: the message was handled.
    fn finish<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>>;

    /// Ends a claim, if it is the holder's and the key is not finished: the message may run again.
    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>>;
}

/// The error of a store of claims.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClaimError {
    message: String,
    code: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ClaimError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, source: None }
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Sets the code by which the store refused the call.
    pub(super) fn with_code(self, code: String) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The code by which the store refused the call.
    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

/// A store of claims in memory, for tests; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryClaims(Arc<Mutex<HashMap<String, MemoryClaim>>>);

#[derive(Clone, Debug)]
struct MemoryClaim {
    /// `None` once the key is finished.
    holder: Option<String>,
    ends: Instant,
}

impl MemoryClaim {
    fn is_of(&self, holder: &str) -> bool {
        self.holder.as_deref() == Some(holder)
    }
}

impl MemoryClaims {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<String, MemoryClaim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that are finished, in their order; each begins with the queue's name and `#`.
    pub fn finished(&self) -> Vec<String> {
        let claims = self.claims();
        let finished =
            claims.iter().filter(|(_, claim)| claim.holder.is_none() && Instant::now() < claim.ends);
        let mut keys: Vec<_> = finished.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    fn claimed(&self, claim: &Claim, lifetime: Duration) -> ClaimAnswer {
        let (now, mut claims) = (Instant::now(), self.claims());
        if let Some(held) =
            claims.get(&claim.key).filter(|held| now < held.ends && !held.is_of(&claim.holder))
        {
            return match held.holder {
                None => ClaimAnswer::Finished,
                Some(_) => ClaimAnswer::Held { left: held.ends - now },
            };
        }
        let granted = MemoryClaim { holder: Some(claim.holder.clone()), ends: now + lifetime };
        claims.insert(claim.key.clone(), granted);
        ClaimAnswer::Granted
    }

    fn extended(&self, claim: &Claim, lifetime: Duration) -> bool {
        let mut claims = self.claims();
        let held = claims.get_mut(&claim.key).filter(|held| held.is_of(&claim.holder));
        held.is_some_and(|held| {
            held.ends = Instant::now() + lifetime;
            true
        })
    }

    fn released(&self, claim: &Claim) {
        let mut claims = self.claims();
        if claims.get(&claim.key).is_some_and(|held| held.is_of(&claim.holder)) {
            claims.remove(&claim.key);
        }
    }
}

impl ClaimStore for MemoryClaims {
    fn claim<'a>(
        &'a self,
        claim: &'a Claim,
        lifetime: Duration,
    ) -> BoxFuture<'a, Result<ClaimAnswer, ClaimError>> {
        ready(Ok(self.claimed(claim, lifetime))).boxed()
    }

    fn extend<'a>(&'a self, claim: &'a Claim, lifetime: Duration) -> BoxFuture<'a, Result<bool, ClaimError>> {
        ready(Ok(self.extended(claim, lifetime))).boxed()
    }

    fn finish<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        let finished = MemoryClaim { holder: None, ends: Instant::now() + claim.keep };
        self.claims().insert(claim.key.clone(), finished);
        ready(Ok(())).boxed()
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), ClaimError>> {
        self.released(claim);
        ready(Ok(())).boxed()
    }
}
