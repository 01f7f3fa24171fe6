//! When SQS is asked next: pure.

use std::time::Duration;

use tokio::time::Instant;

/// The number of intervals for which a quiet or a refusing queue is not polled.
const REST: u32 = 10;
/// The shortest time for which it is not polled.
const LEAST_REST: Duration = Duration::from_mins(5);

/// When SQS is asked next about one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    interval: Duration,
    /// When it was asked last.
    asked: Option<Instant>,
    answer: Answer,
    /// The traffic at that time.
    traffic: Traffic,
}

/// The result of the last poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer, or none yet.
    Told,
    /// A failure that may pass.
    Failed,
    /// A refusal, which lasts until someone acts.
    Refused,
}

/// The traffic of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// Messages come, or nobody knows.
    Some,
    /// Receives come back empty.
    None,
}

impl Rhythm {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, asked: None, answer: Answer::Told, traffic: Traffic::Some }
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
        let rests = is_quiet || self.answer == Answer::Refused;
        self.pace(if rests { Traffic::None } else { Traffic::Some })
    }

    /// True if a poll is due.
    pub(super) fn is_due(&self, traffic: Traffic, now: Instant) -> bool {
        /// The looks come an interval apart, give or take their jitter, which must not make two of it.
        const EARLY: u32 = 4;
        let gap = self.gap(traffic).saturating_sub(self.interval / EARLY);
        self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= gap)
    }

    /// Notes what became of it; answers whether that is news.
    pub(super) fn asked(&mut self, answer: Answer, traffic: Traffic, now: Instant) -> bool {
        let is_news = self.answer != answer;
        (self.asked, self.answer, self.traffic) = (Some(now), answer, traffic);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    /// The number of polls within an hour of checks an interval apart.
    fn times(traffic: Traffic, answer: Answer) -> usize {
        let (mut rhythm, start) = (Rhythm::new(INTERVAL), Instant::now());
        let looks = (0..120).map(|look| start + INTERVAL * look);
        let mut is_asked = |now| rhythm.is_due(traffic, now) && (rhythm.asked(answer, traffic, now), true).1;
        looks.filter(|now| is_asked(*now)).count()
    }

    #[test]
    fn a_quiet_queue_and_a_refusing_one_are_left_alone_for_five_minutes() {
        assert_eq!(times(Traffic::Some, Answer::Told), 120);
        assert_eq!(times(Traffic::Some, Answer::Failed), 120);
        assert_eq!(times(Traffic::None, Answer::Told), 12);
        assert_eq!(times(Traffic::Some, Answer::Refused), 12);
    }

    #[test]
    fn a_long_interval_is_rarer_still_while_nothing_comes() {
        let (mut rhythm, now) = (Rhythm::new(Duration::from_mins(10)), Instant::now());
        rhythm.asked(Answer::Told, Traffic::None, now);
        assert_eq!(rhythm.gap(Traffic::None), Duration::from_mins(100));
    }

    #[test]
    fn only_a_change_is_news() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        let news = [Answer::Told, Answer::Refused, Answer::Refused, Answer::Told, Answer::Failed];
        assert_eq!(
            news.map(|answer| rhythm.asked(answer, Traffic::Some, now)),
            [false, true, false, true, true]
        );
    }

    #[test]
    fn when_messages_cease_to_come_it_is_asked_once_more_before_it_rests() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.asked(Answer::Told, Traffic::Some, now);
        assert!(rhythm.is_due(Traffic::None, now + INTERVAL), "their copies in the DLQ are news");
        rhythm.asked(Answer::Told, Traffic::None, now + INTERVAL);
        assert!(!rhythm.is_due(Traffic::None, now + INTERVAL * 2));
        assert!(rhythm.is_due(Traffic::Some, now + INTERVAL * 2));
    }

    #[test]
    fn a_look_that_comes_a_little_early_counts() {
        let (mut rhythm, now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.asked(Answer::Told, Traffic::Some, now);
        assert!(rhythm.is_due(Traffic::Some, now + Duration::from_secs(27)));
        assert!(!rhythm.is_due(Traffic::Some, now + Duration::from_secs(20)));
    }
}
