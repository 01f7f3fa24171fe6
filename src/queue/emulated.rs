//! One queue of the account as the worker sees it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    account::Account,
    batch,
    content::{Content, Receive, Received},
    fault::Fault,
    store::no_such_queue,
};
use crate::{
    message::{Message, MessageId, OutgoingMessage, Receipt, SystemAttributes, Wanted},
    queue::{
        BatchAnswer, Description, EntryError, Queue, QueueError, QueueName, ReceiveRequest, VisibilityChange,
    },
};

/// A queue in memory that a worker can consume.
///
/// Durations are rounded up to whole seconds, which is what the wire carries.
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    account: Account,
    name: Arc<str>,
}

impl MemoryQueue {
    pub(super) fn new(account: Account, name: &str) -> Self {
        Self { account, name: name.into() }
    }

    /// The account the queue is in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a batch call, entry by entry.
    fn batch<E, T>(&self, entries: &[E], call: impl Fn(&E) -> Result<T, Fault>) -> BatchAnswer<T> {
        self.account.arn(&self.name).map_err(failure)?;
        batch::check_batch_len(entries.len()).map_err(failure)?;
        Ok(entries.iter().map(|entry| call(entry).map_err(entry_failure)).collect())
    }

    fn find(&self, QueueName { name, account }: &QueueName) -> Result<Arc<dyn Queue>, QueueError> {
        let own = &self.account.identity().account_id;
        if account.as_ref().is_some_and(|account| account != own) {
            return Err(failure(no_such_queue()));
        }
        self.account.arn(name).map_err(failure)?;
        Ok(Arc::new(self.account.queue(name)))
    }

    fn send_batch(&self, messages: &[OutgoingMessage]) -> BatchAnswer<MessageId> {
        let bytes = messages.iter().map(OutgoingMessage::size_bytes).sum();
        batch::batch_bytes(bytes).map_err(failure)?;
        self.account.check_batch(&self.name, messages).map_err(failure)?;
        self.batch(messages, |message| {
            let message = OutgoingMessage { delay: message.delay.map(whole_seconds), ..message.clone() };
            self.account.send(&self.name, message).map(|sent| sent.id)
        })
    }
}

impl Queue for MemoryQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        let receive = Receive {
            max: request.max,
            wait: Some(whole_seconds(request.wait)),
            visibility: Some(whole_seconds(request.visibility)),
            attempt_id: request.attempt_id.map(|id| id.as_str().to_owned()),
        };
        let receiving = self.account.receive(&self.name, receive);
        async move {
            let received = receiving.await.map_err(failure)?;
            Ok(received.into_iter().map(|received| message(received, request.wanted)).collect())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchAnswer<()>> {
        let delete = |receipt: &Receipt| self.account.delete(&self.name, receipt.as_str());
        async move { self.batch(receipts, delete) }.boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchAnswer<()>> {
        let change = |change: &VisibilityChange| {
            let visibility = whole_seconds(change.visibility);
            self.account.change_visibility(&self.name, change.receipt.as_str(), visibility)
        };
        async move { self.batch(changes, change) }.boxed()
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchAnswer<MessageId>> {
        async move { self.send_batch(messages) }.boxed()
    }

    fn describe(&self) -> BoxFuture<'_, Result<Description, QueueError>> {
        async move { self.account.describe(&self.name).map_err(failure) }.boxed()
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        async move { self.find(name) }.boxed()
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    let part = u64::from(duration.subsec_nanos() > 0);
    Duration::from_secs(duration.as_secs().saturating_add(part))
}

fn failure(fault: Fault) -> QueueError {
    QueueError::answered(fault.code.query(), fault.message)
}

fn entry_failure(fault: Fault) -> EntryError {
    EntryError::new(fault.code.query(), fault.message, true)
}

fn message(received: Received, wanted: Wanted) -> Message {
    let content = &received.content;
    let (attributes, system) = match wanted {
        Wanted::Body => (BTreeMap::new(), group_alone(content)),
        Wanted::Everything => (content.attributes.clone(), system_attributes(&received)),
    };
    Message {
        id: content.id.clone(),
        body: content.body.clone(),
        receive_count: received.receive_count,
        sent_at: Some(content.sent_at),
        attributes,
        system,
        receipt: received.receipt,
    }
}

fn group_alone(content: &Content) -> SystemAttributes {
    SystemAttributes {
        group_id: content.group_id.as_deref().map(str::to_owned),
        ..SystemAttributes::default()
    }
}

fn system_attributes(received: &Received) -> SystemAttributes {
    let content = &received.content;
    SystemAttributes {
        sender_id: Some(content.sender_id.as_ref().to_owned()),
        first_received_at: Some(received.first_received_at),
        group_id: content.group_id.as_deref().map(str::to_owned),
        deduplication_id: content.deduplication_id.clone(),
        sequence_number: content.sequence_number.clone(),
        trace_header: content.trace_header.clone(),
        dead_letter_source_arn: received.dead_letter_source_arn.as_deref().map(str::to_owned),
    }
}
