//! What a receive tells of how many messages wait in the queue, at no cost.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, fifo::Order};
use crate::{message::Message, telemetry::Sighting};

/// A receive that waited for less may not have asked all of SQS's servers.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Messages received more often come back from their own failures, and tell nothing of how long the others wait:
/// CloudWatch leaves them out, too.
const MOST_RECEIVES: u32 = 3;

impl Engine {
    /// Notes what the receive that was sent at `sent` has brought.
    pub(super) fn sight(&self, messages: &[Message], sent: Instant) {
        self.0.metrics.depth.received(sighting(messages, self.0.traits.order, sent.elapsed()));
    }
}

fn sighting(messages: &[Message], order: Order, waited: Duration) -> Sighting {
    if messages.is_empty() {
        let is_proof = order == Order::None && waited >= SHORTEST_WAIT;
        return if is_proof { Sighting::Empty } else { Sighting::Unclear };
    }
    let fresh = messages.iter().filter(|message| message.receive_count <= MOST_RECEIVES);
    Sighting::Messages(fresh.filter_map(Message::age).max())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn aged(seconds: u64, receive_count: u32) -> Message {
        let sent_at = Some(SystemTime::now() - Duration::from_secs(seconds));
        Message { receive_count, sent_at, ..Message::new("m", "") }
    }

    #[test]
    fn only_a_standard_queue_that_was_waited_for_is_proven_empty() {
        assert_eq!(sighting(&[], Order::None, LONG), Sighting::Empty);
        assert_eq!(sighting(&[], Order::None, Duration::ZERO), Sighting::Unclear);
        assert_eq!(sighting(&[], Order::Groups, LONG), Sighting::Unclear, "a group may be held up");
    }

    #[test]
    fn the_oldest_counts_that_does_not_come_from_its_own_failures() {
        let messages = [aged(10, 1), aged(70, 3), aged(5000, 4)];
        let Sighting::Messages(Some(age)) = sighting(&messages, Order::None, LONG) else { panic!("none") };
        assert!((70..100).contains(&age.as_secs()), "{age:?}");
        assert_eq!(sighting(&[aged(9, 9)], Order::None, LONG), Sighting::Messages(None));
    }

    #[test]
    fn a_message_of_the_future_is_new_because_the_clock_is_behind() {
        let sent_at = Some(SystemTime::now() + Duration::from_mins(2));
        let message = Message { sent_at, ..Message::new("m", "") };
        assert_eq!(sighting(&[message], Order::None, LONG), Sighting::Messages(Some(Duration::ZERO)));
    }
}
