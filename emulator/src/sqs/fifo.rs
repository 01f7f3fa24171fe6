//! FIFO queues: the order within groups, and the memory of recent ids.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{message::StoredState, receipt::MessageKey};

/// The groups of a FIFO queue; each gives its messages in the order of sending, and none behind one in flight.
#[derive(Debug, Default)]
pub(super) struct MessageGroups {
    by_id: HashMap<Arc<str>, MessageGroup>,
    /// The groups from which a message can be received, in the order in which they became available.
    available: BTreeMap<u64, Arc<str>>,
    turns: u64,
}

/// The messages of one group.
#[derive(Debug, Default)]
struct MessageGroup {
    /// All of them in the order of sending; true for those that are visible.
    members: BTreeMap<MessageKey, bool>,
    /// The turn of the group among the available ones.
    turn: Option<u64>,
}

impl MessageGroup {
    /// The message that a receive takes next if `last` is the one of this group that it has taken last.
    ///
    /// A message in flight or delayed closes the group behind it, and not before it (recorded against AWS).
    fn next(&self, last: Option<MessageKey>) -> Option<MessageKey> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let (key, is_visible) = self.members.range((from, Bound::Unbounded)).next()?;
        is_visible.then_some(*key)
    }
}

impl MessageGroups {
    /// The next message for a receive: of the group that `last` is of, the message it has taken last, then of the
    /// group that has been available longest.
    pub(super) fn next(&self, last: Option<(&str, MessageKey)>) -> Option<MessageKey> {
        let of_same_group = last.and_then(|(id, key)| self.by_id.get(id)?.next(Some(key)));
        of_same_group.or_else(|| {
            let (_, id) = self.available.first_key_value()?;
            self.by_id.get(id)?.next(None)
        })
    }

    /// Adds a message in this state.
    pub(super) fn insert(&mut self, key: MessageKey, id: &str, state: StoredState) {
        if !self.by_id.contains_key(id) {
            self.by_id.insert(id.into(), MessageGroup::default());
        }
        self.change(id, |group| {
            group.members.insert(key, matches!(state, StoredState::Visible));
        });
    }

    /// Removes a message.
    pub(super) fn remove(&mut self, key: MessageKey, id: &str) {
        self.change(id, |group| {
            group.members.remove(&key);
        });
        if self.by_id.get(id).is_some_and(|group| group.members.is_empty()) {
            self.by_id.remove(id);
        }
    }

    /// Changes a group and updates its availability.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut MessageGroup)) {
        let Some(group) = self.by_id.get_mut(id) else { return };
        change(group);
        let is_available = group.next(None).is_some();
        match (group.turn, is_available) {
            (None, true) => {
                self.turns += 1;
                group.turn = Some(self.turns);
                self.available.insert(self.turns, id.into());
            }
            (Some(turn), false) => {
                group.turn = None;
                self.available.remove(&turn);
            }
            _ => {}
        }
    }
}

/// The time for which a deduplication id or a receive attempt is remembered.
const WINDOW: Duration = Duration::from_mins(5);

/// The identity of a message on a FIFO queue: the group, if groups are deduplicated separately, and the id.
pub(super) type DeduplicationKey = (Option<Arc<str>>, String);

/// Values by the ids of the last five minutes.
#[derive(Debug)]
pub(crate) struct RecentIds<Id, Value> {
    values: HashMap<Id, (Instant, Value)>,
    ages: VecDeque<(Instant, Id)>,
}

impl<Id, Value> Default for RecentIds<Id, Value> {
    fn default() -> Self {
        Self { values: HashMap::new(), ages: VecDeque::new() }
    }
}

impl<Id: Clone + Eq + std::hash::Hash, Value> RecentIds<Id, Value> {
    /// The value of an id of the last five minutes.
    pub(crate) fn get(&mut self, id: &Id, now: Instant) -> Option<&Value> {
        self.drop_old(now);
        self.values.get(id).map(|(_, value)| value)
    }

    /// Remembers a value from now on.
    pub(crate) fn insert(&mut self, id: Id, value: Value, now: Instant) {
        self.drop_old(now);
        self.ages.push_back((now, id.clone()));
        self.values.insert(id, (now, value));
    }

    /// The ids of the last five minutes with their times and values, the oldest first.
    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = (Instant, &Id, &Value)> {
        let is_recent = move |at: Instant| now.saturating_duration_since(at) < WINDOW;
        self.ages.iter().filter(move |(at, _)| is_recent(*at)).filter_map(|(at, id)| {
            let (latest, value) = self.values.get(id)?;
            (latest == at).then_some((*at, id, value))
        })
    }

    /// Forgets all ids.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn drop_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.ages.front()
            && now.saturating_duration_since(*at) >= WINDOW
            && let Some((at, id)) = self.ages.pop_front()
        {
            // The id may have been inserted again since.
            if self.values.get(&id).is_some_and(|(latest, _)| *latest == at) {
                self.values.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISIBLE: StoredState = StoredState::Visible;

    fn set(groups: &mut MessageGroups, key: MessageKey, state: StoredState) {
        groups.remove(key, "a");
        groups.insert(key, "a", state);
    }

    #[test]
    fn a_message_in_flight_closes_its_group_behind_it_and_not_before_it() {
        let mut groups = MessageGroups::default();
        for key in 1..=3 {
            groups.insert(key, "a", VISIBLE);
        }
        let in_flight = StoredState::InFlight(Instant::now());
        set(&mut groups, 1, in_flight);
        assert_eq!((groups.next(None), groups.next(Some(("a", 1)))), (None, Some(2)));
        set(&mut groups, 2, in_flight);
        set(&mut groups, 1, VISIBLE);
        assert_eq!(groups.next(None), Some(1), "before the one in flight");
        set(&mut groups, 1, in_flight);
        assert_eq!(groups.next(Some(("a", 1))), None, "the second is in flight for another receive");
        groups.remove(1, "a");
        assert_eq!(groups.next(None), None, "behind the one in flight");
        groups.remove(2, "a");
        assert_eq!(groups.next(None), Some(3));
    }

    #[test]
    fn a_delayed_head_makes_its_group_unavailable() {
        let mut groups = MessageGroups::default();
        groups.insert(1, "a", StoredState::Delayed(Instant::now()));
        groups.insert(2, "a", VISIBLE);
        assert_eq!(groups.next(None), None);
    }

    #[test]
    fn an_empty_group_is_forgotten() {
        let mut groups = MessageGroups::default();
        groups.insert(1, "a", VISIBLE);
        groups.remove(1, "a");
        assert!(groups.by_id.is_empty() && groups.available.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_remembered_for_five_minutes_from_its_latest_use() {
        let mut recent = RecentIds::default();
        let start = Instant::now();
        let minutes = |count| start + Duration::from_mins(count);
        recent.insert("a", 1, start);
        assert_eq!(recent.get(&"a", minutes(4)), Some(&1));
        recent.insert("a", 2, minutes(4));
        assert_eq!(recent.get(&"a", minutes(8)), Some(&2));
        assert_eq!(recent.get(&"a", minutes(9)), None);
        assert!(recent.values.is_empty() && recent.ages.is_empty());
    }
}
