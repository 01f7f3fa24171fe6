//! The parts that the clients of all AWS services share: the SDK configuration, the network, and the failures of calls.

mod access;
mod credentials;
mod endpoint;
mod failure;
mod network;
mod proxy;
mod role;
mod user_agent;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::settings::{Problem, http_url};

pub(crate) use self::{
    access::{AccessError, LoadedAccess},
    credentials::RenewableCredentials,
    endpoint::{HostKind, is_aws_host, partition_of, region_at_emulator, sqs_endpoint, sqs_host},
    failure::{
        CallFailure, CredentialsFault, FailureKind, SendState, credentials_fault, refuses_credentials,
    },
    network::Network,
    proxy::Proxy,
    role::RoleSettings,
    user_agent::with_user_agent,
};
pub use self::{
    access::{AwsAccess, ServiceLocation},
    role::Role,
};

/// The access to AWS; absent values come from the SDK's own sources (`AWS_*` variables, profile, task role).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The region of queues whose URL or ARN names none; absent, that of the profile, of `AWS_REGION` or of the instance.
    pub region: Option<String>,
    /// Another SQS endpoint, such as an emulator's, which then serves topics too; absent, that of `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL` or the profile, or else of the queue's URL.
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
