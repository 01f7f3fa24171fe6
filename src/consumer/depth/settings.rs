//! Settings of the polls of a queue's depth.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    duration::{Span, duration_or_word},
    settings::Problem,
};

/// Settings of the polls of a queue's depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The time between two requests for the numbers of messages in the queue and its DLQ, 5s to 1h, or `off`: two requests each time, and a tenth of them while receives come back empty.
    pub interval: Interval,
}

impl Settings {
    const ALLOWED: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);

    /// Finds an interval that is too short or too long.
    pub fn validate(&self) -> Vec<Problem> {
        match self.interval {
            Interval::Every(interval) if !Self::ALLOWED.contains(&interval) => {
                let (least, most) = (Span(*Self::ALLOWED.start()), Span(*Self::ALLOWED.end()));
                let problem = Problem::new("interval", "out of range").with_value(Span(interval));
                vec![problem.with_allowed(format!("{least} to {most}, or \"off\""))]
            }
            Interval::Every(_) | Interval::Off => Vec::new(),
        }
    }
}

/// The time between two counts of a queue's messages, if they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Interval {
    /// Never.
    Off,
    /// Counted once in this time.
    Every(Duration),
}

impl Default for Interval {
    fn default() -> Self {
        Self::Every(Duration::from_secs(30))
    }
}

duration_or_word!(Interval, "off" => Off, Every, examples: ["30s", "5m", "off"]);

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
    fn an_interval_out_of_range_is_refused() {
        let validate = |text: &str| Settings { interval: text.parse().unwrap() }.validate();
        for text in ["off", "5s", "1h"] {
            assert_eq!(validate(text), [], "{text}");
        }
        for text in ["0s", "4s", "61m"] {
            assert_eq!(validate(text)[0].allowed(), Some("5s to 1h, or \"off\""), "{text}");
        }
    }
}
