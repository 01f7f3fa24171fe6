//! The mode of receives from a FIFO queue while failed messages are about to come again: pure.
//!
//! A receive that brings a failed message together with those behind it spends one of their receives, too, should
//! the message fail again. After `maxReceiveCount` of those SQS would move them to the dead-letter queue although they
//! have never run.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::buffer::Group;
use crate::queue::ReceiveAttemptId;

/// The time for which receives bring one message each once a failed one is visible again: long enough to receive it, and to see
/// whether it fails again at once. Another worker may have received it.
const ONE_AT_A_TIME_FOR: Duration = Duration::from_secs(30);
/// The time before that by which a receive of many messages must have ended.
const MARGIN: Duration = Duration::from_millis(500);
/// The most groups that are remembered; beyond them receives go on as if nothing had failed.
const MOST_GROUPS: usize = 1_000;

/// The form of the next receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiveMode {
    /// Many messages, with the configured wait.
    Normal,
    /// Many messages, with a wait of at most so many whole seconds.
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

    /// Decides on the form of the next receives.
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

/// A receive that failed, and may have hidden messages nevertheless.
#[derive(Clone, Debug)]
pub(super) struct FailedReceive {
    pub(super) id: ReceiveAttemptId,
    /// The most messages that it may have hidden.
    pub(super) asked: usize,
    /// It hid them before this time.
    pub(super) failed_at: Instant,
}

/// The failed receives from a FIFO queue, which are made again under the same id: SQS then returns the same messages.
#[derive(Debug, Default)]
pub(super) struct FailedReceives {
    failed: VecDeque<FailedReceive>,
}

impl FailedReceives {
    pub(super) fn push(&mut self, receive: FailedReceive) {
        self.failed.push_back(receive);
    }

    /// The number of messages for which the next receive needs permits to repeat a failed one; zero when none has failed.
    pub(super) fn least(&self) -> usize {
        self.failed.front().map_or(0, |receive| receive.asked)
    }

    /// The id of the next receive, for which there are so many permits.
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
    fn a_failed_message_that_does_not_come_is_forgotten() {
        let (mut failed, now) = (FailedGroups::default(), Instant::now());
        failed.expect(&"a".into(), now);
        assert_eq!(failed.mode(now + ONE_AT_A_TIME_FOR), ReceiveMode::Normal);
    }

    #[test]
    fn a_failed_receive_is_made_again_once_and_where_its_messages_fit() {
        let (mut receives, now) = (FailedReceives::default(), Instant::now());
        let id = receives.next_id(10, VISIBILITY, now);
        receives.push(FailedReceive { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(receives.next_id(9, VISIBILITY, now), id);
        assert_eq!(receives.next_id(10, VISIBILITY, now), id);
        assert_ne!(receives.next_id(10, VISIBILITY, now), id);
    }

    #[test]
    fn a_receive_whose_messages_are_visible_again_is_not_made_again() {
        let (mut receives, now) = (FailedReceives::default(), Instant::now());
        let id = receives.next_id(10, VISIBILITY, now);
        receives.push(FailedReceive { id: id.clone(), asked: 10, failed_at: now });
        assert_ne!(receives.next_id(10, VISIBILITY, now + VISIBILITY), id);
    }
}
