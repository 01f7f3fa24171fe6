//! Accounts, queues and receives for the tests.

use crate::{
    message::{NewMessage, StringMap},
    sqs::{DeliveredMessage, ReceiveOptions, SqsAccount, SqsApiError, SqsErrorCode},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
    time::Duration,
};
use tokio::{task::JoinHandle, time::sleep};

/// Attributes or tags from pairs.
pub(super) fn names(pairs: &[(&str, &str)]) -> StringMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An account with one queue of these attributes.
pub(super) fn account_with(queue: &str, attributes: &[(&str, &str)]) -> SqsAccount {
    let account = SqsAccount::default();
    create(&account, queue, attributes);
    account
}

/// Creates a queue.
pub(super) fn create(account: &SqsAccount, queue: &str, attributes: &[(&str, &str)]) {
    account.create_queue(queue, &names(attributes), &StringMap::new()).unwrap();
}

/// An account with the queue `source` whose dead letters go to `dead` after so many receives.
pub(super) fn account_with_dead_letters(max_receives: u32) -> SqsAccount {
    let account = account_with("dead", &[]);
    create(&account, "source", &[("RedrivePolicy", &redrive_policy(&account, "dead", max_receives))]);
    account
}

/// A redrive policy to an existing queue.
pub(super) fn redrive_policy(account: &SqsAccount, dead_letters: &str, max_receives: u32) -> String {
    let arn = account.arn(dead_letters).unwrap();
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{max_receives}}}"#)
}

/// Sends a message of this body.
pub(super) fn send(account: &SqsAccount, queue: &str, body: &str) {
    account.send(queue, NewMessage::new(body)).unwrap();
}

/// A message of a group, with its body as its deduplication id.
pub(super) fn of_group(group: &str, body: &str) -> NewMessage {
    NewMessage {
        group_id: Some(group.to_owned()),
        deduplication_id: Some(body.to_owned()),
        ..NewMessage::new(body)
    }
}

/// Receives up to ten messages without waiting.
pub(super) async fn receive(account: &SqsAccount, queue: &str) -> Vec<DeliveredMessage> {
    account.receive(queue, now(None)).await.unwrap()
}

/// Receives up to ten messages without waiting, and hides them for this time.
pub(super) async fn receive_for(
    account: &SqsAccount,
    queue: &str,
    visibility: Duration,
) -> Vec<DeliveredMessage> {
    account.receive(queue, now(Some(visibility))).await.unwrap()
}

/// A receive that does not wait.
pub(super) fn now(visibility: Option<Duration>) -> ReceiveOptions {
    ReceiveOptions { max: 10, wait: Some(Duration::ZERO), visibility, ..ReceiveOptions::default() }
}

/// A receive of one message that waits its 20 seconds.
pub(super) fn waiting() -> ReceiveOptions {
    ReceiveOptions { wait: Some(Duration::from_secs(20)), ..ReceiveOptions::default() }
}

/// The time that [`wait_apart`] lets pass.
pub(super) const PASSES: Duration = Duration::from_millis(1);

/// A receive that waits in a task of its own, so that nothing but the account wakes it.
pub(super) async fn wait_apart(account: &SqsAccount, queue: &str, receive: ReceiveOptions) -> WaitingTask {
    let waiting = spawn(account.receive(queue, receive));
    // On a paused clock the time passes once the receive waits.
    sleep(PASSES).await;
    waiting
}

/// The task of a receive that waits.
pub(super) type WaitingTask = JoinHandle<Result<Vec<DeliveredMessage>, SqsApiError>>;

/// The bodies of messages, in their order.
pub(super) fn bodies(messages: &[DeliveredMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.content.body.as_str()).collect()
}

/// The code of an error.
pub(super) fn code<T>(answer: Result<T, SqsApiError>) -> Option<SqsErrorCode> {
    answer.err().map(|error| error.code)
}

/// One attribute of a queue.
pub(super) fn attribute(account: &SqsAccount, queue: &str, name: &str) -> Option<String> {
    account.attributes(queue, &[name.to_owned()]).unwrap().remove(name)
}

/// A waker that counts, for a test that polls by itself.
#[derive(Debug, Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    /// The number of wake-ups since the last call.
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "a test awaits the task or ends with it")]
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    tokio::spawn(future)
}
