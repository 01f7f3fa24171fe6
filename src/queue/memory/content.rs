//! What is told of a message: at its send, and at each receive.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::message::{AttributeValue, MessageId, Receipt};

/// One send, answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The id; the first message's, when this one was a duplicate.
    pub id: MessageId,
    /// `MD5OfMessageBody`.
    pub md5_of_body: String,
    /// `MD5OfMessageAttributes`, when there are attributes.
    pub md5_of_attributes: Option<String>,
    /// `MD5OfMessageSystemAttributes`, when there is a trace header.
    pub md5_of_system_attributes: Option<String>,
    /// `SequenceNumber`, FIFO queues only.
    pub sequence_number: Option<String>,
}

/// One receive as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receive {
    /// `MaxNumberOfMessages`, 1 to 10.
    pub max: usize,
    /// `WaitTimeSeconds`, at most 20 s; absent, the queue's.
    pub wait: Option<Duration>,
    /// `VisibilityTimeout`, at most 12 h; absent, the queue's.
    pub visibility: Option<Duration>,
    /// `ReceiveRequestAttemptId`, which FIFO queues heed.
    pub attempt_id: Option<String>,
}

impl Default for Receive {
    fn default() -> Self {
        Self { max: 1, wait: None, visibility: None, attempt_id: None }
    }
}

/// What a message keeps for as long as it lives, shared between the queue and its receivers.
#[derive(Clone, Debug)]
pub struct Content {
    /// The id.
    pub id: MessageId,
    /// The body, exactly as it was sent.
    pub body: String,
    /// `MD5OfBody`.
    pub md5_of_body: String,
    /// The user's attributes, all of them; whoever hands out a choice makes the MD5 of that choice.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// `SenderId`.
    pub sender_id: Arc<str>,
    /// `SentTimestamp`.
    pub sent_at: SystemTime,
    /// `MessageGroupId`.
    pub group_id: Option<Arc<str>>,
    /// `MessageDeduplicationId`; by content, when the queue deduplicates so.
    pub deduplication_id: Option<String>,
    /// `SequenceNumber`, FIFO queues only.
    pub sequence_number: Option<String>,
    /// `AWSTraceHeader`.
    pub trace_header: Option<String>,
}

/// One message as one receive handed it over.
#[derive(Clone, Debug)]
pub struct Received {
    /// The handle of this receive.
    pub receipt: Receipt,
    /// `ApproximateReceiveCount`, this time included.
    pub receive_count: u32,
    /// `ApproximateFirstReceiveTimestamp`.
    pub first_received_at: SystemTime,
    /// `DeadLetterQueueSourceArn`.
    pub dead_letter_source_arn: Option<Arc<str>>,
    /// The message itself.
    pub content: Arc<Content>,
}

impl Received {
    /// Every system attribute the message has, in SQS's spelling, sorted by name.
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

/// A moment as SQS writes it: milliseconds since the epoch.
fn millis(moment: SystemTime) -> String {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}
