//! The schedule of one queue's receives: their times, their sizes and the number of concurrent receives; pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::queue::limits::BATCH_ENTRIES;

/// The average fill of receives below which one poller fewer is enough.
const WELL_FILLED: f64 = 0.8;
/// The messages of a full receive.
const FULL_RECEIVE: f64 = 10.0;
/// The time that an automatic prefetch covers beyond two round trips, up to one full receive: long enough to fill
/// receives, and short enough that no message waits here for long while another worker could run it.
const PREFETCH_HORIZON: Duration = Duration::from_millis(50);
/// The most messages of an automatic prefetch.
const MOST_PREFETCHED: usize = 1_000;
/// The interval at which the rate of messages is measured.
const RATE_WINDOW: Duration = Duration::from_millis(100);
/// The longest time that a free permit waits for others before a receive.
const LONGEST_PATIENCE: Duration = Duration::from_millis(20);

/// The schedule of one queue's receives.
#[derive(Debug)]
pub(super) struct Schedule {
    most_pollers: usize,
    pace: Duration,
    pollers: usize,
    /// The most messages of a receive, at the last decision.
    most: usize,
    fill: f64,
    /// The average time of a full receive, which did not wait for messages.
    round_trip: Duration,
    resume_at: Option<Instant>,
    partly_free_since: Option<Instant>,
}

/// The facts on which the next receive depends.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduleInput {
    pub(super) now: Instant,
    /// Permits that are available.
    pub(super) available: usize,
    /// All permits.
    pub(super) capacity: usize,
    /// The most messages of a receive now.
    pub(super) most: usize,
    /// Receives in flight.
    pub(super) in_flight: usize,
    /// True if slots may become idle before the next answer, because few messages wait.
    pub(super) is_running_dry: bool,
    /// The time that available permits may wait for others.
    pub(super) patience: Duration,
}

/// The next step of the poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextReceive {
    /// Receive up to this many messages now.
    Now(usize),
    /// Decide again at this time, or when the input has changed.
    Later(Option<Instant>),
}

impl Schedule {
    pub(super) fn new(most_pollers: usize, pace: Duration) -> Self {
        Self {
            most_pollers,
            pace,
            pollers: 1,
            most: BATCH_ENTRIES,
            fill: 0.0,
            round_trip: Duration::ZERO,
            resume_at: None,
            partly_free_since: None,
        }
    }

    /// Decides on the next receive.
    pub(super) fn next(&mut self, input: ScheduleInput) -> NextReceive {
        if let Some(resume_at) = self.resume_at.filter(|resume_at| *resume_at > input.now) {
            return NextReceive::Later(Some(resume_at));
        }
        self.most = BATCH_ENTRIES.min(input.most);
        if input.available == 0 {
            self.partly_free_since = None;
        }
        if input.in_flight >= self.pollers || input.available == 0 {
            return NextReceive::Later(None);
        }
        let most = self.most;
        if input.available >= most || input.available == input.capacity {
            self.partly_free_since = None;
            return NextReceive::Now(input.available.min(most));
        }
        self.next_with_few_permits(input)
    }

    /// Decides when few permits are available: a receive for each costs requests, waiting for more costs idle slots.
    fn next_with_few_permits(&mut self, input: ScheduleInput) -> NextReceive {
        if input.in_flight > 0 || !input.is_running_dry {
            return NextReceive::Later(None);
        }
        let due = *self.partly_free_since.get_or_insert(input.now) + input.patience;
        if input.now < due {
            return NextReceive::Later(Some(due));
        }
        self.partly_free_since = None;
        NextReceive::Now(input.available)
    }

    /// Notes that a receive of up to `asked` messages returned `received`; `available` permits are left.
    pub(super) fn answered(&mut self, asked: usize, received: usize, available: usize, now: Instant) {
        self.resume_at = None;
        let is_full = received >= asked;
        self.fill = f64::midpoint(self.fill, share(received, asked));
        if is_full && asked >= self.most && available >= self.most {
            self.pollers = (self.pollers + 1).min(self.most_pollers);
        } else if self.fill < WELL_FILLED {
            self.pollers = (self.pollers - 1).max(1);
        }
        if !is_full && !self.pace.is_zero() {
            self.resume_at = Some(now + self.pace);
        }
    }

    /// Notes the time of a full receive.
    pub(super) fn full_receive(&mut self, took: Duration) {
        self.round_trip = Duration::from_secs_f64(average(self.round_trip.as_secs_f64(), took.as_secs_f64()));
    }

    /// Pauses receives until this time, unless a longer pause is in effect.
    pub(super) fn pause_until(&mut self, resume_at: Instant) {
        self.resume_at = self.resume_at.max(Some(resume_at));
    }

    /// Notes a failure: after the pause, receives continue with one poller.
    pub(super) fn failed(&mut self, resume_at: Instant) {
        self.pollers = 1;
        self.fill = 0.0;
        self.resume_at = Some(resume_at);
    }

    /// The number of messages to prefetch at this rate: those that start within two round trips, and within the horizon
    /// up to those of a full receive.
    pub(super) fn prefetch(&self, messages_per_second: f64) -> usize {
        if self.round_trip.is_zero() {
            return 0;
        }
        let in_flight = messages_per_second * self.round_trip.as_secs_f64() * 2.0;
        let beyond = (messages_per_second * PREFETCH_HORIZON.as_secs_f64()).min(FULL_RECEIVE);
        whole(in_flight + beyond).min(MOST_PREFETCHED)
    }

    /// The number of waiting messages below which slots would become idle before a receive is answered.
    pub(super) fn low_water(&self, messages_per_second: f64) -> usize {
        whole(messages_per_second * self.round_trip.as_secs_f64())
    }
}

/// The rate at which a queue's messages end, and the average time of a call.
#[derive(Debug)]
pub(super) struct MessageRate {
    window_start: Instant,
    ended_in_window: u32,
    per_second: f64,
    call_seconds: f64,
}

impl MessageRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { window_start: now, ended_in_window: 0, per_second: 0.0, call_seconds: 0.0 }
    }

    /// Notes the end of a call with this many messages.
    pub(super) fn call_ended(&mut self, took: Duration, messages: usize, now: Instant) {
        self.call_seconds = average(self.call_seconds, took.as_secs_f64());
        self.ended_in_window =
            self.ended_in_window.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed >= RATE_WINDOW {
            self.per_second =
                average(self.per_second, f64::from(self.ended_in_window) / elapsed.as_secs_f64());
            self.window_start = now;
            self.ended_in_window = 0;
        }
    }

    /// The messages that end per second; while none ends, at most the rate at which one would end now.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.window_start);
        if elapsed <= RATE_WINDOW {
            return self.per_second;
        }
        self.per_second.min(f64::from(self.ended_in_window + 1) / elapsed.as_secs_f64())
    }

    /// The time that available permits may wait for others: a tenth of the average call.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.call_seconds / 10.0).min(LONGEST_PATIENCE)
    }
}

/// The share of the requested messages that was received; receives are too small for a cast to lose precision.
fn share(received: usize, asked: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (number(received) / number(asked.max(1))).min(1.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is rounded is positive, and the cast saturates"
)]
fn whole(number: f64) -> usize {
    number.round() as usize
}

/// Half the old value and half the new one.
fn average(old: f64, new: f64) -> f64 {
    if old == 0.0 { new } else { f64::midpoint(old, new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    fn schedule() -> Schedule {
        Schedule::new(32, Duration::ZERO)
    }

    fn input(available: usize, in_flight: usize) -> ScheduleInput {
        let (now, capacity, most) = (Instant::now(), 16, BATCH_ENTRIES);
        ScheduleInput { now, available, capacity, most, in_flight, is_running_dry: true, patience: PATIENCE }
    }

    #[test]
    fn an_idle_queue_has_one_long_poll() {
        let mut schedule = schedule();
        assert_eq!(schedule.next(input(16, 0)), NextReceive::Now(10));
        assert_eq!(schedule.next(ScheduleInput { available: 6, ..input(6, 1) }), NextReceive::Later(None));
        schedule.answered(10, 0, 16, Instant::now());
        assert_eq!(schedule.next(input(16, 0)), NextReceive::Now(10));
    }

    #[test]
    fn full_answers_add_pollers_and_others_remove_them() {
        let (mut schedule, now) = (schedule(), Instant::now());
        for _ in 0..40 {
            schedule.answered(10, 10, 100, now);
        }
        assert_eq!(schedule.pollers, 32);
        for _ in 0..40 {
            schedule.answered(10, 1, 100, now);
        }
        assert_eq!(schedule.pollers, 1);
    }

    #[test]
    fn nothing_is_received_without_permits() {
        assert_eq!(schedule().next(input(0, 0)), NextReceive::Later(None));
    }

    #[test]
    fn a_single_available_permit_waits_for_others_but_not_for_long() {
        let mut schedule = schedule();
        let first = input(1, 0);
        assert_eq!(schedule.next(first), NextReceive::Later(Some(first.now + PATIENCE)));
        assert_eq!(schedule.next(ScheduleInput { now: first.now + PATIENCE, ..first }), NextReceive::Now(1));
    }

    #[test]
    fn a_few_permits_wait_while_enough_messages_are_held() {
        assert_eq!(
            schedule().next(ScheduleInput { is_running_dry: false, ..input(3, 0) }),
            NextReceive::Later(None)
        );
    }

    #[test]
    fn one_at_a_time_is_received_at_once() {
        let mut schedule = schedule();
        assert_eq!(
            schedule.next(ScheduleInput { most: 1, is_running_dry: false, ..input(3, 0) }),
            NextReceive::Now(1)
        );
    }

    #[test]
    fn one_at_a_time_is_received_by_more_and_more_pollers() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let singly = ScheduleInput { most: 1, ..input(16, 0) };
        for _ in 0..40 {
            assert_eq!(schedule.next(singly), NextReceive::Now(1));
            schedule.answered(1, 1, 16, now);
        }
        assert_eq!(schedule.pollers, 32);
    }

    #[test]
    fn a_small_worker_that_is_idle_receives_at_once() {
        assert_eq!(schedule().next(ScheduleInput { capacity: 1, ..input(1, 0) }), NextReceive::Now(1));
    }

    #[test]
    fn a_failure_pauses_all_pollers() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let later = now + Duration::from_secs(1);
        schedule.failed(later);
        assert_eq!(schedule.next(ScheduleInput { now, ..input(16, 0) }), NextReceive::Later(Some(later)));
        assert_eq!(schedule.next(ScheduleInput { now: later, ..input(16, 0) }), NextReceive::Now(10));
    }

    #[test]
    fn a_pause_is_extended_and_never_shortened() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let (sooner, later) = (now + PATIENCE, now + PATIENCE * 2);
        for time in [sooner, later, sooner] {
            schedule.pause_until(time);
        }
        assert_eq!(schedule.next(ScheduleInput { now, ..input(16, 0) }), NextReceive::Later(Some(later)));
    }

    #[test]
    fn the_pace_follows_an_answer_that_was_not_full() {
        let (mut schedule, now) = (Schedule::new(32, PATIENCE), Instant::now());
        schedule.answered(10, 3, 16, now);
        assert_eq!(
            schedule.next(ScheduleInput { now, ..input(16, 0) }),
            NextReceive::Later(Some(now + PATIENCE))
        );
        schedule.answered(10, 10, 16, now);
        assert_eq!(schedule.next(ScheduleInput { now, ..input(16, 0) }), NextReceive::Now(10));
    }

    /// The prefetch at this rate, after a receive of this round trip and an idle time.
    fn prefetch_of(per_second: u32, round_trip: Duration, idle: Duration) -> usize {
        let start = Instant::now();
        let (mut rate, mut schedule) = (MessageRate::new(start), schedule());
        let pause = Duration::from_secs(1) / per_second;
        for number in 1..=per_second {
            rate.call_ended(pause, 1, start + pause * number);
        }
        schedule.full_receive(round_trip);
        schedule.prefetch(rate.per_second(start + Duration::from_secs(1) + idle))
    }

    #[test]
    fn the_prefetch_covers_two_round_trips_and_a_full_receive() {
        assert_eq!(prefetch_of(1_000, Duration::from_millis(25), Duration::ZERO), 60);
    }

    #[test]
    fn slow_work_is_not_prefetched() {
        assert_eq!(prefetch_of(2, Duration::from_millis(20), Duration::ZERO), 0);
    }

    #[test]
    fn quick_work_that_becomes_slow_is_no_longer_prefetched() {
        assert_eq!(prefetch_of(1_000, Duration::from_millis(25), Duration::from_secs(1)), 0);
    }

    #[test]
    fn nothing_is_prefetched_before_a_round_trip_is_known() {
        assert_eq!(schedule().prefetch(1_000.0), 0);
    }

    #[test]
    fn as_many_messages_as_start_within_a_round_trip_should_be_held() {
        let mut schedule = schedule();
        schedule.full_receive(Duration::from_millis(500));
        assert_eq!(schedule.low_water(20.0), 10);
    }

    #[test]
    fn answers_that_are_nearly_full_remove_no_poller() {
        let (mut schedule, now) = (schedule(), Instant::now());
        for _ in 0..40 {
            schedule.answered(10, 10, 100, now);
        }
        schedule.answered(10, 8, 100, now);
        assert_eq!(schedule.pollers, 32);
        assert_eq!([share(5, 10).to_string(), share(12, 10).to_string()], ["0.5", "1"]);
    }

    #[test]
    fn permits_wait_for_a_tenth_of_a_call() {
        let start = Instant::now();
        let mut rate = MessageRate::new(start);
        rate.call_ended(Duration::from_millis(50), 1, start);
        assert_eq!(rate.patience(), Duration::from_millis(5));
    }

    #[test]
    fn the_rate_falls_while_no_message_ends() {
        let start = Instant::now();
        let mut rate = MessageRate::new(start);
        rate.call_ended(PATIENCE, 40, start + 2 * RATE_WINDOW);
        let at_first = rate.per_second(start + 2 * RATE_WINDOW);
        rate.call_ended(PATIENCE, 1, start + 2 * RATE_WINDOW);
        let later = 2.0 / (10.0 * RATE_WINDOW.as_secs_f64());
        assert!((at_first - 20.0 / RATE_WINDOW.as_secs_f64()).abs() < 1e-9, "{at_first}");
        assert!((rate.per_second(start + 12 * RATE_WINDOW) - later).abs() < 1e-9);
    }
}
