//! The settings of the access to AWS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The access to AWS; absent values come from the SDK's own sources (`AWS_*` variables, profile, task role).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The region; absent, it is read from the queue's URL.
    pub region: Option<String>,
    /// Another SQS endpoint, such as an emulator's, which then serves topics too.
    pub endpoint_url: Option<String>,
    /// The profile of the shared AWS configuration files.
    pub profile: Option<String>,
}
