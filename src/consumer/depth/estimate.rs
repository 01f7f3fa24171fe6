//! The estimated number of messages in a queue, the age of the oldest, and the backlog; pure.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// The number of failed polls in a row after which the last counts are no longer shown.
const PATIENCE: u32 = 3;

/// The number of messages by SQS's count, of all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Messages that a receive may return.
    pub visible: u64,
    /// Messages that a consumer holds.
    pub in_flight: u64,
    /// Messages whose delay is not over.
    pub delayed: u64,
}

/// A sample of the queue's age, from a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAgeSample {
    /// Messages were received; the age of the oldest that was not received too often, if there is one.
    Messages(Option<Duration>),
    /// A long poll returned nothing: no message is visible.
    Empty,
    /// A receive returned nothing, which proves nothing: a group may be blocked, or the receive did not wait.
    Unclear,
}

/// The estimate of a queue's messages.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    since: Instant,
    /// The current interval between polls.
    gap: Duration,
    polled: Option<(Counts, Instant)>,
    /// True once a receive has brought messages since the last count, which therefore may have missed them.
    is_outrun: bool,
    dlq: Option<(u64, Instant)>,
    /// The time for which SQS keeps a message.
    retention: Option<Duration>,
    /// The sample of the latest receive.
    received: Option<(QueueAgeSample, Instant)>,
    /// The last sampled age of the oldest message, with the time of the sample.
    oldest: Option<(Duration, Instant)>,
    /// The time that a message keeps a slot.
    seconds_per_message: Option<f64>,
}

impl Estimate {
    pub(super) fn new(gap: Duration, now: Instant) -> Self {
        let (polled, dlq, retention, received, oldest) = (None, None, None, None, None);
        Self {
            since: now,
            gap,
            polled,
            is_outrun: false,
            dlq,
            retention,
            received,
            oldest,
            seconds_per_message: None,
        }
    }

    pub(super) fn polls_every(&mut self, gap: Duration) {
        self.gap = gap;
    }

    pub(super) fn polled(&mut self, counts: Counts, now: Instant) {
        self.polled = Some((counts, now));
        self.is_outrun = false;
        match (counts.visible, self.oldest) {
            (0, _) => self.oldest = None,
            // It is at least as old as the time since this poll.
            (_, None) => self.oldest = Some((Duration::ZERO, now)),
            (_, Some(_)) => {}
        }
    }

    /// Notes the time for which SQS keeps a message; zero if it is not known.
    pub(super) fn kept_for(&mut self, retention: Duration) {
        self.retention = Some(retention).filter(|retention| !retention.is_zero());
    }

    /// The time for which SQS keeps a message, if it is known; it outlives the counts, as it seldom changes.
    pub(super) fn retention(&self) -> Option<Duration> {
        self.retention
    }

    pub(super) fn dlq_polled(&mut self, visible: u64, now: Instant) {
        self.dlq = Some((visible, now));
    }

    pub(super) fn received(&mut self, sample: QueueAgeSample, now: Instant) {
        self.received = Some((sample, now));
        match sample {
            QueueAgeSample::Messages(_) => self.is_outrun = true,
            QueueAgeSample::Empty => self.is_outrun = false,
            QueueAgeSample::Unclear => {}
        }
        match sample {
            QueueAgeSample::Messages(Some(age)) => self.oldest = Some((age, now)),
            QueueAgeSample::Empty => {
                self.oldest = None;
                // The counted messages are gone; later ones are others.
                if let Some((counts, _)) = &mut self.polled {
                    counts.visible = 0;
                }
            }
            QueueAgeSample::Messages(None) | QueueAgeSample::Unclear => {}
        }
    }

    pub(super) fn worked(&mut self, seconds_per_message: Option<f64>) {
        self.seconds_per_message = seconds_per_message;
    }

    /// True while receives return nothing because there is nothing.
    ///
    /// The last count decides where an empty receive proves nothing: blocked groups may have all the messages.
    pub(super) fn is_quiet(&self, now: Instant) -> bool {
        /// Longer than any receive takes: an older sample is stale.
        const LATELY: Duration = Duration::from_mins(1);
        let Some((sample, at)) = self.received else { return false };
        let is_empty = match sample {
            QueueAgeSample::Messages(_) => false,
            QueueAgeSample::Empty => true,
            QueueAgeSample::Unclear => self.polled.is_some_and(|(counts, _)| counts == Counts::default()),
        };
        is_empty && now.saturating_duration_since(at) <= LATELY
    }

    fn is_fresh(&self, at: Instant, now: Instant) -> bool {
        now.saturating_duration_since(at) <= self.gap.saturating_mul(PATIENCE)
    }

    /// The number of messages; `None` if it is stale.
    pub(super) fn counts(&self, now: Instant) -> Option<Counts> {
        self.polled.filter(|(_, at)| self.is_fresh(*at, now)).map(|(counts, _)| counts)
    }

    /// True if receives have brought messages since the last count.
    pub(super) fn is_outrun(&self) -> bool {
        self.is_outrun
    }

    pub(super) fn dlq(&self, now: Instant) -> Option<u64> {
        self.dlq.filter(|(_, at)| self.is_fresh(*at, now)).map(|(visible, _)| visible)
    }

    /// The age of the oldest waiting message; `None` while the counts are stale.
    pub(super) fn oldest_age(&self, now: Instant) -> Option<Duration> {
        self.counts(now)?;
        let grown = |(age, at): (Duration, Instant)| age + now.saturating_duration_since(at);
        Some(self.oldest.map_or(Duration::ZERO, grown))
    }

    /// The time that this many slots need for the messages, each of which takes the seconds that the function returns for
    /// the usual seconds.
    #[expect(clippy::cast_precision_loss, reason = "no queue has 2^53 messages")]
    pub(super) fn backlog_seconds(
        &self,
        slots: f64,
        seconds_per_message: impl FnOnce(Option<f64>) -> Option<f64>,
        now: Instant,
    ) -> Option<f64> {
        let counts = self.counts(now)?;
        let messages = counts.visible.saturating_add(counts.in_flight);
        if messages == 0 {
            return Some(0.0);
        }
        let seconds = seconds_per_message(self.seconds_per_message)?;
        Some(messages as f64 * seconds / slots.max(1.0))
    }

    /// The time since the last answer of SQS, or else since the start.
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

    /// The calls that run say no more than those that have ended.
    fn by_ends(usual: Option<f64>) -> Option<f64> {
        usual
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
    fn counts_are_hidden_after_three_failed_polls() {
        let (mut estimate, now) = polled(SOME);
        estimate.dlq_polled(3, now);
        estimate.worked(Some(2.0));
        assert_eq!((estimate.counts(now + GAP * 3), estimate.dlq(now + GAP * 3)), (Some(SOME), Some(3)));
        let late = now + GAP * 3 + secs(1);
        assert_eq!((estimate.counts(late), estimate.dlq(late)), (None, None));
        assert_eq!((estimate.oldest_age(late), estimate.backlog_seconds(1.0, by_ends, late)), (None, None));
        estimate.polls_every(secs(300));
        assert_eq!(estimate.counts(late), Some(SOME), "polls are rarer while nothing comes");
    }

    #[test]
    fn an_empty_long_poll_means_that_nothing_is_visible() {
        let (mut estimate, now) = polled(SOME);
        estimate.received(QueueAgeSample::Unclear, now + secs(1));
        assert_eq!(estimate.counts(now + secs(2)).unwrap().visible, 6);
        estimate.received(QueueAgeSample::Empty, now + secs(3));
        assert_eq!(estimate.counts(now + secs(4)), Some(Counts { visible: 0, ..SOME }));
        assert_eq!(estimate.oldest_age(now + secs(4)), Some(Duration::ZERO));
        estimate.received(QueueAgeSample::Messages(None), now + secs(4));
        assert_eq!(estimate.counts(now + secs(4)).unwrap().visible, 0, "the six do not come back");
        estimate.polled(SOME, now + secs(5));
        assert_eq!(estimate.counts(now + secs(6)), Some(SOME));
    }

    #[test]
    fn a_count_is_outrun_by_messages_until_the_next_one_or_an_empty_long_poll() {
        let (mut estimate, now) = polled(Counts::default());
        assert!(!estimate.is_outrun());
        estimate.received(QueueAgeSample::Messages(None), now);
        estimate.received(QueueAgeSample::Unclear, now);
        assert!(estimate.is_outrun(), "blocked groups may have further messages");
        estimate.received(QueueAgeSample::Empty, now);
        assert!(!estimate.is_outrun());
        estimate.received(QueueAgeSample::Messages(Some(secs(1))), now);
        assert!(estimate.is_outrun());
        estimate.polled(SOME, now);
        assert!(!estimate.is_outrun());
    }

    #[test]
    fn the_oldest_age_grows_until_another_message_is_sampled() {
        let (mut estimate, now) = polled(SOME);
        assert_eq!(estimate.oldest_age(now + secs(7)), Some(secs(7)), "at least since the first poll");
        estimate.received(QueueAgeSample::Messages(Some(secs(100))), now + secs(10));
        assert_eq!(estimate.oldest_age(now + secs(15)), Some(secs(105)));
        estimate.received(QueueAgeSample::Messages(None), now + secs(16));
        estimate.polled(SOME, now + secs(17));
        assert_eq!(estimate.oldest_age(now + secs(20)), Some(secs(110)), "nothing newer is known");
        estimate.received(QueueAgeSample::Messages(Some(secs(2))), now + secs(20));
        assert_eq!(estimate.oldest_age(now + secs(20)), Some(secs(2)));
        estimate.polled(Counts { visible: 0, ..SOME }, now + secs(21));
        assert_eq!(estimate.oldest_age(now + secs(22)), Some(Duration::ZERO));
    }

    #[test]
    fn the_backlog_is_messages_times_seconds_per_message_divided_by_slots() {
        let (mut estimate, now) = polled(SOME);
        assert_eq!(estimate.backlog_seconds(4.0, by_ends, now), None, "the time per message is not known");
        estimate.worked(Some(2.0));
        assert_eq!(estimate.backlog_seconds(4.0, by_ends, now), Some(5.0));
        estimate.polled(Counts::default(), now);
        estimate.worked(None);
        assert_eq!(estimate.backlog_seconds(4.0, by_ends, now), Some(0.0));
    }

    #[test]
    fn the_backlog_is_no_shorter_than_by_the_calls_that_run() {
        let (mut estimate, now) = polled(SOME);
        assert_eq!(estimate.backlog_seconds(4.0, |_| Some(8.0), now), Some(20.0), "none has ended yet");
        estimate.worked(Some(2.0));
        let hung = |usual: Option<f64>| usual.map(|usual| usual + 798.0);
        assert_eq!(estimate.backlog_seconds(4.0, hung, now), Some(2_000.0));
    }

    #[test]
    fn a_queue_whose_messages_are_blocked_is_not_quiet() {
        let (mut estimate, now) = polled(SOME);
        estimate.received(QueueAgeSample::Unclear, now);
        assert!(!estimate.is_quiet(now), "its groups may be blocked");
        estimate.polled(Counts { delayed: 1, ..Counts::default() }, now);
        assert!(!estimate.is_quiet(now));
        estimate.polled(Counts::default(), now);
        assert!(estimate.is_quiet(now));
        let mut unknown = Estimate::new(GAP, now);
        unknown.received(QueueAgeSample::Unclear, now);
        assert!(!unknown.is_quiet(now), "nothing is known of it");
    }

    #[test]
    fn a_queue_is_quiet_while_receives_come_back_empty() {
        let (mut estimate, now) = polled(SOME);
        assert!(!estimate.is_quiet(now), "none has come back");
        estimate.received(QueueAgeSample::Empty, now);
        assert!(estimate.is_quiet(now + secs(60)));
        assert!(!estimate.is_quiet(now + secs(61)), "polling is paused, or no permit is free");
        estimate.received(QueueAgeSample::Messages(None), now);
        assert!(!estimate.is_quiet(now));
    }
}
