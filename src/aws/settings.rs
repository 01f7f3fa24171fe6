//! The settings of the access to AWS.

use serde::{Deserialize, Serialize};

use crate::settings::{Problem, http_url};

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
