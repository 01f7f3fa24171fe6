//! The queue port over the emulator's store, for tests and `longshore dev`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use longshore_emulator::{
    AttributeData, DeliveredMessage, MessageAttributeValue, MessageContent, MoveTask, NewMessage,
    QueueSnapshot, ReceiveOptions, SqsAccount, SqsApiError, StartMoveTask,
};

use super::{
    BatchResult, EntryError, MessageMoves, MoveReport, MoveRequest, MoveState, Queue, QueueAttributes,
    QueueError, QueueName, ReceiveRequest, RedrivePolicy, VisibilityChange, limits,
};
use crate::message::{
    AttributeContent, AttributeValue, Message, MessageId, OutgoingMessage, Receipt, SystemAttributes, Wanted,
};

/// A queue of the emulator, without a server in between.
///
/// Rounds durations up to whole seconds, as the wire format does.
#[derive(Clone, Debug)]
pub struct EmulatorQueue {
    account: SqsAccount,
    name: Arc<str>,
}

impl EmulatorQueue {
    /// A queue of an account, which need not exist yet.
    pub fn new(account: &SqsAccount, name: &str) -> Self {
        Self { account: account.clone(), name: name.into() }
    }

    /// The account of the queue.
    pub fn account(&self) -> &SqsAccount {
        &self.account
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a batch call, entry by entry.
    fn batch<E, T>(&self, entries: &[E], call: impl Fn(&E) -> Result<T, SqsApiError>) -> BatchResult<T> {
        self.account.arn(&self.name).map_err(call_error)?;
        check_entries(entries.len())?;
        Ok(entries.iter().map(|entry| call(entry).map_err(entry_error)).collect())
    }

    fn find(&self, QueueName { name, account }: &QueueName) -> Result<Arc<dyn Queue>, QueueError> {
        let own = &self.account.identity().account_id;
        if account.as_ref().is_some_and(|account| account != own) {
            let code = "AWS.SimpleQueueService.NonExistentQueue";
            return Err(QueueError::answered(code, "The specified queue does not exist."));
        }
        self.account.arn(name).map_err(call_error)?;
        Ok(Arc::new(Self::new(&self.account, name)))
    }

    fn send_batch(&self, messages: &[OutgoingMessage]) -> BatchResult<MessageId> {
        let bytes: usize = messages.iter().map(OutgoingMessage::size_bytes).sum();
        if bytes > limits::MESSAGE_BYTES {
            let message = format!("Batch requests are too long: {bytes} bytes.");
            return Err(QueueError::answered("AWS.SimpleQueueService.BatchRequestTooLong", message));
        }
        let converted: Vec<NewMessage> = messages.iter().cloned().map(NewMessage::from).collect();
        self.account.check_batch(&self.name, &converted).map_err(call_error)?;
        self.batch(&converted, |message| {
            let message = NewMessage { delay: message.delay.map(whole_seconds), ..message.clone() };
            self.account.send(&self.name, message).map(|result| MessageId::new(result.id))
        })
    }
}

impl Queue for EmulatorQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        let options = ReceiveOptions {
            max: request.max,
            wait: Some(whole_seconds(request.wait)),
            visibility: Some(whole_seconds(request.visibility)),
            attempt_id: request.attempt_id.map(|id| id.as_str().to_owned()),
        };
        let receiving = self.account.receive(&self.name, options);
        async move {
            let received = receiving.await.map_err(call_error)?;
            Ok(received.into_iter().map(|received| message(received, request.wanted)).collect())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        let delete = |receipt: &Receipt| self.account.delete(&self.name, receipt.as_str());
        async move { self.batch(receipts, delete) }.boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        let change = |change: &VisibilityChange| {
            let visibility = whole_seconds(change.visibility);
            self.account.change_visibility(&self.name, change.receipt.as_str(), visibility)
        };
        async move { self.batch(changes, change) }.boxed()
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        async move { self.send_batch(messages) }.boxed()
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        async move { self.account.snapshot(&self.name).map(QueueAttributes::from).map_err(call_error) }
            .boxed()
    }

    /// A receive takes its messages when it is answered, in the same poll.
    fn cut_receives_hide_nothing(&self) -> bool {
        true
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        async move { self.find(name) }.boxed()
    }

    fn moves(&self) -> Option<&dyn MessageMoves> {
        Some(self)
    }
}

/// The most tasks of a list.
const LISTED: usize = 10;

impl MessageMoves for EmulatorQueue {
    fn start<'a>(&'a self, request: &'a MoveRequest) -> BoxFuture<'a, Result<String, QueueError>> {
        let MoveRequest { dlq_arn, destination_arn, per_second } = request.clone();
        let start = StartMoveTask { source_arn: dlq_arn, destination_arn, rate: per_second };
        async move { self.account.start_move(&start).map_err(call_error) }.boxed()
    }

    fn latest<'a>(&'a self, dlq_arn: &'a str) -> BoxFuture<'a, Result<Vec<MoveReport>, QueueError>> {
        async move {
            let tasks = self.account.move_tasks(dlq_arn, LISTED).map_err(call_error)?;
            Ok(tasks.into_iter().map(MoveReport::from).collect())
        }
        .boxed()
    }

    fn cancel<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<u64, QueueError>> {
        async move { self.account.cancel_move(handle).map_err(call_error) }.boxed()
    }
}

impl From<MoveTask> for MoveReport {
    fn from(task: MoveTask) -> Self {
        let state = MoveState::of(task.status.as_str());
        let started = task.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            handle: (state == MoveState::Running).then_some(task.handle),
            state,
            destination_arn: task.parameters.destination_arn,
            moved: task.moved,
            to_move: Some(task.to_move),
            failure: task.failure,
            started_millis: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    let part = u64::from(duration.subsec_nanos() > 0);
    Duration::from_secs(duration.as_secs().saturating_add(part))
}

fn check_entries(count: usize) -> Result<(), QueueError> {
    let code = match count {
        0 => "AWS.SimpleQueueService.EmptyBatchRequest",
        count if count > limits::BATCH_ENTRIES => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        _ => return Ok(()),
    };
    Err(QueueError::answered(code, format!("A batch has 1 to 10 entries, not {count}.")))
}

fn call_error(error: SqsApiError) -> QueueError {
    QueueError::answered(error.code.query(), error.message)
}

fn entry_error(error: SqsApiError) -> EntryError {
    EntryError::new(error.code.query(), error.message, true)
}

fn message(received: DeliveredMessage, wanted: Wanted) -> Message {
    let content = &received.content;
    let (attributes, system) = match wanted {
        Wanted::Body => (BTreeMap::new(), group_only(content)),
        Wanted::Everything => (attribute_values(content), system_attributes(&received)),
    };
    Message {
        id: MessageId::new(content.id.clone()),
        body: content.body.clone(),
        body_file: None,
        receive_count: received.receive_count,
        sent_at: Some(content.sent_at),
        attributes,
        system: system.into(),
        receipt: Receipt::new(received.receipt_handle),
    }
}

/// A message with everything that SQS returns.
impl From<DeliveredMessage> for Message {
    fn from(received: DeliveredMessage) -> Self {
        message(received, Wanted::Everything)
    }
}

/// A message that was not received, without a valid receipt and with a receive count of 1.
impl From<&MessageContent> for Message {
    fn from(content: &MessageContent) -> Self {
        Self {
            sent_at: Some(content.sent_at),
            attributes: attribute_values(content),
            system: SystemAttributes {
                deduplication_id: content.deduplication_id.clone(),
                sequence_number: content.sequence_number.clone(),
                trace_header: content.trace_header.clone(),
                ..group_only(content)
            }
            .into(),
            ..Self::new(content.id.clone(), content.body.clone())
        }
    }
}

fn attribute_values(content: &MessageContent) -> BTreeMap<String, AttributeValue> {
    content.attributes.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

fn group_only(content: &MessageContent) -> SystemAttributes {
    SystemAttributes {
        group_id: content.group_id.as_deref().map(str::to_owned),
        ..SystemAttributes::default()
    }
}

fn system_attributes(received: &DeliveredMessage) -> SystemAttributes {
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

impl From<QueueSnapshot> for QueueAttributes {
    fn from(snapshot: QueueSnapshot) -> Self {
        let redrive = snapshot.redrive.map(|redrive| RedrivePolicy {
            dead_letter_arn: redrive.dead_letter_arn,
            max_receive_count: redrive.max_receive_count,
        });
        Self {
            arn: snapshot.arn,
            visibility: snapshot.visibility,
            retention: snapshot.retention,
            kms_key: snapshot.kms_key,
            redrive,
            fifo: snapshot.fifo,
            message_bytes: Some(snapshot.message_bytes),
            visible: snapshot.visible,
            in_flight: snapshot.in_flight,
            delayed: snapshot.delayed,
        }
    }
}

impl From<OutgoingMessage> for NewMessage {
    fn from(message: OutgoingMessage) -> Self {
        let attributes = message.attributes.into_iter();
        Self {
            body: message.body,
            attributes: attributes.map(|(name, value)| (name, value.into())).collect(),
            delay: message.delay,
            group_id: message.group_id,
            deduplication_id: message.deduplication_id,
            trace_header: message.trace_header,
        }
    }
}

impl From<AttributeValue> for MessageAttributeValue {
    fn from(value: AttributeValue) -> Self {
        let content = match value.content {
            AttributeContent::Text(text) => AttributeData::Text(text),
            AttributeContent::Bytes(bytes) => AttributeData::Bytes(bytes),
        };
        Self { data_type: value.data_type, content }
    }
}

impl From<&MessageAttributeValue> for AttributeValue {
    fn from(value: &MessageAttributeValue) -> Self {
        let content = match &value.content {
            AttributeData::Text(text) => AttributeContent::Text(text.clone()),
            AttributeData::Bytes(bytes) => AttributeContent::Bytes(bytes.clone()),
        };
        Self { data_type: value.data_type.clone(), content }
    }
}
