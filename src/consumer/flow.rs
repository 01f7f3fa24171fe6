//! How fast messages flow through one queue, and what follows for the prefetch: pure.

use std::time::Duration;

use tokio::time::Instant;

/// How often the rate is measured.
const WINDOW: Duration = Duration::from_millis(100);
/// How much of the future an automatic prefetch covers beyond two round trips, up to one batch: enough that receives
/// fill up, and so short that no message waits here for long that another worker could run.
const HORIZON: Duration = Duration::from_millis(50);
/// The messages of a full receive.
const BATCH: f64 = 10.0;
/// The most messages an automatic prefetch holds.
const MOST: usize = 1_000;
/// The longest that a free slot waits for company before it is asked for.
const LONGEST_PATIENCE: Duration = Duration::from_millis(20);

/// Running averages of one queue.
#[derive(Debug)]
pub(super) struct Flow {
    window_start: Instant,
    ended_in_window: u32,
    /// Messages whose call ended, a second.
    rate: f64,
    handler_seconds: f64,
    round_trip: Duration,
}

impl Flow {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window_start: now,
            ended_in_window: 0,
            rate: 0.0,
            handler_seconds: 0.0,
            round_trip: Duration::ZERO,
        }
    }

    /// Notes that a call ended that so many messages were in.
    pub(super) fn ended(&mut self, took: Duration, messages: usize, now: Instant) {
        self.handler_seconds = average(self.handler_seconds, took.as_secs_f64());
        self.ended_in_window =
            self.ended_in_window.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
        self.measure(now);
    }

    /// Notes how long a receive took that was answered in full, and so without waiting for messages.
    pub(super) fn full_receive(&mut self, took: Duration) {
        self.round_trip = Duration::from_secs_f64(average(self.round_trip.as_secs_f64(), took.as_secs_f64()));
    }

    fn measure(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed >= WINDOW {
            self.rate = average(self.rate, f64::from(self.ended_in_window) / elapsed.as_secs_f64());
            self.window_start = now;
            self.ended_in_window = 0;
        }
    }

    /// How many messages to hold beyond those running: what will start within two round trips, and a batch at the
    /// most of what will start within the horizon.
    pub(super) fn prefetch(&self, now: Instant) -> usize {
        if self.round_trip.is_zero() {
            return 0;
        }
        let rate = self.rate(now);
        let in_flight = rate * self.round_trip.as_secs_f64() * 2.0;
        let batch = (rate * HORIZON.as_secs_f64()).min(BATCH);
        whole(in_flight + batch).min(MOST)
    }

    /// Messages whose call ended, a second; while none ends, no more than would have let one end by now.
    fn rate(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed <= WINDOW {
            return self.rate;
        }
        self.rate.min(f64::from(self.ended_in_window + 1) / elapsed.as_secs_f64())
    }

    /// With so few waiting, slots would run dry before the answer to a receive is here.
    pub(super) fn low_water(&self, now: Instant) -> usize {
        whole(self.rate(now) * self.round_trip.as_secs_f64())
    }

    /// How long a free slot may wait for company: a tenth of a handler's time.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.handler_seconds / 10.0).min(LONGEST_PATIENCE)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is rounded is positive, and the cast saturates"
)]
fn whole(number: f64) -> usize {
    number.round() as usize
}

/// Half old, half new.
fn average(old: f64, new: f64) -> f64 {
    if old == 0.0 { new } else { f64::midpoint(old, new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow_of(per_second: u32, round_trip: Duration) -> (Flow, Instant) {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        let pause = Duration::from_secs(1) / per_second;
        for number in 1..=per_second {
            flow.ended(pause, 1, start + pause * number);
        }
        flow.full_receive(round_trip);
        (flow, start + Duration::from_secs(1))
    }

    #[test]
    fn the_prefetch_covers_two_round_trips_and_a_batch() {
        let (flow, now) = flow_of(1_000, Duration::from_millis(25));
        assert_eq!(flow.prefetch(now), 60);
    }

    #[test]
    fn slow_work_is_not_prefetched() {
        let (flow, now) = flow_of(2, Duration::from_millis(20));
        assert_eq!(flow.prefetch(now), 0);
    }

    #[test]
    fn quick_work_that_turns_slow_is_prefetched_no_more() {
        let (flow, now) = flow_of(1_000, Duration::from_millis(25));
        assert_eq!(flow.prefetch(now + Duration::from_secs(1)), 0);
    }

    #[test]
    fn nothing_is_prefetched_before_a_round_trip_is_known() {
        assert_eq!(Flow::new(Instant::now()).prefetch(Instant::now()), 0);
    }
}
