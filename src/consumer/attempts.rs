//! Which receives from a FIFO queue are made again, because their answers were lost: pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::queue::ReceiveAttemptId;

/// One receive by its name.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) id: ReceiveAttemptId,
    /// How many messages it may have taken.
    pub(super) asked: usize,
    /// When it failed: what it took, it took before.
    pub(super) failed_at: Instant,
}

/// The receives that failed, and may have taken messages nevertheless.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: VecDeque<Attempt>,
}

impl Attempts {
    /// Notes that a receive failed.
    pub(super) fn failed(&mut self, attempt: Attempt) {
        self.failed.push_back(attempt);
    }

    /// How many messages the next receive must be able to bring to be one that has failed; zero when none has.
    pub(super) fn least(&self) -> usize {
        self.failed.front().map_or(0, |attempt| attempt.asked)
    }

    /// The name of the next receive, for which there are so many places: that of a failed one whose messages fit in, and
    /// are still hidden.
    pub(super) fn next(&mut self, places: usize, visibility: Duration, now: Instant) -> ReceiveAttemptId {
        self.failed.retain(|attempt| now < attempt.failed_at + visibility);
        let fits = self.failed.iter().position(|attempt| attempt.asked <= places);
        let again = fits.and_then(|place| self.failed.remove(place));
        again.map_or_else(ReceiveAttemptId::new, |attempt| attempt.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(30);

    #[test]
    fn a_failed_receive_is_made_again_once_and_where_its_messages_fit() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let id = attempts.next(10, VISIBILITY, now);
        attempts.failed(Attempt { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(attempts.next(9, VISIBILITY, now), id);
        assert_eq!(attempts.next(10, VISIBILITY, now), id);
        assert_ne!(attempts.next(10, VISIBILITY, now), id);
    }

    #[test]
    fn a_receive_whose_messages_are_visible_again_is_not_made_again() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let id = attempts.next(10, VISIBILITY, now);
        attempts.failed(Attempt { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(attempts.next(10, VISIBILITY, now + VISIBILITY), id);
    }
}
