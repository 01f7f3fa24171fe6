//! Settings of the start: its patience with an SQS that does not answer, and with queues that do not exist yet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::duration_or_word;

/// Settings of the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The time for which the start repeats calls to SQS that get no answer, are throttled or fail for another reason that may pass, or `forever`. Until every queue is open, `/livez` answers 200 and `/readyz` 503. Refused access, a queue that does not exist and a wrong URL end the start at once.
    pub patience: Patience,
}

/// The time for which a start repeats calls whose failure may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Patience {
    /// No limit.
    Forever,
    /// The time in which attempts begin.
    For(Duration),
}

impl Default for Patience {
    /// Longer than a container, a DNS name or an emulator beside the worker takes to come up.
    fn default() -> Self {
        Self::For(Duration::from_mins(1))
    }
}

duration_or_word!(Patience, "forever" => Forever, For, examples: ["1m", "5m", "forever"]);

/// The treatment of a queue that does not exist when the worker starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Missing {
    /// The start ends with an error.
    #[default]
    Fail,
    /// The other queues are consumed, and this one as soon as it exists.
    Wait,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patience_is_written_as_it_is_read() {
        for text in ["forever", "1m", "250ms"] {
            assert_eq!(text.parse::<Patience>().unwrap().to_string(), text);
        }
        assert!("none".parse::<Patience>().is_err());
    }
}
