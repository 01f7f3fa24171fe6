//! Settings of settlement: how deletes share requests, and the DLQ of rejected messages.

use serde::{Deserialize, Serialize};

use crate::{
    duration::Span,
    settings::{Problem, at_most},
};

/// Settings of deletes and changes of visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The longest time that a delete waits for others to share its request, at most a quarter of `visibility`; none waits when nothing else is running.
    pub linger: Span,
}

impl Settings {
    /// Finds every value that cannot work beside this visibility.
    ///
    /// A lease has at least 45 % of the visibility left while its extensions succeed. A delete that waits for a quarter
    /// is sent before the lease ends even if no further extension succeeds, and seldom costs an extension.
    pub fn validate(&self, visibility: Span) -> Vec<Problem> {
        at_most("linger", self.linger, Span(visibility.0 / 4)).into_iter().collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { linger: Span::millis(20) }
    }
}

/// The DLQ that rejected messages are copied to; absent, the one of the queue's redrive policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DlqSettings {
    /// The DLQ's URL, when it is not the one that the queue's redrive policy names.
    pub url: Option<String>,
    /// The DLQ's name in SQS, instead of a `url`; looked up where the queue is.
    pub name: Option<String>,
    /// `true` copies rejected messages to the DLQ and deletes them; with `false` a reject is a retry.
    pub copy_rejects: bool,
}

impl Default for DlqSettings {
    fn default() -> Self {
        Self { url: None, name: None, copy_rejects: true }
    }
}

impl DlqSettings {
    /// The DLQ's URL, or else its name in SQS; `None` for the DLQ of the redrive policy.
    pub fn address(&self) -> Option<&str> {
        self.url.as_deref().or(self.name.as_deref())
    }
}
