//! A message in a queue, the options of a receive, and the results of sends and receives.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::receipt::Receive;
use crate::{
    message::{MessageAttributeValue, attributes_bytes},
    storage::StoredBytes,
};

/// The response to a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResult {
    /// `MessageId`; of a duplicate that of the first message.
    pub id: Arc<str>,
    /// `MD5OfMessageBody`.
    pub md5_of_body: String,
    /// `MD5OfMessageAttributes`, if there are attributes.
    pub md5_of_attributes: Option<String>,
    /// `MD5OfMessageSystemAttributes`, if there is a trace header.
    pub md5_of_system_attributes: Option<String>,
    /// `SequenceNumber`, FIFO queues only.
    pub sequence_number: Option<String>,
}

/// The parameters of a receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveOptions {
    /// `MaxNumberOfMessages`, 1 to 10.
    pub max: usize,
    /// `WaitTimeSeconds`, at most 20 s; absent, the queue's.
    pub wait: Option<Duration>,
    /// `VisibilityTimeout`, at most 12 h; absent, the queue's.
    pub visibility: Option<Duration>,
    /// `ReceiveRequestAttemptId`, FIFO queues only.
    pub attempt_id: Option<String>,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self { max: 1, wait: None, visibility: None, attempt_id: None }
    }
}

/// The content of a message, shared between the queue and its receivers.
#[derive(Clone, Debug)]
pub struct MessageContent {
    /// `MessageId`.
    pub id: Arc<str>,
    /// `Body`, exactly as it was sent.
    pub body: String,
    /// `MD5OfBody`.
    pub md5_of_body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, MessageAttributeValue>,
    /// `SenderId`.
    pub sender_id: Arc<str>,
    /// `SentTimestamp`.
    pub sent_at: SystemTime,
    /// `MessageGroupId`.
    pub group_id: Option<Arc<str>>,
    /// `MessageDeduplicationId`, which a queue may derive from the body.
    pub deduplication_id: Option<String>,
    /// `SequenceNumber`, FIFO queues only.
    pub sequence_number: Option<String>,
    /// `AWSTraceHeader`.
    pub trace_header: Option<String>,
}

impl MessageContent {
    /// The length of its texts in memory.
    pub(super) fn stored_bytes(&self) -> usize {
        let ids = [self.group_id.as_deref(), self.deduplication_id.as_deref(), self.trace_header.as_deref()];
        let ids: usize = ids.into_iter().flatten().map(str::len).sum();
        self.body.len() + attributes_bytes(&self.attributes) + ids
    }
}

/// A message as one receive returned it.
#[derive(Clone, Debug)]
pub struct DeliveredMessage {
    /// `ReceiptHandle` of this receive.
    pub receipt_handle: String,
    /// `ApproximateReceiveCount`, this receive included.
    pub receive_count: u32,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: SystemTime,
    /// `DeadLetterQueueSourceArn`.
    pub dead_letter_source_arn: Option<Arc<str>>,
    /// The content.
    pub content: Arc<MessageContent>,
}

impl DeliveredMessage {
    /// The system attributes in SQS's spelling, sorted by name.
    pub fn system_attributes(&self) -> Vec<(&'static str, String)> {
        let content = &*self.content;
        let all = [
            ("AWSTraceHeader", content.trace_header.clone()),
            ("ApproximateFirstReceiveTimestamp", Some(millis(self.first_received_at))),
            ("ApproximateReceiveCount", Some(self.receive_count.to_string())),
            ("DeadLetterQueueSourceArn", self.dead_letter_source_arn.as_deref().map(str::to_owned)),
            ("MessageDeduplicationId", content.deduplication_id.clone()),
            ("MessageGroupId", content.group_id.as_deref().map(str::to_owned)),
            ("SenderId", Some(content.sender_id.as_ref().to_owned())),
            ("SentTimestamp", Some(millis(content.sent_at))),
            ("SequenceNumber", content.sequence_number.clone()),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// A timestamp as SQS writes it: milliseconds since the epoch.
fn millis(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}

/// A message in a queue.
#[derive(Debug)]
pub(super) struct StoredMessage {
    /// The content.
    pub(super) content: Arc<MessageContent>,
    /// The begin of its retention.
    pub(super) since: Instant,
    /// The number of receives.
    pub(super) receives: u32,
    /// The time of the first receive.
    pub(super) first_received_at: Option<SystemTime>,
    /// The latest receive, whose handle is the only valid one of a FIFO queue.
    pub(super) latest: Option<LatestReceive>,
    /// The queue from which a redrive policy moved it.
    pub(super) source_arn: Option<Arc<str>>,
    /// The bytes of its content.
    pub(super) stored: StoredBytes,
}

/// The latest receive of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct LatestReceive {
    /// Its serial number.
    pub(super) serial: u64,
    /// Its time, from which the 12 hours are counted.
    pub(super) at: Instant,
}

impl StoredMessage {
    /// A message that was never received.
    pub(super) fn new(content: Arc<MessageContent>, since: Instant, stored: StoredBytes) -> Self {
        Self { content, since, receives: 0, first_received_at: None, latest: None, source_arn: None, stored }
    }

    /// Returns true if the receive is the latest of the message.
    pub(super) fn is_latest(&self, receive: Receive) -> bool {
        self.latest.is_some_and(|latest| latest.serial == receive.serial)
    }
}

/// The state of a message between its send and its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredState {
    /// Visible.
    Visible,
    /// Sent with a delay that ends at this time.
    Delayed(Instant),
    /// Received, and hidden until this time.
    InFlight(Instant),
}
