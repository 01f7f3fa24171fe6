//! Samples warnings that may occur for every message, and counts what it leaves out by reason; pure.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// The time window of the count.
const WINDOW: Duration = Duration::from_mins(1);
/// The warnings admitted in each window, beside the first of each reason.
const ADMITTED: u32 = 10;
/// The reasons that are counted apart in a window; further ones are one.
const REASONS: usize = 20;
/// The length of a reason in characters; those that begin alike are one.
const REASON_LENGTH: usize = 200;
/// The reason of those beyond the number that are counted apart.
const OTHERS: &str = "other reasons";

/// Admits the first ten warnings a minute and the first of each reason, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct WarningSampler {
    state: Mutex<State>,
    /// Notified when a warning is left out.
    left_out: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    window: Option<Window>,
    /// Of the windows that are over.
    over: Vec<LeftOut>,
}

#[derive(Debug)]
struct Window {
    start: Instant,
    admitted: u32,
    /// The number left out of each message and reason that occurred.
    reasons: BTreeMap<(&'static str, String), u64>,
}

/// Warnings of one message and reason that were left out within a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// The message of the warnings.
    pub(crate) like: &'static str,
    /// Their reason; empty if they have none.
    pub(crate) reason: String,
    /// Their number.
    pub(crate) count: u64,
}

impl WarningSampler {
    /// A sampler that notifies when it leaves a warning out.
    pub(crate) fn notifying(left_out: Arc<Notify>) -> Self {
        Self { state: Mutex::default(), left_out }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if one more warning with this message and reason may be logged now.
    pub(crate) fn admits(&self, message: &'static str, reason: &str, now: Instant) -> bool {
        let is_admitted = self.state().admits(message, reason, now);
        if !is_admitted {
            self.left_out.notify_one();
        }
        is_admitted
    }

    /// Takes what was left out in windows that are over.
    pub(crate) fn take_over(&self, now: Instant) -> Vec<LeftOut> {
        let mut state = self.state();
        state.end_window_if(|window| window.end() <= now);
        std::mem::take(&mut state.over)
    }

    /// Takes everything that was left out.
    pub(crate) fn take_all(&self) -> Vec<LeftOut> {
        let mut state = self.state();
        state.end_window_if(|_| true);
        std::mem::take(&mut state.over)
    }

    /// The time from which [`Self::take_over`] has something; `None` while nothing is left out.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        let state = self.state();
        let window = state.window.as_ref()?;
        let has_left_out = !state.over.is_empty() || window.reasons.values().any(|count| *count > 0);
        has_left_out.then(|| window.end())
    }
}

impl State {
    fn admits(&mut self, message: &'static str, reason: &str, now: Instant) -> bool {
        self.end_window_if(|window| window.end() <= now);
        let window = self.window.get_or_insert_with(|| Window::new(now));
        window.admits(message, reason)
    }

    fn end_window_if(&mut self, ends: impl FnOnce(&Window) -> bool) {
        if let Some(window) = self.window.take_if(|window| ends(window)) {
            let reasons = window.reasons.into_iter().filter(|(_, count)| *count > 0);
            self.over.extend(reasons.map(|((like, reason), count)| LeftOut { like, reason, count }));
        }
    }
}

impl Window {
    fn new(start: Instant) -> Self {
        Self { start, admitted: 0, reasons: BTreeMap::new() }
    }

    fn end(&self) -> Instant {
        self.start + WINDOW
    }

    fn admits(&mut self, message: &'static str, reason: &str) -> bool {
        let reason: String = reason.chars().take(REASON_LENGTH).collect();
        let mut key = (message, reason);
        let is_known = self.reasons.contains_key(&key);
        let is_new = !is_known && self.reasons.len() < REASONS;
        if !is_known && !is_new {
            OTHERS.clone_into(&mut key.1);
        }
        let left_out = self.reasons.entry(key).or_default();
        if is_new || self.admitted < ADMITTED {
            self.admitted += 1;
            return true;
        }
        *left_out += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(like: &'static str, reason: &str, count: u64) -> LeftOut {
        LeftOut { like, reason: reason.to_owned(), count }
    }

    #[test]
    fn ten_warnings_a_minute_are_admitted_and_the_others_counted_by_reason() {
        let (sampler, now) = (WarningSampler::default(), Instant::now());
        assert_eq!(sampler.over_at(), None);
        let admitted = (0..60_000).filter(|_| sampler.admits("not done", "404", now)).count();
        assert_eq!(admitted, 10);
        assert!(sampler.admits("not done", "500", now), "the first of its reason");
        assert!(!sampler.admits("not done", "500", now + WINDOW - Duration::from_secs(1)));
        assert_eq!(sampler.over_at(), Some(now + WINDOW));
        assert_eq!(sampler.take_over(now), []);
        assert!(sampler.admits("not done", "404", now + WINDOW));
        let expected = [left_out("not done", "404", 59_990), left_out("not done", "500", 1)];
        assert_eq!(sampler.take_over(now + WINDOW), expected);
        assert_eq!((sampler.take_all(), sampler.over_at()), (vec![], None));
    }

    #[test]
    fn reasons_beyond_twenty_are_counted_as_others() {
        let (sampler, now) = (WarningSampler::default(), Instant::now());
        let admitted =
            (0..1_000).filter(|number| sampler.admits("not done", &number.to_string(), now)).count();
        assert_eq!(admitted, REASONS);
        assert_eq!(sampler.take_all(), [left_out("not done", OTHERS, 980)]);
        assert!(!"é".repeat(500).is_empty() && sampler.admits("not done", &"é".repeat(500), now));
    }
}
