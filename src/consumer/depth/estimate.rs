//! The estimated number of messages in a queue, their age and the backlog: pure.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// The number of failed polls in a row after which the last counts are not shown any more.
const PATIENCE: u32 = 3;

/// The number of messages by SQS's count, of all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// A receive may hand them over.
    pub visible: u64,
    /// Somebody holds them.
    pub in_flight: u64,
    /// They were sent with a delay that is not over.
    pub delayed: u64,
}

/// The evidence of a receive about the age of the queue, at no cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Messages came; so old is the oldest of those that wait for the first time or nearly so, if there is one.
    Messages(Option<Duration>),
    /// Nothing came for as long as the receive waited: nothing is visible.
    Empty,
    /// Nothing came, and that proves nothing: a group may be held up, or nothing was waited for.
    Unclear,
}

/// The estimate of a queue's messages.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    since: Instant,
    /// The present interval between polls.
    gap: Duration,
    polled: Option<(Counts, Instant)>,
    dlq: Option<(u64, Instant)>,
    /// The latest receive that came back.
    received: Option<(Sighting, Instant)>,
    /// The age of the oldest message that was seen last, and when it was.
    oldest: Option<(Duration, Instant)>,
    /// The time that a message keeps a slot.
    seconds_per_message: Option<f64>,
}

impl Estimate {
    pub(super) fn new(gap: Duration, now: Instant) -> Self {
        let (polled, dlq, received, oldest) = (None, None, None, None);
        Self { since: now, gap, polled, dlq, received, oldest, seconds_per_message: None }
    }

    pub(super) fn polls_every(&mut self, gap: Duration) {
        self.gap = gap;
    }

    pub(super) fn polled(&mut self, counts: Counts, now: Instant) {
        self.polled = Some((counts, now));
        match (counts.visible, self.oldest) {
            (0, _) => self.oldest = None,
            // It is at least as old as what is known of it.
            (_, None) => self.oldest = Some((Duration::ZERO, now)),
            (_, Some(_)) => {}
        }
    }

    pub(super) fn dlq_polled(&mut self, visible: u64, now: Instant) {
        self.dlq = Some((visible, now));
    }

    pub(super) fn received(&mut self, sighting: Sighting, now: Instant) {
        self.received = Some((sighting, now));
        match sighting {
            Sighting::Messages(Some(age)) => self.oldest = Some((age, now)),
            Sighting::Empty => {
                self.oldest = None;
                // Messages that come later are others than those that were counted before.
                if let Some((counts, _)) = &mut self.polled {
                    counts.visible = 0;
                }
            }
            Sighting::Messages(None) | Sighting::Unclear => {}
        }
    }

    pub(super) fn worked(&mut self, seconds_per_message: Option<f64>) {
        self.seconds_per_message = seconds_per_message;
    }

    /// True while receives come back empty.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        /// Longer than any receive takes: after it the last one is out of date.
        const LATELY: Duration = Duration::from_mins(1);
        let is_empty = |(sighting, at): (Sighting, Instant)| {
            !matches!(sighting, Sighting::Messages(_)) && now.saturating_duration_since(at) <= LATELY
        };
        self.received.is_some_and(is_empty)
    }

    fn is_fresh(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) <= self.gap.saturating_mul(PATIENCE)
    }

    /// The number of messages, unless it is stale.
    pub(super) fn counts(&self, now: Instant) -> Option<Counts> {
        self.polled.filter(|(_, at)| self.is_fresh(*at, now)).map(|(counts, _)| counts)
    }

    pub(super) fn dlq(&self, now: Instant) -> Option<u64> {
        self.dlq.filter(|(_, at)| self.is_fresh(*at, now)).map(|(visible, _)| visible)
    }

    /// The age of the oldest message that waits; unknown while the counts are stale.
    pub(super) fn oldest_age(&self, now: Instant) -> Option<Duration> {
        self.counts(now)?;
        let grown = |(age, at): (Duration, Instant)| age + now.saturating_duration_since(at);
        Some(self.oldest.map_or(Duration::ZERO, grown))
    }

    /// The time that this number of slots needs for the messages.
    #[expect(clippy::cast_precision_loss, reason = "no queue has 2^53 messages")]
    pub(super) fn backlog_seconds(&self, slots: f64, now: Instant) -> Option<f64> {
        let counts = self.counts(now)?;
        let messages = counts.visible.saturating_add(counts.in_flight);
        if messages == 0 {
            return Some(0.0);
        }
        self.seconds_per_message.map(|seconds| messages as f64 * seconds / slots.max(1.0))
    }

    /// The time since SQS's last answer; since the start when there was none.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.polled.map_or(self.since, |(_, at)| at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(30);
    const SOME: Counts = Counts { visible: 6, in_flight: 4, delayed: 2 };

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An estimate that was polled at once.
    fn polled(counts: Counts) -> (Estimate, Instant) {
        let now = Instant::now();
        let mut estimate = Estimate::new(GAP, now);
        estimate.polled(counts, now);
        (estimate, now)
    }

    #[test]
    fn nothing_is_known_before_the_first_poll_and_its_age_counts_from_the_start() {
        let now = Instant::now();
        let estimate = Estimate::new(GAP, now);
        assert_eq!((estimate.counts(now), estimate.oldest_age(now), estimate.dlq(now)), (None, None, None));
        assert_eq!(estimate.age(now + secs(70)), secs(70));
    }

    #[test]
    fn what_three_polls_could_not_renew_is_not_shown_any_more() {
        let (mut estimate, now) = polled(SOME);
        estimate.dlq_polled(3, now);
        estimate.worked(Some(2.0));
        assert_eq!((estimate.counts(now + GAP * 3), estimate.dlq(now + GAP * 3)), (Some(SOME), Some(3)));
        let late = now + GAP * 3 + secs(1);
        assert_eq!((estimate.counts(late), estimate.dlq(late)), (None, None));
        assert_eq!((estimate.oldest_age(late), estimate.backlog_seconds(1.0, late)), (None, None));
        estimate.polls_every(secs(300));
        assert_eq!(estimate.counts(late), Some(SOME), "polls are rarer while nothing comes");
    }

    #[test]
    fn a_receive_that_waited_in_vain_says_that_nothing_is_visible() {
        let (mut estimate, now) = polled(SOME);
        estimate.received(Sighting::Unclear, now + secs(1));
        assert_eq!(estimate.counts(now + secs(2)).unwrap().visible, 6);
        estimate.received(Sighting::Empty, now + secs(3));
        assert_eq!(estimate.counts(now + secs(4)), Some(Counts { visible: 0, ..SOME }));
        assert_eq!(estimate.oldest_age(now + secs(4)), Some(Duration::ZERO));
        estimate.received(Sighting::Messages(None), now + secs(4));
        assert_eq!(estimate.counts(now + secs(4)).unwrap().visible, 0, "the six do not come back");
        estimate.polled(SOME, now + secs(5));
        assert_eq!(estimate.counts(now + secs(6)), Some(SOME));
    }

    #[test]
    fn the_oldest_grows_from_when_it_was_seen_until_another_is() {
        let (mut estimate, now) = polled(SOME);
        assert_eq!(estimate.oldest_age(now + secs(7)), Some(secs(7)), "at least since the first poll");
        estimate.received(Sighting::Messages(Some(secs(100))), now + secs(10));
        assert_eq!(estimate.oldest_age(now + secs(15)), Some(secs(105)));
        estimate.received(Sighting::Messages(None), now + secs(16));
        estimate.polled(SOME, now + secs(17));
        assert_eq!(estimate.oldest_age(now + secs(20)), Some(secs(110)), "nothing newer is known");
        estimate.received(Sighting::Messages(Some(secs(2))), now + secs(20));
        assert_eq!(estimate.oldest_age(now + secs(20)), Some(secs(2)));
        estimate.polled(Counts { visible: 0, ..SOME }, now + secs(21));
        assert_eq!(estimate.oldest_age(now + secs(22)), Some(Duration::ZERO));
    }

    #[test]
    fn the_backlog_is_what_is_there_by_the_seconds_of_a_message_and_the_slots() {
        let (mut estimate, now) = polled(SOME);
        assert_eq!(estimate.backlog_seconds(4.0, now), None, "nobody knows how long a message takes");
        estimate.worked(Some(2.0));
        assert_eq!(estimate.backlog_seconds(4.0, now), Some(5.0));
        estimate.polled(Counts::default(), now);
        estimate.worked(None);
        assert_eq!(estimate.backlog_seconds(4.0, now), Some(0.0));
    }

    #[test]
    fn a_queue_is_quiet_while_receives_come_back_empty() {
        let (mut estimate, now) = polled(SOME);
        assert!(!estimate.is_quiet(now), "none has come back");
        estimate.received(Sighting::Empty, now);
        assert!(estimate.is_quiet(now + secs(60)));
        assert!(!estimate.is_quiet(now + secs(61)), "polling is paused, or there is no room");
        estimate.received(Sighting::Messages(None), now);
        assert!(!estimate.is_quiet(now));
    }
}
