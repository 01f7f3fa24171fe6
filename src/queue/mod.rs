//! The queue port: every call that Longshore makes to SQS.

#[cfg(feature = "testing")]
mod emulated;
mod error;
pub(crate) mod limits;
pub(crate) mod metrics;
mod moves;
pub(crate) mod sqs;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::message::{Message, MessageId, OutgoingMessage, Receipt, Wanted};

#[cfg(feature = "testing")]
pub use self::emulated::EmulatorQueue;
pub use self::error::QueueError;
pub(crate) use self::{
    error::{EntryError, RetryClass, all_entries, within},
    moves::{MOVES_A_SECOND, MessageMoves, MoveReport, MoveRequest, MoveState},
};

/// One SQS queue, or another implementation of its contract.
///
/// # Contract
///
/// Every implementation passes the suite in `tests/queue_contract`, which proves these sentences:
/// - A received message is hidden from other receives until its visibility ends, its visibility is set to
///   zero, or it is deleted. The time counts from a point between the call and its answer, so a caller that counts from
///   the call never believes in a lease that has ended.
/// - A receipt of a standard queue deletes the message and moves its visibility until the message is deleted, also after
///   it was received again. One of a FIFO queue is refused once its visibility has ended.
/// - A message of a FIFO group that is in flight keeps back those behind it, and none before it.
/// - Batch calls return one result per entry, in the order of the entries. `Err` means that the call as a whole failed
///   and that the result of each entry is unknown.
/// - No call retries by itself: the caller decides about retries.
/// - No call waits for ever: each ends with an answer or an error within its own time limit.
/// - Futures may be dropped. A dropped receive may have hidden messages, which come back after their visibility, so
///   callers let a receive end unless [`Queue::cut_receives_hide_nothing`].
pub trait Queue: Send + Sync + 'static {
    /// Receives up to `request.max` messages, waiting up to `request.wait` for the first of them.
    ///
    /// An empty `Ok` means that the wait ended without a message.
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>>;

    /// Deletes up to ten messages; a second delete of a message succeeds, too.
    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>>;

    /// Sets the visibility of up to ten messages, counted from the call.
    ///
    /// `Ok` for an entry does not prove that the lease was still held: SQS answers 200 and does nothing for a receipt
    /// whose visibility timeout has passed (recorded against AWS). Callers must use their own clock.
    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>>;

    /// Sends up to ten messages, 1 MiB in all.
    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>>;

    /// Requests the queue's attributes; also the cheapest proof that the queue exists.
    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>>;

    /// The queue's URL, where it has one.
    fn url(&self) -> Option<&str> {
        None
    }

    /// Returns true if a receive that is dropped has hidden no message and hides none later, so that a stop may drop it.
    ///
    /// Of SQS that is not known: users report long polls that went on to take messages after their client had gone.
    fn cut_receives_hide_nothing(&self) -> bool {
        false
    }

    /// Opens another queue where this one is, such as its dead-letter queue.
    ///
    /// The default refuses, for implementations without other queues.
    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        let refusal = format!("cannot open another queue from this one: {}", name.name);
        std::future::ready(Err(QueueError::new(RetryClass::Refused, refusal))).boxed()
    }

    /// The move tasks of DLQs where this queue is; the default has none.
    fn moves(&self) -> Option<&dyn MessageMoves> {
        None
    }
}

/// One result per entry, in the order of the entries, or the failure of the whole call.
pub type BatchResult<T> = Result<Vec<Result<T, EntryError>>, QueueError>;

/// The parameters of one receive.
#[derive(Clone, Debug)]
pub struct ReceiveRequest {
    /// The most messages to return, 1 to 10.
    pub max: usize,
    /// The wait for the first message, whole seconds, at most 20 s.
    pub wait: Duration,
    /// The visibility timeout of the messages, whole seconds, at most 12 h.
    pub visibility: Duration,
    /// The parts of each message to return.
    pub wanted: Wanted,
    /// The id of this attempt, with which it can be repeated; only FIFO queues use it.
    pub attempt_id: Option<ReceiveAttemptId>,
}

/// `ReceiveRequestAttemptId`: names one attempt at a receive from a FIFO queue.
///
/// A receive whose answer was lost can be repeated with the same id within five minutes. As long as none of its messages
/// was deleted, given back or visible again, SQS returns the same messages, hidden anew, with unchanged receive counts.
/// Without the id, the groups of those messages are blocked until their visibility ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiveAttemptId(Arc<str>);

impl ReceiveAttemptId {
    /// An id that no other attempt has.
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().hyphenated().to_string().into())
    }

    /// The id as SQS spells it: 1 to 128 letters, digits and punctuation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for ReceiveAttemptId {
    fn default() -> Self {
        Self::new()
    }
}

/// A new visibility for one held message.
#[derive(Clone, Debug)]
pub struct VisibilityChange {
    /// The handle of the receive that holds the message.
    pub receipt: Receipt,
    /// The new visibility timeout from now on, whole seconds; zero makes it visible at once.
    pub visibility: Duration,
}

/// The attributes of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// `QueueArn`.
    pub arn: String,
    /// `VisibilityTimeout`: the default of receives.
    pub visibility: Duration,
    /// `MessageRetentionPeriod`: the time for which a message is kept; zero if not known.
    pub retention: Duration,
    /// `KmsMasterKeyId`: the KMS key that messages are encrypted with, if any.
    pub kms_key: Option<String>,
    /// `RedrivePolicy`, when the queue has one.
    pub redrive: Option<RedrivePolicy>,
    /// True for a FIFO queue.
    pub fifo: bool,
    /// `MaximumMessageSize`: the largest message, body and attributes, where it is known.
    pub message_bytes: Option<usize>,
    /// `ApproximateNumberOfMessages`: visible messages.
    pub visible: u64,
    /// `ApproximateNumberOfMessagesNotVisible`: messages in flight.
    pub in_flight: u64,
    /// `ApproximateNumberOfMessagesDelayed`.
    pub delayed: u64,
}

/// The queue's redrive policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// `deadLetterTargetArn`.
    pub dead_letter_arn: String,
    /// `maxReceiveCount`: the number of receives after which the next one moves the message.
    pub max_receive_count: NonZeroU32,
}

/// A queue's name, with its account if that is not the credentials' own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueName {
    /// The name, with its `.fifo` on a FIFO queue.
    pub name: String,
    /// The number of the account that owns the queue.
    pub account: Option<String>,
}

impl QueueName {
    /// A queue of the account of the credentials.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), account: None }
    }

    /// The queue of an ARN, `arn:aws:sqs:eu-west-1:123456789012:orders`; `None` for anything else.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':');
        let (scheme, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (_region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_queue = (scheme, service) == ("arn", "sqs") && !name.is_empty() && parts.next().is_none();
        is_queue.then(|| Self { name: name.to_owned(), account: Some(account.to_owned()) })
    }

    /// Removes the account if it is that of the queue with this ARN.
    #[must_use]
    pub fn seen_from(self, arn: &str) -> Self {
        let own = Self::of_arn(arn).and_then(|queue| queue.account);
        Self { account: self.account.filter(|account| Some(account) != own.as_ref()), ..self }
    }
}

/// The name in SQS of the queue at this address: the last part of a URL or an ARN, or the name itself.
pub(crate) fn name_at(address: &str) -> &str {
    let separator = if address.starts_with("arn:") { ':' } else { '/' };
    address.trim_end_matches('/').rsplit(separator).next().unwrap_or_default()
}

/// True if the name of the queue at this address, a URL, an ARN or a name, is that of a FIFO queue.
pub(crate) fn is_fifo(address: &str) -> bool {
    name_at(address).strip_suffix(".fifo").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_name_and_the_kind() {
        for address in [
            "orders.fifo",
            "123456789012/orders.fifo",
            "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
            "http://127.0.0.1:9324/000000000000/orders.fifo/",
        ] {
            assert_eq!((name_at(address), is_fifo(address)), ("orders.fifo", true), "{address}");
        }
        assert!(!is_fifo("https://sqs.eu-west-1.amazonaws.com/123456789012/orders"));
    }

    #[test]
    fn an_arn_has_the_name_and_the_account() {
        let queue = QueueName::of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:orders.fifo").unwrap();
        assert_eq!((queue.name.as_str(), queue.account.as_deref()), ("orders.fifo", Some("123456789012")));
        for other in [
            "",
            "orders",
            "arn:aws:sns:eu-west-1:1:orders",
            "arn:aws:sqs:eu-west-1:1:",
            "arn:aws:sqs:r:1:q:s",
        ] {
            assert_eq!(QueueName::of_arn(other), None, "{other}");
        }
    }

    #[test]
    fn the_account_is_kept_only_where_it_differs() {
        let dlq = QueueName::of_arn("arn:aws:sqs:eu-west-1:1:dlq").unwrap();
        assert_eq!(dlq.clone().seen_from("arn:aws:sqs:eu-west-1:1:orders").account, None);
        assert_eq!(dlq.clone().seen_from("arn:aws:sqs:eu-west-1:2:orders").account.as_deref(), Some("1"));
        assert_eq!(dlq.seen_from("").account.as_deref(), Some("1"), "the queue's account is not known");
    }
}
