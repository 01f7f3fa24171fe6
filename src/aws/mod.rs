//! The parts that the clients of all AWS services share: the SDK configuration, the network, and the failures of calls.

mod access;
mod credentials;
mod endpoint;
mod failure;
mod network;
mod proxy;
mod role;
mod sources;
mod user_agent;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use serde::{Deserialize, Serialize};

use crate::{
    duration::Limit,
    settings::{Problem, http_url},
};

#[cfg(any(feature = "ecs", feature = "once", feature = "payload"))]
pub(crate) use self::credentials::with_renewal;
pub(crate) use self::{
    access::{AccessError, AccessFacts, LoadedAccess},
    credentials::{RenewableCredentials, UsedCredentials},
    endpoint::{HostKind, is_aws_host, partition_of, region_at_emulator, sqs_endpoint, sqs_host},
    failure::{
        CallFailure, CredentialsFault, FailureKind, NO_CREDENTIALS, ROLE_NOT_ASSUMED, SendState,
        credentials_fault, credentials_fix, is_unknown_host, refuses_credentials,
    },
    network::{Network, proxy_fix},
    proxy::Proxy,
    role::RoleSettings,
    user_agent::{FixedUserAgent, with_user_agent},
};
pub use self::{
    access::{AwsAccess, ServiceLocation},
    role::Role,
};

/// The access to AWS; absent values come from the SDK's own sources (`AWS_*` variables, profile, task role).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The region of queues whose URL or ARN names none; absent, that of the profile, of `AWS_REGION` or of the instance.
    pub region: Option<String>,
    /// Another SQS endpoint, such as an emulator's, which then serves topics too; absent, that of `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL` or the profile, or else of the queue's URL.
    pub endpoint_url: Option<String>,
    /// The profile of the shared AWS configuration files.
    pub profile: Option<String>,
    /// The time after which credentials that AWS refuses, or that cannot be read, turn `/livez` to 503, because only a new process may help; or `none`.
    pub credentials_dead_after: Limit,
}

/// The default of `credentials_dead_after`: longer than a role or its trust policy is usually wrong during a change.
pub(crate) const CREDENTIALS_DEAD_AFTER: Duration = Duration::from_mins(15);

impl Default for Settings {
    fn default() -> Self {
        let credentials_dead_after = Limit::After(CREDENTIALS_DEAD_AFTER);
        Self { region: None, endpoint_url: None, profile: None, credentials_dead_after }
    }
}

impl Settings {
    /// Finds an endpoint that is not a URL of HTTP, and a time that is none.
    pub fn validate(&self) -> Vec<Problem> {
        let at_once = self.credentials_dead_after == Limit::After(Duration::ZERO);
        let problem = || {
            Problem::new("credentials_dead_after", "too short").with_allowed("a time such as 15m, or none")
        };
        let endpoint = http_url("endpoint_url", self.endpoint_url.as_deref());
        endpoint.into_iter().chain(at_once.then(problem)).collect()
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

/// The time limit of connection attempts, for a client whose calls are limited by the caller.
pub(crate) fn connect_limit() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).build()
}

/// The time limits of a client whose calls may take this long each.
pub(crate) fn time_limits(call: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(call).build()
}
