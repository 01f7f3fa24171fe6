//! How many messages one call of the handler is given.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{duration::Span, queue::limits};

/// How many messages one call of the handler is given, for handlers that take several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchSettings {
    /// The most messages a call; a batch of more than ten takes several receives, and so a `window`.
    #[schemars(range(min = 1, max = 10_000))]
    pub size: usize,
    /// How long a batch that is not full waits for more; `0s` starts what has come at once. Batches of one FIFO group never wait: SQS hands out no more of a group that is held.
    pub window: Span,
    /// The most bytes a call, bodies and attributes together; one message alone may have more.
    pub bytes: usize,
    /// Whether a batch from a FIFO queue may hold messages of several groups, or of one only.
    pub groups: Groups,
}

impl BatchSettings {
    /// The most messages a batch may have.
    pub const MOST: usize = 10_000;
    /// The longest that a batch may wait to fill up.
    pub const LONGEST_WINDOW: Span = Span::secs(5 * 60);

    /// What cannot be, by the setting's key, with what would be allowed.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut broken = Vec::new();
        if !(1..=Self::MOST).contains(&self.size) {
            broken.push(("size", format!("a whole number from 1 to {}", Self::MOST)));
        } else if self.size > limits::BATCH_ENTRIES && self.window.0.is_zero() {
            broken.push(("size", "at most 10 without a window, because a receive brings no more".to_owned()));
        }
        if self.window > Self::LONGEST_WINDOW {
            broken.push(("window", format!("at most {}", Self::LONGEST_WINDOW)));
        }
        if self.bytes == 0 {
            broken.push(("bytes", "at least 1".to_owned()));
        }
        broken
    }
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { size: 1, window: Span::secs(0), bytes: 6_000_000, groups: Groups::Several }
    }
}

/// How many FIFO groups share a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Groups {
    /// Any number, each in its order.
    #[default]
    Several,
    /// One: a failure of the whole batch then stops this group alone.
    One,
}
