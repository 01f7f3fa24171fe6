//! What the tests of the account share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

use crate::{
    message::OutgoingMessage,
    queue::memory::{Account, Code, Fault, Names, Receive, Received},
    tasks,
};

/// Attributes or tags from pairs.
pub(super) fn names(pairs: &[(&str, &str)]) -> Names {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An account with one queue of these attributes.
pub(super) fn account_with(queue: &str, attributes: &[(&str, &str)]) -> Account {
    let account = Account::default();
    create(&account, queue, attributes);
    account
}

/// Creates a queue that must be taken.
pub(super) fn create(account: &Account, queue: &str, attributes: &[(&str, &str)]) {
    account.create_queue(queue, &names(attributes), &Names::new()).unwrap();
}

/// An account with the queue `source` whose dead letters go to `dead` after so many receives.
pub(super) fn account_with_dead_letters(max_receives: u32) -> Account {
    let account = account_with("dead", &[]);
    create(&account, "source", &[("RedrivePolicy", &redrive_policy(&account, "dead", max_receives))]);
    account
}

/// A redrive policy to an existing queue.
pub(super) fn redrive_policy(account: &Account, dead_letters: &str, max_receives: u32) -> String {
    let arn = account.arn(dead_letters).unwrap();
    format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{max_receives}}}"#)
}

/// Sends a message of this body.
pub(super) fn send(account: &Account, queue: &str, body: &str) {
    account.send(queue, OutgoingMessage::new(body)).unwrap();
}

/// A message of a group, with its body as its deduplication id.
pub(super) fn of_group(group: &str, body: &str) -> OutgoingMessage {
    OutgoingMessage {
        group_id: Some(group.to_owned()),
        deduplication_id: Some(body.to_owned()),
        ..OutgoingMessage::new(body)
    }
}

/// Receives up to ten messages without waiting.
pub(super) async fn receive(account: &Account, queue: &str) -> Vec<Received> {
    account.receive(queue, now(None)).await.unwrap()
}

/// Receives up to ten messages without waiting, and hides them for so long.
pub(super) async fn receive_for(account: &Account, queue: &str, visibility: Duration) -> Vec<Received> {
    account.receive(queue, now(Some(visibility))).await.unwrap()
}

/// A receive that does not wait.
pub(super) fn now(visibility: Option<Duration>) -> Receive {
    Receive { max: 10, wait: Some(Duration::ZERO), visibility, ..Receive::default() }
}

/// A receive of one message that waits its 20 seconds.
pub(super) fn waiting() -> Receive {
    Receive { wait: Some(Duration::from_secs(20)), ..Receive::default() }
}

/// What [`wait_apart`] lets pass.
pub(super) const MOMENT: Duration = Duration::from_millis(1);

/// A receive that waits in a task of its own, so that nothing but the account wakes it.
pub(super) async fn wait_apart(account: &Account, queue: &str, receive: Receive) -> Waiting {
    let waiting = tasks::detach("waiting receive", account.receive(queue, receive));
    // On a paused clock the time passes once the receive stands in line.
    sleep(MOMENT).await;
    waiting
}

/// What [`wait_apart`] answers with.
pub(super) type Waiting = JoinHandle<Result<Vec<Received>, Fault>>;

/// The bodies of messages, in their order.
pub(super) fn bodies(messages: &[Received]) -> Vec<&str> {
    messages.iter().map(|message| message.content.body.as_str()).collect()
}

/// The code of a refusal.
pub(super) fn code<T>(answer: Result<T, Fault>) -> Option<Code> {
    answer.err().map(|fault| fault.code)
}

/// One attribute of a queue.
pub(super) fn attribute(account: &Account, queue: &str, name: &str) -> Option<String> {
    account.attributes(queue, &[name.to_owned()]).unwrap().remove(name)
}

/// A waker that counts, for a test that polls by itself.
#[derive(Debug, Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    /// How often it was woken since it was asked last.
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
