//! The messages that are done, remembered so that none is run again: pure.

use std::collections::{HashSet, VecDeque};

use crate::message::MessageId;

/// The newest done messages, each remembered until so many others were done after it.
#[derive(Debug)]
pub(super) struct Finished {
    ids: HashSet<MessageId>,
    order: VecDeque<MessageId>,
    capacity: usize,
}

impl Finished {
    /// Remembers up to `capacity` messages, at about 100 bytes each.
    pub(super) fn new(capacity: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), capacity }
    }

    /// Remembers a message, forgetting the oldest when there are too many.
    pub(super) fn insert(&mut self, id: &MessageId) {
        if !self.ids.insert(id.clone()) {
            return;
        }
        self.order.push_back(id.clone());
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Whether the message is remembered as done.
    pub(super) fn contains(&self, id: &MessageId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_are_remembered() {
        let mut finished = Finished::new(2);
        let id = |number: usize| MessageId::new(number.to_string());
        for number in 0..3 {
            finished.insert(&id(number));
        }
        assert!(!finished.contains(&id(0)));
        assert!(finished.contains(&id(1)) && finished.contains(&id(2)));
    }
}
