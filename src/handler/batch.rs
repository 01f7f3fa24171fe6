//! Several messages that one call handles together, and how each of them ended.

use std::{ops::Deref, sync::Arc};

use super::{Context, Outcome};
use crate::message::Message;

/// One message of a batch.
#[derive(Clone, Debug)]
pub struct BatchItem {
    /// The message.
    pub message: Arc<Message>,
    /// Its own circumstances: its attempt, its lease, and a cancellation that fires when that lease is lost.
    pub context: Context,
}

/// The messages of one call, in the order in which they came; never empty.
///
/// The messages of one FIFO group stand in the group's order.
#[derive(Clone, Debug)]
pub struct Batch(Vec<BatchItem>);

impl Batch {
    /// A batch of these messages; `None` of none.
    pub fn new(items: Vec<BatchItem>) -> Option<Self> {
        (!items.is_empty()).then_some(Self(items))
    }

    /// The messages alone.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &Arc<Message>> {
        self.0.iter().map(|item| &item.message)
    }
}

impl From<BatchItem> for Batch {
    fn from(item: BatchItem) -> Self {
        Self(vec![item])
    }
}

impl Deref for Batch {
    type Target = [BatchItem];

    fn deref(&self) -> &[BatchItem] {
        &self.0
    }
}

impl IntoIterator for Batch {
    type Item = BatchItem;
    type IntoIter = std::vec::IntoIter<BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a BatchItem;
    type IntoIter = std::slice::Iter<'a, BatchItem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// How the messages of a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// All in the same way.
    All(Outcome),
    /// Each in its own way, in the order of the batch; a message without an outcome is tried again.
    Each(Vec<Outcome>),
}

impl Outcomes {
    /// One outcome for each of `messages` messages; what is too much is dropped, what is missing is a retry.
    pub fn spread(self, messages: usize) -> Vec<Outcome> {
        match self {
            Self::All(outcome) => vec![outcome; messages],
            Self::Each(mut outcomes) => {
                let missing = || Outcome::Retry("the handler gave no outcome for this message".to_owned());
                outcomes.resize_with(messages, missing);
                outcomes
            }
        }
    }
}

impl From<Outcome> for Outcomes {
    fn from(outcome: Outcome) -> Self {
        Self::All(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_an_outcome_is_tried_again() {
        let outcomes = Outcomes::Each(vec![Outcome::Done]).spread(2);
        assert_eq!(outcomes[0], Outcome::Done);
        assert!(matches!(outcomes[1], Outcome::Retry(_)));
    }

    #[test]
    fn outcomes_beyond_the_batch_are_dropped() {
        assert_eq!(Outcomes::Each(vec![Outcome::Done; 3]).spread(1), [Outcome::Done]);
        assert_eq!(Outcomes::All(Outcome::Done).spread(2), [Outcome::Done, Outcome::Done]);
    }
}
