//! SQS through the AWS SDK.

mod address;
mod client;
mod convert;
mod diagnosis;
mod direct;
mod moves;
mod parts;

#[cfg(all(any(test, fuzzing), feature = "cli"))]
#[path = "../../../tests/fuzz/sqs.rs"]
pub(crate) mod fuzz;

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::{
    Client,
    operation::{
        change_message_visibility_batch::ChangeMessageVisibilityBatchInput,
        delete_message_batch::DeleteMessageBatchInput, receive_message::ReceiveMessageInput,
    },
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        MessageSystemAttributeName, QueueAttributeName,
    },
};
use futures_util::future::{BoxFuture, FutureExt as _};

use self::{
    client::{SqsClient, built},
    convert::{entry_error, seconds},
};
use super::{
    BatchResult, EntryError, MessageMoves, Queue, QueueAttributes, QueueError, QueueName, ReceiveRequest,
    VisibilityChange,
};
use crate::message::{Message, MessageId, OutgoingMessage, Receipt, Wanted};

pub(crate) use self::{
    address::{QueueAddress, is_without_scheme, missing_scheme},
    convert::{credentials_fault, is_without_region},
};
pub use crate::aws::AwsAccess;
pub(crate) use crate::aws::{CredentialsFault, Settings};

/// The access to SQS.
#[derive(Clone, Debug)]
pub(crate) enum SqsAccess {
    /// With clients made of a configuration.
    Aws(AwsAccess),
    /// With a client of the program's own.
    Client(Box<Client>),
}

impl Default for SqsAccess {
    fn default() -> Self {
        Self::Aws(AwsAccess::default())
    }
}

/// The time limit of a receive beyond its wait.
const RECEIVE_MARGIN: Duration = Duration::from_secs(5);

/// One queue of SQS, or of another server with its protocol.
#[derive(Clone, Debug)]
pub(crate) struct SqsQueue {
    client: SqsClient,
    url: String,
    /// The account that its address names, in which other queues are looked up too.
    owner: Option<String>,
}

impl SqsQueue {
    /// Opens a queue; looks up the URL of a queue that is given by its name.
    pub(crate) async fn open(access: &SqsAccess, address: &QueueAddress) -> Result<Self, QueueError> {
        let client = SqsClient::build(access, address).await?;
        let url = match address {
            QueueAddress::Url(url) => url.to_string(),
            QueueAddress::Name(name) => client.queue_url(name).await?,
            QueueAddress::Arn { name, .. } => match (client.queue_url(name).await, address.usual_url()) {
                (Err(error), Some(usual)) if error.is_forbidden() => usual,
                (looked_up, _) => looked_up?,
            },
        };
        Ok(Self { client, url, owner: address.owner().map(str::to_owned) })
    }

    async fn receive_batch(&self, request: ReceiveRequest) -> Result<Vec<Message>, QueueError> {
        let mut input = ReceiveMessageInput::builder()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(request.max).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(request.wait))
            .visibility_timeout(seconds(request.visibility))
            .set_receive_request_attempt_id(request.attempt_id.map(|id| id.as_str().to_owned()));
        input = match request.wanted {
            Wanted::Body => input
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId),
            Wanted::Everything => input
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .message_attribute_names("All"),
        };
        let limit = request.wait.saturating_add(RECEIVE_MARGIN);
        let messages = self.client.receive(input, limit).await?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(convert::message).collect())
    }

    async fn delete_batch(&self, receipts: &[Receipt]) -> BatchResult<()> {
        let mut input = DeleteMessageBatchInput::builder().queue_url(&self.url);
        for (position, receipt) in receipts.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(position.to_string());
            input = input.entries(built(entry.receipt_handle(receipt.as_str()).build())?);
        }
        let answer = self.client.delete(input).await?;
        let done = answer.successful.into_iter().map(|entry| (entry.id, Ok(())));
        Ok(by_position(receipts.len(), done, answer.failed))
    }

    async fn change_batch(&self, changes: &[VisibilityChange]) -> BatchResult<()> {
        let mut input = ChangeMessageVisibilityBatchInput::builder().queue_url(&self.url);
        for (position, change) in changes.iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(position.to_string())
                .receipt_handle(change.receipt.as_str())
                .visibility_timeout(seconds(change.visibility));
            input = input.entries(built(entry.build())?);
        }
        let answer = self.client.change_visibility(input).await?;
        let done = answer.successful.into_iter().map(|entry| (entry.id, Ok(())));
        Ok(by_position(changes.len(), done, answer.failed))
    }

    async fn send_batch(&self, messages: &[OutgoingMessage]) -> BatchResult<MessageId> {
        let mut call = self.client.sdk().send_message_batch().queue_url(&self.url);
        for (position, message) in messages.iter().enumerate() {
            call = call.entries(built(convert::send_entry(position, message))?);
        }
        let answer = self.client.answered(call.send()).await?;
        let done =
            answer.successful.into_iter().map(|entry| (entry.id, Ok(MessageId::new(entry.message_id))));
        Ok(by_position(messages.len(), done, answer.failed))
    }

    async fn ask_attributes(&self) -> Result<QueueAttributes, QueueError> {
        let call = self.client.sdk().get_queue_attributes().queue_url(&self.url);
        let call = call.attribute_names(QueueAttributeName::All);
        let answer = self.client.answered(call.send()).await?;
        convert::description(&answer.attributes.unwrap_or_default())
    }
}

impl Queue for SqsQueue {
    fn receive(&self, request: ReceiveRequest) -> BoxFuture<'_, Result<Vec<Message>, QueueError>> {
        self.receive_batch(request).boxed()
    }

    fn delete<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, BatchResult<()>> {
        self.delete_batch(receipts).boxed()
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, BatchResult<()>> {
        self.change_batch(changes).boxed()
    }

    fn send<'a>(&'a self, messages: &'a [OutgoingMessage]) -> BoxFuture<'a, BatchResult<MessageId>> {
        self.send_batch(messages).boxed()
    }

    fn describe(&self) -> BoxFuture<'_, Result<QueueAttributes, QueueError>> {
        self.ask_attributes().boxed()
    }

    fn url(&self) -> Option<&str> {
        Some(&self.url)
    }

    fn open_other<'a>(&'a self, name: &'a QueueName) -> BoxFuture<'a, Result<Arc<dyn Queue>, QueueError>> {
        async move {
            let owner = name.account.clone().or_else(|| self.owner.clone());
            let name = QueueName { name: name.name.clone(), account: owner.clone() };
            let url = self.client.queue_url(&name).await?;
            let other: Arc<dyn Queue> = Arc::new(Self { client: self.client.clone(), url, owner });
            Ok(other)
        }
        .boxed()
    }

    fn moves(&self) -> Option<&dyn MessageMoves> {
        Some(self)
    }
}

/// Sorts a batch's results by its entries, whose ids are their positions; an entry without a result counts as failed.
fn by_position<T>(
    entries: usize,
    done: impl Iterator<Item = (String, Result<T, EntryError>)>,
    failed: Vec<BatchResultErrorEntry>,
) -> Vec<Result<T, EntryError>> {
    let failed = failed.into_iter().map(|entry| (entry.id.clone(), Err(entry_error(entry))));
    let mut results: Vec<_> = (0..entries).map(|_| None).collect();
    for (id, result) in done.chain(failed) {
        let entry = id.parse().ok().and_then(|position: usize| results.get_mut(position));
        if let Some(entry) = entry {
            *entry = Some(result);
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(EntryError::unanswered()))).collect()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::queue::RetryClass;

    async fn open(url: String) -> SqsQueue {
        let address = QueueAddress::parse(&url).unwrap();
        SqsQueue::open(&SqsAccess::default(), &address).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_counts_as_hung() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let queue = open(format!("http://{}/1/orders", silent.local_addr().unwrap())).await;
        let error = queue.describe().await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }

    #[tokio::test]
    async fn all_queues_share_their_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (first, second) =
            (open(format!("{origin}/1/first")).await, open(format!("{origin}/1/second")).await);
        let serve_one_connection = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            while stream.read(&mut request).await.unwrap() > 0 {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer).await.unwrap();
            }
            std::future::pending::<()>().await;
        };
        let call_both = async { (first.describe().await, second.describe().await) };
        let errors = tokio::select! {
            (first, second) = call_both => [first, second].map(|answer| answer.unwrap_err().to_string()),
            () = serve_one_connection => unreachable!("the server never ends"),
        };
        // An answer that has no ARN, and not a call that nobody answers.
        assert!(errors.iter().all(|error| error.contains("no arn")), "{errors:?}");
    }

    /// Answers one call with this JSON, and returns what the queue makes of it.
    async fn described_by(json: &'static str) -> Result<QueueAttributes, QueueError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let queue = open(format!("http://{}/1/orders", listener.local_addr().unwrap())).await;
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let length = json.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}"
            );
            stream.write_all(format!("{head}\r\n\r\n{json}").as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            description = queue.describe() => description,
            () = serve => unreachable!("the server never ends"),
        }
    }

    #[tokio::test]
    async fn an_empty_answer_describes_no_queue() {
        for json in ["{}", r#"{"Attributes": {}}"#, r#"{"Attributes": {"QueueArn": ""}}"#] {
            let error = described_by(json).await.unwrap_err();
            assert_eq!(error.retry_class(), RetryClass::Transient, "{error}");
            assert!(error.to_string().contains("no arn"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_queue_is_a_fifo_queue_by_its_attribute_or_by_its_name() {
        for (json, is_fifo) in [
            (r#"{"Attributes": {"QueueArn": "arn:aws:sqs:eu-west-1:1:orders"}}"#, false),
            (r#"{"Attributes": {"QueueArn": "arn:aws:sqs:eu-west-1:1:orders.fifo"}}"#, true),
            (r#"{"Attributes": {"QueueArn": "arn:aws:sqs:eu-west-1:1:orders", "FifoQueue": "true"}}"#, true),
        ] {
            assert_eq!(described_by(json).await.unwrap().fifo, is_fifo, "{json}");
        }
    }

    #[test]
    fn an_entry_without_an_answer_counts_as_failed() {
        let done = [("1".to_owned(), Ok(()))];
        let answers = by_position(2, done.into_iter(), Vec::new());
        assert_eq!(answers[0].as_ref().unwrap_err().retry_class, RetryClass::Transient);
        assert_eq!(answers[1], Ok(()));
    }
}
