//! When to receive, how many at a time, and with how many pollers: pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::queue::limits::BATCH_ENTRIES;

/// Below this average fill one poller fewer is enough.
const WELL_FILLED: f64 = 0.8;

/// The schedule of one queue's receives.
#[derive(Debug)]
pub(super) struct Schedule {
    most_pollers: usize,
    pace: Duration,
    pollers: usize,
    /// The most messages that a receive may bring, at the last look.
    most: usize,
    fill: f64,
    resume_at: Option<Instant>,
    partly_free_since: Option<Instant>,
}

/// What the schedule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduleInput {
    pub(super) now: Instant,
    /// Places that are free.
    pub(super) free: usize,
    /// Places there are.
    pub(super) capacity: usize,
    /// The most messages that a receive may bring now.
    pub(super) most: usize,
    /// Receives under way.
    pub(super) under_way: usize,
    /// Whether so few messages wait that slots may run dry.
    pub(super) is_running_dry: bool,
    /// How long free places may wait for company.
    pub(super) patience: Duration,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextReceive {
    /// Receive up to so many.
    Now(usize),
    /// Look again at this moment, or when something has changed.
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
            resume_at: None,
            partly_free_since: None,
        }
    }

    /// Decides the next step.
    pub(super) fn step(&mut self, sight: ScheduleInput) -> NextReceive {
        if let Some(resume_at) = self.resume_at.filter(|moment| *moment > sight.now) {
            return NextReceive::Later(Some(resume_at));
        }
        self.most = BATCH_ENTRIES.min(sight.most);
        if sight.free == 0 {
            self.partly_free_since = None;
        }
        if sight.under_way >= self.pollers || sight.free == 0 {
            return NextReceive::Later(None);
        }
        let most = self.most;
        if sight.free >= most || sight.free == sight.capacity {
            self.partly_free_since = None;
            return NextReceive::Now(sight.free.min(most));
        }
        self.step_with_little_room(sight)
    }

    /// A few places are free: asking at once costs a request for each, waiting for more costs idle slots.
    fn step_with_little_room(&mut self, sight: ScheduleInput) -> NextReceive {
        if sight.under_way > 0 || !sight.is_running_dry {
            return NextReceive::Later(None);
        }
        let due = *self.partly_free_since.get_or_insert(sight.now) + sight.patience;
        if sight.now < due {
            return NextReceive::Later(Some(due));
        }
        self.partly_free_since = None;
        NextReceive::Now(sight.free)
    }

    /// Notes an answer of `received` messages where `asked` could have come; `free` places are left.
    pub(super) fn answered(&mut self, asked: usize, received: usize, free: usize, now: Instant) {
        self.resume_at = None;
        let is_full = received >= asked;
        self.fill = f64::midpoint(self.fill, share(received, asked));
        if is_full && asked >= self.most && free >= self.most {
            self.pollers = (self.pollers + 1).min(self.most_pollers);
        } else if self.fill < WELL_FILLED {
            self.pollers = (self.pollers - 1).max(1);
        }
        if !is_full && !self.pace.is_zero() {
            self.resume_at = Some(now + self.pace);
        }
    }

    /// Asks for nothing before this moment, unless a pause is on already that is longer.
    pub(super) fn pause_until(&mut self, moment: Instant) {
        self.resume_at = self.resume_at.max(Some(moment));
    }

    /// Notes a failure: one poller goes on, after the pause.
    pub(super) fn failed(&mut self, resume_at: Instant) {
        self.pollers = 1;
        self.fill = 0.0;
        self.resume_at = Some(resume_at);
    }
}

/// How much of what was asked for came; receives are too small for a cast to lose anything.
fn share(received: usize, asked: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (number(received) / number(asked.max(1))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    fn schedule() -> Schedule {
        Schedule::new(32, Duration::ZERO)
    }

    fn sight(free: usize, under_way: usize) -> ScheduleInput {
        let (now, capacity, most) = (Instant::now(), 16, BATCH_ENTRIES);
        ScheduleInput { now, free, capacity, most, under_way, is_running_dry: true, patience: PATIENCE }
    }

    #[test]
    fn an_idle_queue_has_one_long_poll() {
        let mut schedule = schedule();
        assert_eq!(schedule.step(sight(16, 0)), NextReceive::Now(10));
        assert_eq!(schedule.step(ScheduleInput { free: 6, ..sight(6, 1) }), NextReceive::Later(None));
        schedule.answered(10, 0, 16, Instant::now());
        assert_eq!(schedule.step(sight(16, 0)), NextReceive::Now(10));
    }

    #[test]
    fn full_answers_add_pollers_and_thin_ones_take_them_away() {
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
    fn nothing_is_asked_without_room() {
        assert_eq!(schedule().step(sight(0, 0)), NextReceive::Later(None));
    }

    #[test]
    fn a_single_free_place_waits_for_company_but_not_for_long() {
        let mut schedule = schedule();
        let first = sight(1, 0);
        assert_eq!(schedule.step(first), NextReceive::Later(Some(first.now + PATIENCE)));
        assert_eq!(schedule.step(ScheduleInput { now: first.now + PATIENCE, ..first }), NextReceive::Now(1));
    }

    #[test]
    fn a_free_place_is_not_asked_for_while_enough_messages_wait() {
        assert_eq!(
            schedule().step(ScheduleInput { is_running_dry: false, ..sight(3, 0) }),
            NextReceive::Later(None)
        );
    }

    #[test]
    fn one_at_a_time_is_asked_for_at_once() {
        let mut schedule = schedule();
        assert_eq!(
            schedule.step(ScheduleInput { most: 1, is_running_dry: false, ..sight(3, 0) }),
            NextReceive::Now(1)
        );
    }

    #[test]
    fn one_at_a_time_is_asked_for_by_more_and_more_pollers() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let singly = ScheduleInput { most: 1, ..sight(16, 0) };
        for _ in 0..40 {
            assert_eq!(schedule.step(singly), NextReceive::Now(1));
            schedule.answered(1, 1, 16, now);
        }
        assert_eq!(schedule.pollers, 32);
    }

    #[test]
    fn a_small_worker_that_is_empty_asks_at_once() {
        assert_eq!(schedule().step(ScheduleInput { capacity: 1, ..sight(1, 0) }), NextReceive::Now(1));
    }

    #[test]
    fn a_failure_pauses_all_pollers() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let later = now + Duration::from_secs(1);
        schedule.failed(later);
        assert_eq!(schedule.step(ScheduleInput { now, ..sight(16, 0) }), NextReceive::Later(Some(later)));
        assert_eq!(schedule.step(ScheduleInput { now: later, ..sight(16, 0) }), NextReceive::Now(10));
    }

    #[test]
    fn a_pause_is_made_longer_and_never_shorter() {
        let (mut schedule, now) = (schedule(), Instant::now());
        let (sooner, later) = (now + PATIENCE, now + PATIENCE * 2);
        for moment in [sooner, later, sooner] {
            schedule.pause_until(moment);
        }
        assert_eq!(schedule.step(ScheduleInput { now, ..sight(16, 0) }), NextReceive::Later(Some(later)));
    }

    #[test]
    fn the_pace_follows_an_answer_that_was_not_full() {
        let (mut schedule, now) = (Schedule::new(32, PATIENCE), Instant::now());
        schedule.answered(10, 3, 16, now);
        assert_eq!(
            schedule.step(ScheduleInput { now, ..sight(16, 0) }),
            NextReceive::Later(Some(now + PATIENCE))
        );
        schedule.answered(10, 10, 16, now);
        assert_eq!(schedule.step(ScheduleInput { now, ..sight(16, 0) }), NextReceive::Now(10));
    }
}
