//! The interval of the polls of a queue's depth, as it is set, and their times; pure.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    duration::{Span, duration_or_word},
    settings::Problem,
};

/// The number of intervals for which a quiet or a refusing queue is not polled.
const REST: u32 = 10;
/// The shortest time for which such a queue is not polled.
const LEAST_REST: Duration = Duration::from_mins(5);

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

/// The times of the polls of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    /// The time of the last poll.
    last_poll: Option<Instant>,
    answer: PollResult,
    /// The traffic at that time.
    traffic: Traffic,
}

/// The result of the last poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollResult {
    /// Answered, or not polled yet.
    Answered,
    /// A failure that may pass.
    Failed,
    /// A refusal, which lasts until someone acts.
    Refused,
}

/// The traffic of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Messages arrive, or the traffic is not known.
    Some,
    /// Receives come back empty.
    None,
}

impl Rhythm {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last_poll: None, answer: PollResult::Answered, traffic: Traffic::Some }
    }

    /// The interval between polls while SQS answers.
    pub(super) fn pace(&self, traffic: Traffic) -> Duration {
        match traffic {
            Traffic::Some => self.interval,
            Traffic::None => (self.interval * REST).max(LEAST_REST),
        }
    }

    /// The interval between polls: it grows only after a poll of the quiet queue, so that the last messages are counted
    /// first.
    pub(super) fn gap(&self, traffic: Traffic) -> Duration {
        let is_quiet = traffic == Traffic::None && self.traffic == Traffic::None;
        let rests = is_quiet || self.answer == PollResult::Refused;
        self.pace(if rests { Traffic::None } else { Traffic::Some })
    }

    /// True if a poll is due.
    pub(super) fn is_due(&self, traffic: Traffic, now: Instant) -> bool {
        /// Checks are an interval apart with a jitter, which must not turn one interval into two.
        const EARLY: u32 = 4;
        let gap = self.gap(traffic).saturating_sub(self.interval / EARLY);
        self.last_poll.is_none_or(|last| now.saturating_duration_since(last) >= gap)
    }

    /// Records the result of a poll; returns true if it differs from the one before.
    pub(super) fn record(&mut self, answer: PollResult, traffic: Traffic, now: Instant) -> bool {
        let has_changed = self.answer != answer;
        (self.last_poll, self.answer, self.traffic) = (Some(now), answer, traffic);
        has_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    /// The number of polls within an hour of checks an interval apart.
    fn times(traffic: Traffic, answer: PollResult) -> usize {
        let (mut rhythm, start) = (Rhythm::new(INTERVAL), Instant::now());
        let checks = (0..120).map(|number| start + INTERVAL * number);
        let mut is_polled =
            |now| rhythm.is_due(traffic, now) && (rhythm.record(answer, traffic, now), true).1;
        checks.filter(|now| is_polled(*now)).count()
    }

    #[test]
    fn a_quiet_queue_and_a_refusing_one_are_polled_every_five_minutes() {
        assert_eq!(times(Traffic::Some, PollResult::Answered), 120);
        assert_eq!(times(Traffic::Some, PollResult::Failed), 120);
        assert_eq!(times(Traffic::None, PollResult::Answered), 12);
        assert_eq!(times(Traffic::Some, PollResult::Refused), 12);
    }

    #[test]
    fn a_long_interval_grows_tenfold_while_nothing_comes() {
        let (mut rhythm, now) = (Rhythm::new(Duration::from_mins(10)), Instant::now());
        rhythm.record(PollResult::Answered, Traffic::None, now);
        assert_eq!(rhythm.gap(Traffic::None), Duration::from_mins(100));
    }

    #[test]
    fn only_a_change_of_the_result_is_reported() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        let news = [
            PollResult::Answered,
            PollResult::Refused,
            PollResult::Refused,
            PollResult::Answered,
            PollResult::Failed,
        ];
        assert_eq!(
            news.map(|answer| rhythm.record(answer, Traffic::Some, now)),
            [false, true, false, true, true]
        );
    }

    #[test]
    fn a_queue_that_becomes_quiet_is_polled_once_more_before_the_long_pause() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.record(PollResult::Answered, Traffic::Some, now);
        assert!(rhythm.is_due(Traffic::None, now + INTERVAL), "their copies in the DLQ are news");
        rhythm.record(PollResult::Answered, Traffic::None, now + INTERVAL);
        assert!(!rhythm.is_due(Traffic::None, now + INTERVAL * 2));
        assert!(rhythm.is_due(Traffic::Some, now + INTERVAL * 2));
    }

    #[test]
    fn a_check_that_comes_a_little_early_counts() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.record(PollResult::Answered, Traffic::Some, now);
        assert!(rhythm.is_due(Traffic::Some, now + Duration::from_secs(27)));
        assert!(!rhythm.is_due(Traffic::Some, now + Duration::from_secs(20)));
    }

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
