//! How many messages may be held: reserved before a receive, freed when a message is settled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The room of one queue: places are counted, never messages.
#[derive(Clone, Debug)]
pub struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    count: Mutex<Count>,
    freed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    capacity: usize,
    taken: usize,
}

impl Room {
    /// A room of this many places, all free.
    pub fn new(capacity: usize) -> Self {
        let count = Mutex::new(Count { capacity, taken: 0 });
        Self(Arc::new(Inner { count, freed: Notify::new() }))
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the room larger or smaller; what is taken beyond a smaller room is freed in its own time.
    pub fn resize(&self, capacity: usize) {
        let mut count = self.count();
        let grows = capacity > count.capacity;
        count.capacity = capacity;
        drop(count);
        if grows {
            self.0.freed.notify_one();
        }
    }

    /// How many places there are.
    pub fn capacity(&self) -> usize {
        self.count().capacity
    }

    /// How many places nobody has taken or reserved.
    pub fn free(&self) -> usize {
        let count = self.count();
        count.capacity.saturating_sub(count.taken)
    }

    /// Whether no place is taken or reserved.
    pub fn is_empty(&self) -> bool {
        self.count().taken == 0
    }

    /// Reserves this many places, or none if fewer are free.
    pub fn reserve(&self, places: usize) -> Option<Reservation> {
        let mut count = self.count();
        if count.capacity.saturating_sub(count.taken) < places {
            return None;
        }
        count.taken += places;
        Some(Reservation { room: self.clone(), places })
    }

    /// Waits until a place was freed since the last wait.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn give(&self, places: usize) {
        if places == 0 {
            return;
        }
        self.count().taken -= places;
        self.0.freed.notify_one();
    }
}

/// Places reserved for a receive; those that no message took are free again at its drop.
#[derive(Debug)]
pub struct Reservation {
    room: Room,
    places: usize,
}

impl Reservation {
    /// How many places are left in the reservation.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Takes one place; `None` when a server answers with more messages than it was asked for.
    pub fn take(&mut self) -> Option<Place> {
        self.places = self.places.checked_sub(1)?;
        Some(Place { room: self.room.clone() })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.give(self.places);
    }
}

/// One message's place, free again at its drop.
#[derive(Debug)]
pub struct Place {
    room: Room,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.give(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reservation_gives_back_what_no_message_took() {
        let room = Room::new(10);
        let mut reservation = room.reserve(10).unwrap();
        let place = reservation.take().unwrap();
        assert_eq!(room.free(), 0);
        drop(reservation);
        assert_eq!(room.free(), 9);
        drop(place);
        assert!(room.is_empty());
    }

    #[test]
    fn a_smaller_room_waits_for_its_places() {
        let room = Room::new(10);
        let reservation = room.reserve(8).unwrap();
        room.resize(4);
        assert!(room.reserve(1).is_none());
        drop(reservation);
        assert_eq!(room.free(), 4);
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_there_is_room(wishes in proptest::collection::vec(1usize..20, 1..50), capacity in 0usize..40) {
            let room = Room::new(capacity);
            let granted: Vec<_> = wishes.into_iter().filter_map(|wish| room.reserve(wish)).collect();
            let taken: usize = granted.iter().map(Reservation::places).sum();
            prop_assert!(taken <= capacity);
            prop_assert_eq!(room.free(), capacity - taken);
        }
    }
}
