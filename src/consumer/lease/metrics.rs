//! Metrics of leases: messages held, message groups by number, extensions, losses.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::telemetry::{Computed, IntCounter, IntGauge, MetricScope, metric_group};

metric_group! {
    /// Metrics of one queue's leases.
    pub struct LeaseMetrics {
        /// Messages held now: waiting, running or being settled.
        pub held: IntGauge = "longshore_messages_held" ["queue"];
        /// Messages received again while this worker still ran them or after it was done with them; none was run again.
        pub duplicates: IntCounter = "longshore_messages_duplicate_total" ["queue"];
        /// Leases extended.
        pub extensions: IntCounter = "longshore_lease_extensions_total" ["queue"];
        /// Leases lost before their message was settled.
        pub lost: IntCounter = "longshore_leases_lost_total" ["queue"];
        /// Different message groups among the messages held now: the tenants of a fair queue, the groups of a FIFO queue.
        groups_held: Computed = "longshore_groups_held" ["queue"];
        /// Messages held now of the message group with the most.
        group_held_max: Computed = "longshore_group_messages_held_max" ["queue"];
    }
}

/// Counts the held messages of each message group.
///
/// A sender chooses the group names, which may be secret, so they are neither stored nor shown.
#[derive(Clone, Default)]
pub struct GroupTally(Arc<GroupCounts>);

#[derive(Default)]
struct GroupCounts {
    /// `None` before the first message with a group.
    held: Mutex<Option<HashMap<u64, usize>>>,
    hasher: RandomState,
}

/// One held message of a group, until it is dropped.
pub struct HeldGroup {
    tally: GroupTally,
    group: u64,
}

impl GroupTally {
    /// Creates a tally that the gauges of the scope show.
    pub fn in_scope(scope: &MetricScope) -> Self {
        let (tally, metrics) = (Self::default(), scope.group::<LeaseMetrics>());
        let shown = tally.clone();
        metrics.groups_held.by(move || shown.gauge(HashMap::len));
        let shown = tally.clone();
        metrics
            .group_held_max
            .by(move || shown.gauge(|held| held.values().copied().max().unwrap_or_default()));
        tally
    }

    /// Counts one more held message of this group.
    pub fn hold(&self, name: &str) -> HeldGroup {
        let group = self.0.hasher.hash_one(name);
        *self.held().get_or_insert_default().entry(group).or_default() += 1;
        HeldGroup { tally: self.clone(), group }
    }

    fn held(&self) -> MutexGuard<'_, Option<HashMap<u64, usize>>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a gauge; `None` for a queue that has never had a message with a group.
    #[expect(clippy::cast_precision_loss, reason = "no worker holds 2^53 messages")]
    fn gauge(&self, value: impl FnOnce(&HashMap<u64, usize>) -> usize) -> Option<f64> {
        self.held().as_ref().map(|held| value(held) as f64)
    }
}

impl Drop for HeldGroup {
    fn drop(&mut self) {
        let mut held = self.tally.held();
        let Some(groups) = held.as_mut() else { return };
        if let Some(count) = groups.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                groups.remove(&self.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn groups_are_counted_and_never_named() {
        let metrics = Metrics::new();
        let tally = GroupTally::in_scope(&metrics.queue("orders", "orders"));
        assert!(!metrics.text().contains("longshore_groups_held"), "it has none");
        let held: Vec<_> = ["a", "b", "a", "a"].map(|name| tally.hold(name)).into();
        let text = metrics.text();
        assert!(text.contains("longshore_groups_held{queue=\"orders\"} 2"), "{text}");
        assert!(text.contains("longshore_group_messages_held_max{queue=\"orders\"} 3"), "{text}");
        drop(held);
        let text = metrics.text();
        assert!(text.contains("longshore_groups_held{queue=\"orders\"} 0"), "{text}");
        assert!(text.contains("longshore_group_messages_held_max{queue=\"orders\"} 0"), "{text}");
    }
}
