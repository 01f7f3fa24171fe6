//! How often a failure of the agent is told: when it is news, and now and then as long as it lasts.

use std::time::Duration;

use tokio::time::Instant;

/// How long the same failure is not told again.
const QUIET: Duration = Duration::from_mins(10);

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Complaint(Option<(String, Instant)>);

impl Complaint {
    /// Whether a failure in these words is told now.
    pub(super) fn is_due(&mut self, words: &str, now: Instant) -> bool {
        let is_known = self
            .0
            .as_ref()
            .is_some_and(|(told, at)| told == words && now.saturating_duration_since(*at) < QUIET);
        if !is_known {
            self.0 = Some((words.to_owned(), now));
        }
        !is_known
    }

    /// Notes that all is well again; false when nothing had been told.
    pub(super) fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_when_it_is_news_and_then_seldom() {
        let (mut complaint, now) = (Complaint::default(), Instant::now());
        let told = (0..100).filter(|second| complaint.is_due("blocked", now + Duration::from_secs(*second)));
        assert_eq!(told.count(), 1);
        assert!(complaint.is_due("denied", now) && complaint.is_due("blocked", now));
        assert!(complaint.is_due("blocked", now + QUIET));
        assert!(complaint.is_over() && !complaint.is_over());
        assert!(complaint.is_due("blocked", now + QUIET));
    }
}
