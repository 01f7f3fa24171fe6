//! The SDK's clients, with every setting that matters said aloud.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    config::{Builder, timeout::TimeoutConfig},
};

use super::QueueAddress;
use crate::{
    aws::{self, AwsAccess, ServiceLocation},
    queue::limits,
};

/// The time limit of a receive beyond its wait.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);
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
    /// The outer limit of a receive.
    pub(super) const fn receive_limit(wait: Duration) -> Duration {
        wait.saturating_add(RECEIVE_MARGIN).saturating_add(aws::OUTER_MARGIN)
    }

    /// Builds both clients over one pool of connections.
    pub(super) async fn build(access: &AwsAccess, address: &QueueAddress, options: ClientOptions) -> Self {
        let location =
            ServiceLocation { region: address.region().map(str::to_owned), endpoint: address.endpoint() };
        let shared = access.load(location, options.pollers + SPARE_CONNECTIONS).await;
        let with_limit = |limit: Duration| {
            let timeouts = TimeoutConfig::builder()
                .connect_timeout(aws::CONNECT)
                .operation_attempt_timeout(limit)
                .build();
            Client::from_conf(Builder::from(&shared).timeout_config(timeouts).build())
        };
        Self { receive: with_limit(options.longest_wait + RECEIVE_MARGIN), call: with_limit(aws::CALL) }
    }
}

/// The load for which the clients are configured.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// Receives under way at once, at most.
    pub pollers: usize,
    /// The longest wait of a receive.
    pub longest_wait: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { pollers: 1, longest_wait: limits::WAIT }
    }
}
