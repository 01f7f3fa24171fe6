//! Whether and how often SQS is asked how many messages a queue has.

use std::{borrow::Cow, fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::duration::{NotADuration, Span};

/// Whether and how often SQS is asked how many messages a queue has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How often SQS is asked how many messages the queue and its DLQ have, 5s to 1h, or `off`: two requests each time, and a tenth of them while receives come back empty.
    pub interval: Interval,
}

impl Settings {
    const ALLOWED: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);

    /// What cannot work: the key, and what is allowed.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        match self.interval {
            Interval::Every(interval) if !Self::ALLOWED.contains(&interval) => {
                let (least, most) = (Span(*Self::ALLOWED.start()), Span(*Self::ALLOWED.end()));
                vec![("interval", format!("{least} to {most}, or \"off\""))]
            }
            Interval::Every(_) | Interval::Off => Vec::new(),
        }
    }
}

/// How often, if ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Interval {
    /// Never.
    Off,
    /// The time between two times.
    Every(Duration),
}

impl Default for Interval {
    fn default() -> Self {
        Self::Every(Duration::from_secs(30))
    }
}

impl FromStr for Interval {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(|Span(duration)| Self::Every(duration))
    }
}

impl TryFrom<String> for Interval {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, NotADuration> {
        text.parse()
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> Self {
        interval.to_string()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Every(duration) => Span(*duration).fmt(formatter),
        }
    }
}

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["30s", "5m", "off"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_written_as_it_is_read() {
        for text in ["off", "30s", "5m"] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_what_costs_much_or_tells_nothing_is_refused() {
        let check = |text: &str| Settings { interval: text.parse().unwrap() }.check();
        for text in ["off", "5s", "1h"] {
            assert_eq!(check(text), [], "{text}");
        }
        for text in ["0s", "4s", "61m"] {
            assert_eq!(check(text), [("interval", "5s to 1h, or \"off\"".to_owned())], "{text}");
        }
    }
}
