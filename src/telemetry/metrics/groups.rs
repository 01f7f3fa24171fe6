//! How many message groups the held messages are of, by number and never by name.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus::IntGaugeVec;

use crate::telemetry::catalog::Families;

/// The message groups of the messages held now.
///
/// A group's name is the sender's doing and may be a secret of theirs: it is neither kept nor told.
pub struct GroupTally {
    held: Mutex<Option<HashMap<u64, usize>>>,
    hasher: RandomState,
    groups: Gauge,
    most: Gauge,
}

/// One queue's gauge, which begins with its first value.
struct Gauge {
    queue: String,
    family: IntGaugeVec,
}

/// One held message of a group; dropped, it is held no more.
pub struct HeldGroup {
    metrics: Arc<super::QueueMetrics>,
    group: u64,
}

impl GroupTally {
    pub(super) fn new(families: &Families, queue: &str) -> Self {
        let gauge = |family: &IntGaugeVec| Gauge { queue: queue.to_owned(), family: family.clone() };
        Self {
            held: Mutex::new(None),
            hasher: RandomState::new(),
            groups: gauge(&families.groups_held),
            most: gauge(&families.group_held_max),
        }
    }

    fn held(&self) -> MutexGuard<'_, Option<HashMap<u64, usize>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, name: &str) -> u64 {
        let group = self.hasher.hash_one(name);
        *self.held().get_or_insert_default().entry(group).or_default() += 1;
        group
    }

    fn end(&self, group: u64) {
        let mut held = self.held();
        let Some(groups) = held.as_mut() else { return };
        if let Some(count) = groups.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                groups.remove(&group);
            }
        }
    }

    /// Only queues that ever had a message of a group have these gauges.
    pub(super) fn refresh(&self) {
        let Some((groups, most)) =
            self.held().as_ref().map(|held| (held.len(), held.values().copied().max().unwrap_or_default()))
        else {
            return;
        };
        self.groups.set(groups);
        self.most.set(most);
    }
}

impl Gauge {
    fn set(&self, value: usize) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.family.with_label_values(&[&self.queue]).set(value);
    }
}

impl HeldGroup {
    /// Counts one more held message of this group.
    pub fn begin(metrics: &Arc<super::QueueMetrics>, name: &str) -> Self {
        Self { group: metrics.groups.begin(name), metrics: metrics.clone() }
    }
}

impl Drop for HeldGroup {
    fn drop(&mut self) {
        self.metrics.groups.end(self.group);
    }
}
