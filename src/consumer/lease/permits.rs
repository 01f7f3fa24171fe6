//! Permits, which limit the number of messages that one queue may hold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The permits of one queue: one for each message that may be held.
///
/// Permits are reserved before a receive, and freed when a message is settled.
#[derive(Clone, Debug)]
pub(crate) struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    count: Mutex<PermitCount>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct PermitCount {
    capacity: usize,
    in_use: usize,
}

impl PermitCount {
    fn available(self) -> usize {
        self.capacity.saturating_sub(self.in_use)
    }
}

impl Permits {
    /// Creates this many permits, all available.
    pub(crate) fn new(capacity: usize) -> Self {
        let count = Mutex::new(PermitCount { capacity, in_use: 0 });
        Self(Arc::new(Inner { count, freed: Notify::new() }))
    }

    fn count(&self) -> MutexGuard<'_, PermitCount> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the number of permits. Permits in use beyond a smaller capacity stay valid until they are dropped.
    pub(crate) fn resize(&self, capacity: usize) {
        let mut count = self.count();
        let grows = capacity > count.capacity;
        count.capacity = capacity;
        drop(count);
        if grows {
            self.0.freed.notify_one();
        }
    }

    /// The number of permits, in use or not.
    pub(crate) fn capacity(&self) -> usize {
        self.count().capacity
    }

    /// The number of permits that are neither in use nor reserved.
    pub(crate) fn available(&self) -> usize {
        self.count().available()
    }

    /// Reserves this many permits; `None` when fewer are available.
    pub(crate) fn reserve(&self, permits: usize) -> Option<Reservation> {
        let mut count = self.count();
        if count.available() < permits {
            return None;
        }
        count.in_use += permits;
        Some(Reservation { owner: self.clone(), permits })
    }

    /// Waits until permits become available, by a drop or by [`Permits::resize`].
    ///
    /// Returns at once if that has happened since the last wait. Only one task may wait.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn free(&self, permits: usize) {
        if permits == 0 {
            return;
        }
        self.count().in_use -= permits;
        self.0.freed.notify_one();
    }
}

/// The permits reserved for one receive; its drop frees those that no message took.
#[derive(Debug)]
pub(crate) struct Reservation {
    owner: Permits,
    permits: usize,
}

impl Reservation {
    /// The number of permits left in the reservation.
    pub(crate) fn permits(&self) -> usize {
        self.permits
    }

    /// Takes one permit; `None` when a server returns more messages than requested.
    pub(crate) fn take(&mut self) -> Option<Permit> {
        self.permits = self.permits.checked_sub(1)?;
        Some(Permit { owner: self.owner.clone() })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.owner.free(self.permits);
    }
}

/// The permit of one held message, freed by its drop.
#[derive(Debug)]
pub(crate) struct Permit {
    owner: Permits,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.owner.free(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reservation_frees_the_permits_that_no_message_took() {
        let permits = Permits::new(10);
        let mut reservation = permits.reserve(10).unwrap();
        let permit = reservation.take().unwrap();
        assert_eq!(permits.available(), 0);
        drop(reservation);
        assert_eq!(permits.available(), 9);
        drop(permit);
        assert_eq!(permits.available(), 10);
    }

    #[test]
    fn a_smaller_capacity_waits_for_permits_in_use() {
        let permits = Permits::new(10);
        let reservation = permits.reserve(8).unwrap();
        permits.resize(4);
        assert!(permits.reserve(1).is_none());
        drop(reservation);
        assert_eq!(permits.available(), 4);
    }

    #[tokio::test]
    async fn a_wait_ends_when_permits_become_available_and_at_no_other_resize() {
        let permits = Permits::new(4);
        let has_waited = async || tokio::time::timeout(Duration::ZERO, permits.freed()).await.is_ok();
        assert!(!has_waited().await);
        permits.resize(4);
        permits.resize(2);
        assert!(!has_waited().await);
        permits.resize(3);
        assert!(has_waited().await);
        assert_eq!(permits.capacity(), 3);
        drop(permits.reserve(1));
        assert!(has_waited().await);
    }

    proptest! {
        #[test]
        fn never_more_permits_are_in_use_than_the_capacity(wishes in proptest::collection::vec(1usize..20, 1..50), capacity in 0usize..40) {
            let permits = Permits::new(capacity);
            let granted: Vec<_> = wishes.into_iter().filter_map(|wish| permits.reserve(wish)).collect();
            let in_use: usize = granted.iter().map(Reservation::permits).sum();
            prop_assert!(in_use <= capacity);
            prop_assert_eq!(permits.available(), capacity - in_use);
        }
    }
}
