//! The pace at which dead letters are sent back; pure.

use std::{str::FromStr, time::Duration};

use tokio::time::Instant;

/// The pace at which messages are sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Pace {
    /// Slow at first, so that a second failure costs little, and then ever faster.
    #[default]
    Growing,
    /// So many messages a second.
    Fixed(f64),
    /// As fast as SQS takes them.
    Unlimited,
}

/// The messages a second of a growing pace at first, and at most.
const FIRST: f64 = 10.0;
const MOST: f64 = 1_000.0;
/// The time in which a growing pace doubles.
const DOUBLING: Duration = Duration::from_secs(10);

/// A text that is no pace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a rate, hint: write 5/s, 300/m, 1000/h or none")]
pub(crate) struct NotAPace;

impl FromStr for Pace {
    type Err = NotAPace;

    fn from_str(text: &str) -> Result<Self, NotAPace> {
        if text == "none" {
            return Ok(Self::Unlimited);
        }
        let (count, unit) = text.split_once('/').ok_or(NotAPace)?;
        let count: u32 = count.parse().ok().filter(|count| *count > 0).ok_or(NotAPace)?;
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(NotAPace),
        };
        Ok(Self::Fixed(f64::from(count) / seconds))
    }
}

/// Counts the messages that may be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    pace: Pace,
    began: Instant,
    /// The time up to which the credit counts.
    counted: Instant,
    credit: f64,
}

impl Pacer {
    /// A pacer that lets one message be sent at once.
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, began: now, counted: now, credit: 1.0 }
    }

    /// The messages a second now; `None` if there is no limit.
    fn per_second(&self, now: Instant) -> Option<f64> {
        match self.pace {
            Pace::Growing => {
                let doublings = (now - self.began).as_secs_f64() / DOUBLING.as_secs_f64();
                Some((FIRST * doublings.exp2()).min(MOST))
            }
            Pace::Fixed(per_second) => Some(per_second),
            Pace::Unlimited => None,
        }
    }

    /// The messages that may be sent now: never more than those of a second, which a pause may have gathered.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the credit is not negative, and the cast saturates"
    )]
    pub(super) fn available(&mut self, now: Instant) -> usize {
        let Some(per_second) = self.per_second(now) else { return usize::MAX };
        let earned = (now - self.counted).as_secs_f64() * per_second;
        self.counted = now;
        self.credit = (self.credit + earned).min(per_second.max(1.0));
        self.credit as usize
    }

    /// Notes that so many are sent.
    pub(super) fn sent(&mut self, messages: usize) {
        if self.pace != Pace::Unlimited {
            self.credit = (self.credit - f64::from(u32::try_from(messages).unwrap_or(u32::MAX))).max(0.0);
        }
    }

    /// The time until the next message may be sent.
    pub(super) fn until_next(&self, now: Instant) -> Duration {
        let Some(per_second) = self.per_second(now).filter(|_| self.credit < 1.0) else {
            return Duration::ZERO;
        };
        Duration::try_from_secs_f64((1.0 - self.credit) / per_second).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_unit_of_time() {
        for (text, pace) in [
            ("5/s", Ok(Pace::Fixed(5.0))),
            ("30/m", Ok(Pace::Fixed(0.5))),
            ("7200/h", Ok(Pace::Fixed(2.0))),
            ("none", Ok(Pace::Unlimited)),
        ] {
            assert_eq!(text.parse(), pace, "{text}");
        }
        for text in ["", "5", "0/s", "-1/s", "5/d", "5/ s", "fast"] {
            assert_eq!(text.parse::<Pace>(), Err(NotAPace), "{text}");
        }
    }

    /// The messages that are sent within so many seconds, looked at ten times a second.
    fn sent_within(pace: Pace, seconds: u32) -> usize {
        let start = Instant::now();
        let mut pacer = Pacer::new(pace, start);
        let mut sent = 0;
        for tick in 0..=seconds * 10 {
            let available = pacer.available(start + Duration::from_millis(100) * tick);
            pacer.sent(available);
            sent += available;
        }
        sent
    }

    #[test]
    fn no_more_than_the_rate_are_sent_and_no_fewer() {
        assert_eq!(sent_within(Pace::Fixed(5.0), 10), 51, "one at once, and five a second");
        assert_eq!(sent_within(Pace::Fixed(0.5), 10), 6);
    }

    #[test]
    fn a_growing_pace_doubles_in_ten_seconds_up_to_a_limit() {
        let (first, second) = (sent_within(Pace::Growing, 10), sent_within(Pace::Growing, 20));
        assert!((120..170).contains(&first), "{first}");
        assert!((first * 2..first * 4).contains(&second), "{second}");
        let (late, later) = (sent_within(Pace::Growing, 200), sent_within(Pace::Growing, 210));
        assert!((9_900..=10_100).contains(&(later - late)), "{}", later - late);
    }

    #[test]
    fn a_pause_gathers_the_messages_of_a_second_only() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pace::Fixed(5.0), start);
        assert_eq!(pacer.available(start + Duration::from_mins(1)), 5);
        pacer.sent(5);
        assert_eq!(pacer.until_next(start + Duration::from_mins(1)), Duration::from_millis(200));
    }
}
