//! Reads the messages of a queue one after the other, each once, and holds them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::hold::{HeldMessages, VISIBILITY};
use crate::{
    message::{Message, MessageId, Wanted},
    queue::{Queue, QueueError, ReceiveRequest, RetryClass, limits::BATCH_ENTRIES},
};

/// The wait of a receive that proves a queue empty: SQS asks all of its servers.
pub(super) const PROOF: Duration = Duration::from_secs(1);
/// The most attempts of a call whose failure may pass.
const ATTEMPTS: u32 = 5;

/// The messages of a queue that were read.
pub(super) struct DlqScan {
    queue: Arc<dyn Queue>,
    held: Arc<HeldMessages>,
    seen: HashSet<MessageId>,
}

/// The answer to one receive.
pub(super) struct ScannedMessages {
    /// Those that were not received before.
    pub(super) messages: Vec<Message>,
    /// True if the queue has no visible message.
    pub(super) is_drained: bool,
}

impl DlqScan {
    pub(super) fn new(queue: Arc<dyn Queue>) -> Self {
        Self { held: Arc::new(HeldMessages::new(queue.clone())), queue, seen: HashSet::new() }
    }

    /// The messages that it holds.
    pub(super) fn held(&self) -> Arc<HeldMessages> {
        self.held.clone()
    }

    /// The number of messages that were received so far.
    pub(super) fn count(&self) -> usize {
        self.seen.len()
    }

    /// Receives up to `most` messages, after a wait of at most `wait` for the first one.
    pub(super) async fn receive(
        &mut self,
        most: usize,
        wait: Duration,
    ) -> Result<ScannedMessages, QueueError> {
        let max = most.clamp(1, BATCH_ENTRIES);
        let (sent, received) = self.received(max, wait).await?;
        self.held.add(&received, sent);
        let is_drained = received.is_empty() && wait >= PROOF;
        let messages = received.into_iter().filter(|message| self.seen.insert(message.id.clone())).collect();
        Ok(ScannedMessages { messages, is_drained })
    }

    async fn received(&self, max: usize, wait: Duration) -> Result<(Instant, Vec<Message>), QueueError> {
        let mut attempt = 1;
        loop {
            let sent = Instant::now();
            let wanted = Wanted::Everything;
            let request = ReceiveRequest { max, wait, visibility: VISIBILITY, wanted, attempt_id: None };
            match self.queue.receive(request).await {
                Ok(messages) => return Ok((sent, messages)),
                Err(error) if may_pass(&error, attempt) => {
                    sleep(error.retry_class().pauses().random_delay(attempt)).await;
                }
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Deletes held messages; returns those that could not be deleted.
    pub(super) async fn delete(&self, ids: &[MessageId]) -> Vec<MessageId> {
        let mut left: Vec<MessageId> = ids.to_vec();
        for attempt in 1..=ATTEMPTS {
            let receipts: Vec<_> =
                left.iter().filter_map(|id| Some((id.clone(), self.held.receipt(id)?))).collect();
            let (ids, receipts): (Vec<_>, Vec<_>) = receipts.into_iter().unzip();
            if receipts.is_empty() {
                break;
            }
            let answers = self.queue.delete(&receipts).await.unwrap_or_default();
            for (id, answer) in ids.iter().zip(answers) {
                if answer.is_ok() {
                    self.held.forget(id);
                    left.retain(|other| other != id);
                }
            }
            if left.is_empty() {
                break;
            }
            sleep(RetryClass::Transient.pauses().random_delay(attempt)).await;
        }
        left
    }
}

fn may_pass(error: &QueueError, attempt: u32) -> bool {
    error.retry_class() == RetryClass::Transient && attempt < ATTEMPTS
}
