//! What a FIFO topic remembers: its numbers, and for five minutes what it took.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::publish::Published;

/// How long a deduplication id is remembered.
const WINDOW: Duration = Duration::from_mins(5);

/// What makes two messages the same: the group, where groups are deduplicated apart, and the id.
pub(super) type Deduplication = (Option<String>, String);

/// The memory of one FIFO topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    sent: u64,
    seen: HashMap<Deduplication, (Instant, Published)>,
}

impl Line {
    /// The next number: twenty digits that grow.
    pub(super) fn number(&mut self) -> String {
        self.sent += 1;
        (10_000_000_000_000_000_000_u128 + u128::from(self.sent)).to_string()
    }

    /// What was answered for the same message in the window.
    pub(super) fn seen(&mut self, deduplication: &Deduplication, now: Instant) -> Option<Published> {
        self.seen.retain(|_, (at, _)| now.saturating_duration_since(*at) < WINDOW);
        self.seen.get(deduplication).map(|(_, published)| published.clone())
    }

    /// Remembers what was answered.
    pub(super) fn remember(&mut self, deduplication: Deduplication, published: Published, now: Instant) {
        self.seen.insert(deduplication, (now, published));
    }
}
