//! How one queue is received from.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::duration::Span;

/// How one queue is received from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiveSettings {
    /// How long a receive waits for a message: `20s` is the cheapest, three requests a minute when idle. Cut to two thirds of the visibility.
    pub wait: Span,
    /// The pause after a receive that came back with fewer messages than asked for; fewer requests for that much latency.
    pub pace: Span,
    /// The most receives under way at once.
    #[schemars(range(min = 1, max = 32))]
    pub pollers: usize,
}

impl Default for ReceiveSettings {
    fn default() -> Self {
        Self { wait: Span::secs(20), pace: Span::millis(0), pollers: 32 }
    }
}

/// How many messages may be held beyond those running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefetch {
    /// As many as will start within about one round trip to SQS.
    #[default]
    Auto,
    /// This many.
    Fixed(usize),
}

impl Prefetch {
    /// What is held before anything is known of the flow.
    pub(super) fn initial(self) -> usize {
        match self {
            Self::Auto => 0,
            Self::Fixed(messages) => messages,
        }
    }
}

impl FromStr for Prefetch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let message = || format!("neither a number nor \"auto\": {text:?}");
        text.parse().map(Self::Fixed).map_err(|_| message())
    }
}

impl fmt::Display for Prefetch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Fixed(messages) => messages.fmt(formatter),
        }
    }
}

impl Serialize for Prefetch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(messages) => messages.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Prefetch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(usize),
            Text(String),
        }
        match Raw::deserialize(deserializer).map_err(|_| D::Error::custom("neither a number nor \"auto\""))? {
            Raw::Number(messages) => Ok(Self::Fixed(messages)),
            Raw::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Prefetch {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Prefetch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 0 }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefetch_is_auto_or_a_number() {
        assert_eq!("auto".parse(), Ok(Prefetch::Auto));
        assert_eq!("12".parse(), Ok(Prefetch::Fixed(12)));
        assert_eq!(serde_json::from_str::<Prefetch>("3").unwrap(), Prefetch::Fixed(3));
        assert!(serde_json::from_str::<Prefetch>("-3").is_err());
    }
}
