//! When to receive one message at a time from a FIFO queue, because a group's failed one is due again: pure.
//!
//! A receive that brings a failed message with those behind it spends a receive of theirs, too, should it fail again.
//! After `maxReceiveCount` of those they would be moved to the dead-letter queue without ever having run.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::buffer::Group;

/// How long receives bring one message at a time once a failed one is visible again: long enough to catch it, and to see
/// whether it fails again at once. Another worker may have got it.
const LOOKOUT: Duration = Duration::from_secs(30);
/// How long before that a receive of many must have ended.
const MARGIN: Duration = Duration::from_millis(500);
/// The most groups that are remembered; beyond them receives go on as if nothing had failed.
const MOST: usize = 1_000;

/// The groups whose first message has failed and is due to come again.
#[derive(Debug, Default)]
pub(super) struct FailedGroups {
    due: HashMap<Group, Instant>,
}

/// How to receive now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiveMode {
    /// As always.
    Normal,
    /// Many at a time, waiting no longer than this, in whole seconds.
    ShortWait(Duration),
    /// One at a time.
    OneAtATime,
}

impl FailedGroups {
    /// Notes that a message of the group has failed and is visible again at `due`.
    pub(super) fn expect(&mut self, group: &Group, due: Instant) {
        if self.due.len() < MOST || self.due.contains_key(group) {
            self.due.insert(group.clone(), due);
        }
    }

    /// Notes that a message of the group will not run again.
    pub(super) fn is_over(&mut self, group: &str) {
        self.due.remove(group);
    }

    /// Decides how to receive.
    pub(super) fn mode(&mut self, now: Instant) -> ReceiveMode {
        self.due.retain(|_, due| now < *due + LOOKOUT);
        let Some(due) = self.due.values().min() else { return ReceiveMode::Normal };
        let left = due.saturating_duration_since(now).saturating_sub(MARGIN);
        match left.as_secs() {
            0 => ReceiveMode::OneAtATime,
            seconds => ReceiveMode::ShortWait(Duration::from_secs(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_message_is_received_alone_until_it_is_done() {
        let (mut failed_groups, now) = (FailedGroups::default(), Instant::now());
        let due = now + Duration::from_secs(5);
        assert_eq!(failed_groups.mode(now), ReceiveMode::Normal);
        failed_groups.expect(&"a".into(), due);
        assert_eq!(failed_groups.mode(now), ReceiveMode::ShortWait(Duration::from_secs(4)));
        assert_eq!(failed_groups.mode(now + Duration::from_secs(4)), ReceiveMode::OneAtATime);
        assert_eq!(failed_groups.mode(due), ReceiveMode::OneAtATime);
        failed_groups.is_over("a");
        assert_eq!(failed_groups.mode(due), ReceiveMode::Normal);
    }

    #[test]
    fn a_failed_message_that_does_not_come_is_forgotten() {
        let (mut failed_groups, now) = (FailedGroups::default(), Instant::now());
        failed_groups.expect(&"a".into(), now);
        assert_eq!(failed_groups.mode(now + LOOKOUT), ReceiveMode::Normal);
    }
}
