//! The rates of a queue, from the totals of the last ten seconds; pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::status::TotalsReport;

/// The time that the rates are about.
const WINDOW: Duration = Duration::from_secs(10);

/// The totals of a queue at several times.
#[derive(Clone, Debug, Default)]
pub(super) struct RateWindow(VecDeque<(Instant, TotalsReport)>);

/// Messages a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct QueueRates {
    pub(super) received: f64,
    pub(super) done: f64,
    pub(super) failed: f64,
}

impl QueueRates {
    /// Calls that ended.
    pub(super) fn ended(self) -> f64 {
        self.done + self.failed
    }
}

impl RateWindow {
    /// Notes the totals of now; lower ones than before are those of a worker that has started anew.
    pub(super) fn note(&mut self, now: Instant, totals: TotalsReport) {
        let is_new = self.0.back().is_some_and(|(_, last)| totals.received < last.received);
        if is_new {
            self.0.clear();
        }
        self.0.push_back((now, totals));
        while self.0.len() > 2 && self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.0.pop_front();
        }
    }

    /// The rates between the first and the last totals; `None` until there are two.
    pub(super) fn rates(&self) -> Option<QueueRates> {
        let ((from, first), (to, last)) = (self.0.front()?, self.0.back()?);
        let seconds = (*to - *from).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        let rate = |of: fn(&TotalsReport) -> u64| {
            let count = u32::try_from(of(last).saturating_sub(of(first))).unwrap_or(u32::MAX);
            f64::from(count) / seconds
        };
        Some(QueueRates {
            received: rate(|totals| totals.received),
            done: rate(|totals| totals.done),
            failed: rate(|totals| totals.failed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn totals(received: u64, done: u64, failed: u64) -> TotalsReport {
        TotalsReport { received, done, failed }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn the_rates_are_those_of_the_last_ten_seconds() {
        let (start, mut window) = (Instant::now(), RateWindow::default());
        window.note(start, totals(1000, 900, 50));
        assert_eq!(window.rates(), None, "one sample has no rate");
        window.note(start + seconds(2), totals(1040, 930, 51));
        assert_eq!(window.rates(), Some(QueueRates { received: 20.0, done: 15.0, failed: 0.5 }));
        for second in 3..=14 {
            window.note(start + seconds(second), totals(1040, 930, 51));
        }
        assert_eq!(window.rates(), Some(QueueRates::default()), "the burst is too long ago");
    }

    #[test]
    fn a_worker_that_has_started_anew_has_no_rates_below_zero() {
        let (start, mut window) = (Instant::now(), RateWindow::default());
        window.note(start, totals(1000, 900, 0));
        window.note(start + seconds(1), totals(3, 1, 0));
        assert_eq!(window.rates(), None);
        window.note(start + seconds(2), totals(5, 4, 0));
        assert_eq!(window.rates().map(QueueRates::ended), Some(3.0));
    }

    #[test]
    fn a_pause_between_samples_that_is_longer_than_the_window_still_has_a_rate() {
        let (start, mut window) = (Instant::now(), RateWindow::default());
        window.note(start, totals(0, 0, 0));
        window.note(start + seconds(60), totals(60, 60, 0));
        assert_eq!(window.rates().map(|rates| rates.done), Some(1.0));
    }
}
