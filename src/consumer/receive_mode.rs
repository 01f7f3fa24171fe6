//! The receive mode of a FIFO queue while failed messages are about to be received again; pure.
//!
//! A receive that returns a failed message together with those behind it counts as a receive of each. If the failed one
//! fails again and again, SQS would after `maxReceiveCount` receives move the others to the dead-letter queue, too,
//! although they have never run.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::buffer::Group;
use crate::queue::ReceiveAttemptId;

/// The time for which receives return one message each after a failed one is visible again: long enough to receive it
/// and see it fail again. Limited, because another worker may have received it.
const ONE_AT_A_TIME_FOR: Duration = Duration::from_secs(30);
/// The time before that at which a receive of many messages must have ended.
const MARGIN: Duration = Duration::from_millis(500);
/// The most groups that are remembered; later ones do not change the receive mode.
const MOST_GROUPS: usize = 1_000;

/// The size and wait of the next receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiveMode {
    /// Many messages, with the configured wait.
    Normal,
    /// Many messages, with at most this wait, in whole seconds.
    ShortWait(Duration),
    /// One message at a time.
    OneAtATime,
}

/// The groups whose first message has failed, with the time at which it is visible again.
#[derive(Debug, Default)]
pub(super) struct FailedGroups {
    due: HashMap<Group, Instant>,
}

impl FailedGroups {
    /// Notes that a message of the group has failed and is visible again at `due`.
    pub(super) fn expect(&mut self, group: &Group, due: Instant) {
        if self.due.len() < MOST_GROUPS || self.due.contains_key(group) {
            self.due.insert(group.clone(), due);
        }
    }

    /// Notes that the failed message of the group will not run again.
    pub(super) fn resolved(&mut self, group: &str) {
        self.due.remove(group);
    }

    /// Decides the mode of the next receives.
    pub(super) fn mode(&mut self, now: Instant) -> ReceiveMode {
        self.due.retain(|_, due| now < *due + ONE_AT_A_TIME_FOR);
        let Some(due) = self.due.values().min() else { return ReceiveMode::Normal };
        let left = due.saturating_duration_since(now).saturating_sub(MARGIN);
        match left.as_secs() {
            0 => ReceiveMode::OneAtATime,
            seconds => ReceiveMode::ShortWait(Duration::from_secs(seconds)),
        }
    }
}

/// A receive that failed, but may have hidden messages.
#[derive(Clone, Debug)]
pub(super) struct FailedReceive {
    pub(super) id: ReceiveAttemptId,
    /// The most messages that it may have hidden.
    pub(super) asked: usize,
    /// The time of the failure, before which it hid them.
    pub(super) failed_at: Instant,
}

/// The failed receives from a FIFO queue, which are repeated with the same id, so that SQS returns the same messages.
#[derive(Debug, Default)]
pub(super) struct FailedReceives {
    failed: VecDeque<FailedReceive>,
}

impl FailedReceives {
    pub(super) fn push(&mut self, receive: FailedReceive) {
        self.failed.push_back(receive);
    }

    /// The number of permits needed to repeat the first failed receive; zero if none has failed.
    pub(super) fn least(&self) -> usize {
        self.failed.front().map_or(0, |receive| receive.asked)
    }

    /// The id of the next receive, which has this many permits.
    ///
    /// It is the id of a failed receive whose messages fit in and are still hidden, or else a new one.
    pub(super) fn next_id(&mut self, permits: usize, visibility: Duration, now: Instant) -> ReceiveAttemptId {
        self.failed.retain(|receive| now < receive.failed_at + visibility);
        let fits = self.failed.iter().position(|receive| receive.asked <= permits);
        let again = fits.and_then(|index| self.failed.remove(index));
        again.map_or_else(ReceiveAttemptId::new, |receive| receive.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBILITY: Duration = Duration::from_secs(30);

    #[test]
    fn a_failed_message_is_received_alone_until_it_is_done() {
        let (mut failed, now) = (FailedGroups::default(), Instant::now());
        let due = now + Duration::from_secs(5);
        assert_eq!(failed.mode(now), ReceiveMode::Normal);
        failed.expect(&"a".into(), due);
        assert_eq!(failed.mode(now), ReceiveMode::ShortWait(Duration::from_secs(4)));
        assert_eq!(failed.mode(now + Duration::from_secs(4)), ReceiveMode::OneAtATime);
        assert_eq!(failed.mode(due), ReceiveMode::OneAtATime);
        failed.resolved("a");
        assert_eq!(failed.mode(due), ReceiveMode::Normal);
    }

    #[test]
    fn a_failed_message_that_is_not_received_again_is_forgotten() {
        let (mut failed, now) = (FailedGroups::default(), Instant::now());
        failed.expect(&"a".into(), now);
        assert_eq!(failed.mode(now + ONE_AT_A_TIME_FOR), ReceiveMode::Normal);
    }

    #[test]
    fn a_failed_receive_is_repeated_once_and_with_enough_permits() {
        let (mut receives, now) = (FailedReceives::default(), Instant::now());
        let id = receives.next_id(10, VISIBILITY, now);
        receives.push(FailedReceive { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(receives.next_id(9, VISIBILITY, now), id);
        assert_eq!(receives.next_id(10, VISIBILITY, now), id);
        assert_ne!(receives.next_id(10, VISIBILITY, now), id);
    }

    #[test]
    fn a_failed_receive_whose_messages_are_visible_again_is_not_repeated() {
        let (mut receives, now) = (FailedReceives::default(), Instant::now());
        let id = receives.next_id(10, VISIBILITY, now);
        receives.push(FailedReceive { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(receives.next_id(10, VISIBILITY, now + VISIBILITY), id);
    }
}
