//! Gathers messages into batches that SQS takes: ten messages, 1 MiB in all.

use std::iter::Peekable;

use crate::{message::OutgoingMessage, queue::limits};

/// The batches of a stream of messages; the first failure ends them.
pub(super) struct Batches<I: Iterator> {
    messages: Peekable<I>,
}

impl<I: Iterator<Item = Result<OutgoingMessage, E>>, E> Batches<I> {
    pub(super) fn new(messages: I) -> Self {
        Self { messages: messages.peekable() }
    }
}

impl<I: Iterator<Item = Result<OutgoingMessage, E>>, E> Iterator for Batches<I> {
    type Item = Result<Vec<OutgoingMessage>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = match self.messages.next()? {
            Ok(message) => message,
            Err(error) => return Some(Err(error)),
        };
        let mut batch_bytes = first.size_bytes();
        let mut batch = vec![first];
        while batch.len() < limits::BATCH_ENTRIES {
            let fits = |next: &Result<OutgoingMessage, E>| {
                next.as_ref().is_ok_and(|message| batch_bytes + message.size_bytes() <= limits::MESSAGE_BYTES)
            };
            let Some(Ok(message)) = self.messages.next_if(fits) else { break };
            batch_bytes += message.size_bytes();
            batch.push(message);
        }
        Some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sizes(bodies: &[usize]) -> Vec<Vec<usize>> {
        let messages = bodies.iter().map(|bytes| Ok::<_, ()>(OutgoingMessage::new("x".repeat(*bytes))));
        let sizes = |batch: Vec<OutgoingMessage>| batch.iter().map(|message| message.body.len()).collect();
        Batches::new(messages).map(|batch| sizes(batch.unwrap())).collect()
    }

    #[test]
    fn a_message_that_fills_a_request_goes_alone() {
        let whole = limits::MESSAGE_BYTES;
        assert_eq!(sizes(&[1, whole, 1, 1]), [vec![1], vec![whole], vec![1, 1]]);
    }

    #[test]
    fn what_was_read_before_a_failure_is_still_sent() {
        let messages = [Ok(OutgoingMessage::new("a")), Err("unreadable"), Ok(OutgoingMessage::new("b"))];
        let lengths: Vec<_> =
            Batches::new(messages.into_iter()).map(|batch| batch.map(|batch| batch.len())).collect();
        assert_eq!(lengths, [Ok(1), Err("unreadable"), Ok(1)]);
    }

    proptest! {
        #[test]
        fn batches_hold_everything_in_order_within_the_limits(bodies in prop::collection::vec(1usize..300_000, 0..60)) {
            let batches = sizes(&bodies);
            prop_assert_eq!(batches.concat(), bodies);
            for batch in batches {
                prop_assert!(!batch.is_empty() && batch.len() <= limits::BATCH_ENTRIES);
                prop_assert!(batch.iter().sum::<usize>() <= limits::MESSAGE_BYTES);
            }
        }
    }
}
