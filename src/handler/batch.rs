//! Several messages that one call handles together.

use std::{ops::Deref, sync::Arc};

use super::Context;
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
