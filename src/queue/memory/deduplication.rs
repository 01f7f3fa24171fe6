//! The five minutes in which a FIFO queue takes a message once.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::content::Content;

/// How long a deduplication id is remembered, and a receive attempt too.
pub(super) const WINDOW: Duration = Duration::from_mins(5);

/// What was seen in the last five minutes, by id.
#[derive(Debug)]
pub(super) struct Recent<Id, Seen> {
    seen: HashMap<Id, (Instant, Seen)>,
    ages: VecDeque<(Instant, Id)>,
}

/// What makes two messages the same: the group, where groups are deduplicated apart, and the id.
pub(super) type Deduplication = (Option<Arc<str>>, String);

/// The messages a FIFO queue took, with what to answer for a duplicate.
pub(super) type Deduplicated = Recent<Deduplication, Arc<Content>>;

impl<Id, Seen> Default for Recent<Id, Seen> {
    fn default() -> Self {
        Self { seen: HashMap::new(), ages: VecDeque::new() }
    }
}

impl<Id: Clone + Eq + std::hash::Hash, Seen> Recent<Id, Seen> {
    /// What was seen of this id in the window.
    pub(super) fn get(&mut self, id: &Id, now: Instant) -> Option<&Seen> {
        self.forget_old(now);
        self.seen.get(id).map(|(_, seen)| seen)
    }

    /// Remembers from now on.
    pub(super) fn remember(&mut self, id: Id, seen: Seen, now: Instant) {
        self.forget_old(now);
        self.ages.push_back((now, id.clone()));
        self.seen.insert(id, (now, seen));
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.ages.front()
            && now.saturating_duration_since(*at) >= WINDOW
            && let Some((at, id)) = self.ages.pop_front()
        {
            // The id may have been remembered anew since.
            if self.seen.get(&id).is_some_and(|(latest, _)| *latest == at) {
                self.seen.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_id_is_remembered_for_five_minutes_from_its_latest_mention() {
        let mut recent = Recent::default();
        let start = Instant::now();
        let minutes = |count| start + Duration::from_mins(count);
        recent.remember("a", 1, start);
        assert_eq!(recent.get(&"a", minutes(4)), Some(&1));
        recent.remember("a", 2, minutes(4));
        assert_eq!(recent.get(&"a", minutes(8)), Some(&2));
        assert_eq!(recent.get(&"a", minutes(9)), None);
        assert!(recent.seen.is_empty() && recent.ages.is_empty());
    }
}
