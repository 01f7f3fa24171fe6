//! How outcomes are told to SQS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Span;

/// How outcomes are told to SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a delete may wait for others to share its request; none waits when nothing else is running.
    pub linger: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { linger: Span::millis(20) }
    }
}
