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

/// Where rejected messages are copied to; absent, the queue's redrive policy tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DlqSettings {
    /// The DLQ's URL, when it is not the one that the queue's redrive policy names.
    pub url: Option<String>,
    /// The DLQ's name in SQS, instead of a `url`; looked up where the queue is.
    pub name: Option<String>,
    /// Whether rejected messages are copied to the DLQ and deleted; if not, a reject is a retry.
    pub copy_rejects: bool,
}

impl Default for DlqSettings {
    fn default() -> Self {
        Self { url: None, name: None, copy_rejects: true }
    }
}

impl DlqSettings {
    /// Where the DLQ is: its URL, or else its name in SQS; `None` where the redrive policy tells.
    pub fn address(&self) -> Option<&str> {
        self.url.as_deref().or(self.name.as_deref())
    }
}
