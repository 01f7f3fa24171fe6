//! Health: the progress of the parts of the process, and their readiness.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The time after which a failed call no longer makes the worker unready, if no later one says more: a failed call is
/// repeated sooner, but short tasks may never need another extension.
pub(crate) const FAILURE_SHOWN: Duration = Duration::from_mins(2);

/// The health of the process: shared by the parts that report and the server that answers.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<ConditionState>>);

#[derive(Debug, Default)]
struct ConditionState {
    pulses: BTreeMap<String, Beat>,
    unready: BTreeMap<String, UnreadyReason>,
    notices: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
struct UnreadyReason {
    text: String,
    /// The time from which it no longer holds; absent, it holds until the condition is ready.
    until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    at: Instant,
    allowed: Duration,
}

impl Health {
    /// A process with nothing to report yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, ConditionState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a loop that must beat at least every `allowed`; it is watched until the pulse is dropped.
    pub(crate) fn pulse(&self, name: impl Into<String>, allowed: Duration) -> Pulse {
        let name = name.into();
        self.state().pulses.insert(name.clone(), Beat { at: Instant::now(), allowed });
        Pulse { health: self.clone(), name }
    }

    /// Registers a condition of readiness; it is unready until [`Condition::ready`] is called.
    pub(crate) fn condition(&self, name: impl Into<String>, why_not: impl Into<String>) -> Condition {
        let condition = Condition { health: self.clone(), name: name.into() };
        condition.unready(why_not);
        condition
    }

    /// Registers a state that is worth a notice, and leaves the process ready.
    pub(crate) fn notice(&self, name: impl Into<String>) -> Notice {
        Notice { health: self.clone(), name: name.into() }
    }

    /// The states that are worth a notice although they leave the process ready, such as a queue that an operator has paused.
    pub fn notices(&self) -> BTreeMap<String, String> {
        self.state().notices.clone()
    }

    /// The loops that have been silent for too long, with the length of their silence.
    pub fn silent(&self) -> Vec<(String, Duration)> {
        let state = self.state();
        let silence = state.pulses.iter().map(|(name, beat)| (name, beat.at.elapsed(), beat.allowed));
        silence
            .filter(|(_, quiet, allowed)| quiet > allowed)
            .map(|(name, quiet, _)| (name.clone(), quiet))
            .collect()
    }

    /// The conditions that are not ready, with the reasons.
    pub fn unready(&self) -> BTreeMap<String, String> {
        let now = Instant::now();
        let state = self.state();
        let holds = |reason: &UnreadyReason| reason.until.is_none_or(|until| now < until);
        let reasons = state.unready.iter().filter(|(_, reason)| holds(reason));
        reasons.map(|(name, reason)| (name.clone(), reason.text.clone())).collect()
    }
}

/// The heartbeat of one loop; dropping it ends the watch.
#[derive(Debug)]
pub(crate) struct Pulse {
    health: Health,
    name: String,
}

impl Pulse {
    /// Reports that the loop has made progress.
    pub(crate) fn beat(&self) {
        if let Some(beat) = self.health.state().pulses.get_mut(&self.name) {
            beat.at = Instant::now();
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.health.state().pulses.remove(&self.name);
    }
}

/// One condition of readiness; dropping it removes the condition.
#[derive(Debug)]
pub(crate) struct Condition {
    health: Health,
    name: String,
}

impl Condition {
    /// Reports that the condition holds.
    pub(crate) fn ready(&self) {
        self.health.state().unready.remove(&self.name);
    }

    /// Reports that the condition does not hold, and why.
    pub(crate) fn unready(&self, why_not: impl Into<String>) {
        self.set_unready(why_not.into(), None);
    }

    /// Reports that the condition does not hold now, of which there may be no later news: it holds again after `time`.
    pub(crate) fn unready_for(&self, time: Duration, why_not: impl Into<String>) {
        self.set_unready(why_not.into(), Some(Instant::now() + time));
    }

    fn set_unready(&self, text: String, until: Option<Instant>) {
        self.health.state().unready.insert(self.name.clone(), UnreadyReason { text, until });
    }
}

/// One state that is worth a notice; dropping it removes the notice.
#[derive(Debug)]
pub(crate) struct Notice {
    health: Health,
    name: String,
}

impl Notice {
    /// Shows this text.
    pub(crate) fn show(&self, text: impl Into<String>) {
        self.health.state().notices.insert(self.name.clone(), text.into());
    }

    /// Shows nothing.
    pub(crate) fn clear(&self) {
        self.health.state().notices.remove(&self.name);
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Drop for Condition {
    fn drop(&mut self) {
        self.ready();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stops_beating_is_silent() {
        let health = Health::new();
        let pulse = health.pulse("orders receive", Duration::from_mins(1));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(health.silent().is_empty());
        pulse.beat();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(health.silent(), [("orders receive".to_owned(), Duration::from_secs(61))]);
        drop(pulse);
        assert!(health.silent().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_that_is_unready_for_a_time_is_ready_after_it() {
        let health = Health::new();
        let condition = health.condition("orders", "no poll has succeeded yet");
        condition.unready_for(Duration::from_mins(2), "a delete was refused");
        tokio::time::advance(Duration::from_secs(119)).await;
        assert_eq!(health.unready()["orders"], "a delete was refused");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(health.unready().is_empty());
    }

    #[test]
    fn a_notice_leaves_the_process_ready() {
        let health = Health::new();
        let notice = health.notice("orders polling");
        assert!(health.notices().is_empty());
        notice.show("paused by the operator: maintenance");
        assert_eq!(health.notices()["orders polling"], "paused by the operator: maintenance");
        assert!(health.unready().is_empty());
        drop(notice);
        assert!(health.notices().is_empty());
    }

    #[test]
    fn a_condition_is_unready_until_it_is_set_ready() {
        let health = Health::new();
        let condition = health.condition("orders", "no poll has succeeded yet");
        assert_eq!(health.unready()["orders"], "no poll has succeeded yet");
        condition.ready();
        assert!(health.unready().is_empty());
    }
}
