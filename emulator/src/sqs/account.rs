//! The SQS account: queues by name behind one lock.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    MessageContent, MoveTask, QueueSnapshot, ReceiveFuture, ReceiveOptions, SendResult, SqsApiError,
    StartMoveTask, move_tasks, persistence,
    store::{EmulatorClock, Now, SqsStore},
};
use crate::{
    journal::{AccountJournal, DataError},
    limits,
    message::{NewMessage, StringMap},
    permissions::{AccessPolicy, PermissionRequest, PolicyResource},
    storage::Storage,
};

/// The region and number of an account, which are part of every ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountIdentity {
    /// The region.
    pub region: String,
    /// The account id, twelve digits.
    pub account_id: String,
}

impl Default for AccountIdentity {
    /// `us-east-1` and twelve zeros.
    fn default() -> Self {
        Self { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() }
    }
}

/// The limits that tests may want other than those of SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// The most messages in flight per queue (120,000).
    pub in_flight: usize,
    /// The most bytes in memory of all queues and topics, 512 for each message counted in (1 GiB); beyond them a send
    /// fails with `OverLimit`.
    pub stored_bytes: usize,
    /// The time for which the name of a deleted queue cannot be used again (none; in SQS a minute).
    pub delete_delay: Duration,
}

impl Default for AccountLimits {
    fn default() -> Self {
        let (in_flight, stored_bytes) = (limits::IN_FLIGHT, limits::STORED_BYTES);
        Self { in_flight, stored_bytes, delete_delay: Duration::ZERO }
    }
}

/// An account of SQS in memory; clones share the queues.
///
/// ```
/// use std::time::Duration;
///
/// use longshore_emulator::{ReceiveOptions, SqsAccount, StringMap};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), longshore_emulator::SqsApiError> {
/// let sqs = SqsAccount::default();
/// sqs.create_queue("orders", &StringMap::new(), &StringMap::new())?;
/// sqs.send("orders", "hello")?;
/// let messages = sqs.receive("orders", ReceiveOptions::default()).await?;
/// assert_eq!(messages[0].content.body, "hello");
/// // The message is visible again after the visibility timeout of the queue.
/// tokio::time::advance(Duration::from_secs(30)).await;
/// assert_eq!(sqs.receive("orders", ReceiveOptions::default()).await?[0].receive_count, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqsAccount(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: AccountIdentity,
    clock: EmulatorClock,
    storage: Storage,
    store: Mutex<SqsStore>,
    journal: Option<AccountJournal>,
}

impl Default for SqsAccount {
    fn default() -> Self {
        Self::new(AccountIdentity::default())
    }
}

impl SqsAccount {
    /// An account without queues.
    pub fn new(identity: AccountIdentity) -> Self {
        Self::with_limits(identity, AccountLimits::default())
    }

    /// An account without queues, with limits other than those of SQS.
    pub fn with_limits(identity: AccountIdentity, limits: AccountLimits) -> Self {
        let storage = Storage::new(limits.stored_bytes);
        let store = SqsStore::new(identity, limits, storage);
        Self::of(store, EmulatorClock::start(), None)
    }

    /// An account that is restored from a journal, and writes every change to it.
    pub(crate) fn restored(
        identity: AccountIdentity,
        limits: AccountLimits,
        path: PathBuf,
    ) -> Result<Self, DataError> {
        let clock = EmulatorClock::start();
        let mut store = SqsStore::new(identity, limits, Storage::new(limits.stored_bytes));
        store.collect_changes();
        persistence::restore(&mut store, &path, clock.now())?;
        store.take_changes();
        let journal =
            AccountJournal::create(path, |writer| persistence::write_all(&store, writer, clock.now()))?;
        Ok(Self::of(store, clock, Some(journal)))
    }

    fn of(store: SqsStore, clock: EmulatorClock, journal: Option<AccountJournal>) -> Self {
        let (identity, storage) = (store.identity_and_serials().0.clone(), store.storage().clone());
        Self(Arc::new(Inner { identity, clock, storage, store: Mutex::new(store), journal }))
    }

    /// The reason for which the last change was not written, if there is a journal.
    pub(crate) fn journal_failure(&self) -> Option<String> {
        self.0.journal.as_ref()?.failure()
    }

    /// The region and number of the account.
    pub fn identity(&self) -> &AccountIdentity {
        &self.0.identity
    }

    /// The storage of the account, which its topics share.
    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Creates a queue; succeeds if one of the same name and attributes exists.
    pub fn create_queue(
        &self,
        name: &str,
        attributes: &StringMap,
        tags: &StringMap,
    ) -> Result<(), SqsApiError> {
        self.with(|store, now| store.create(name, attributes, tags, now))
    }

    /// Deletes a queue with its messages; waiting receives fail with `QueueDoesNotExist`.
    pub fn delete_queue(&self, name: &str) -> Result<(), SqsApiError> {
        self.with(|store, now| store.remove(name, now))
    }

    /// The names of the queues that begin with `prefix`, sorted.
    pub fn queue_names(&self, prefix: &str) -> Vec<String> {
        self.with(|store, _| store.names(prefix))
    }

    /// The ARN of a queue, or `QueueDoesNotExist`.
    pub fn arn(&self, name: &str) -> Result<String, SqsApiError> {
        self.with(|store, now| Ok(store.open(name, now)?.arn.as_ref().to_owned()))
    }

    /// Deletes all messages of a queue; once a minute at most.
    pub fn purge(&self, name: &str) -> Result<(), SqsApiError> {
        self.with(|store, now| store.open(name, now)?.purge(now))
    }

    /// The named attributes of a queue, or all that are set if `All` is among the names.
    pub fn attributes(&self, name: &str, wanted: &[String]) -> Result<StringMap, SqsApiError> {
        self.with(|store, now| store.attributes(name, wanted, now))
    }

    /// Changes attributes of a queue; an empty policy removes it.
    pub fn set_attributes(&self, name: &str, attributes: &StringMap) -> Result<(), SqsApiError> {
        self.with(|store, now| store.set_attributes(name, attributes, now))
    }

    /// The tags of a queue.
    pub fn tags(&self, name: &str) -> Result<StringMap, SqsApiError> {
        self.with(|store, now| Ok(store.open(name, now)?.tags.clone()))
    }

    /// Adds tags to a queue, or changes them.
    pub fn tag(&self, name: &str, tags: &StringMap) -> Result<(), SqsApiError> {
        self.with(|store, now| {
            let queue = store.open(name, now)?;
            let mut all = queue.tags.clone();
            all.extend(tags.clone());
            queue.set_tags(all)
        })
    }

    /// Removes tags from a queue.
    pub fn untag(&self, name: &str, keys: &[String]) -> Result<(), SqsApiError> {
        self.with(|store, now| {
            let queue = store.open(name, now)?;
            let mut left = queue.tags.clone();
            left.retain(|key, _| !keys.contains(key));
            queue.set_tags(left)
        })
    }

    /// Adds a statement to the policy of a queue.
    pub(crate) fn add_permission(
        &self,
        name: &str,
        request: PermissionRequest<'_>,
    ) -> Result<(), SqsApiError> {
        self.edit_policy(name, |policy, arn| {
            if policy.has(request.label) {
                return Err(SqsApiError::invalid_parameter("Label", request.label, "Already exists."));
            }
            policy.add(PolicyResource { service: "SQS", arn }, request);
            Ok(())
        })
    }

    /// Removes a statement from the policy of a queue.
    pub(crate) fn remove_permission(&self, name: &str, label: &str) -> Result<(), SqsApiError> {
        self.edit_policy(name, |policy, _| {
            if !policy.has(label) {
                return Err(SqsApiError::invalid_parameter("Label", label, "can't find label."));
            }
            policy.remove(label);
            Ok(())
        })
    }

    /// Edits the policy of a queue; one without statements is none.
    fn edit_policy(
        &self,
        name: &str,
        edit: impl FnOnce(&mut AccessPolicy, &str) -> Result<(), SqsApiError>,
    ) -> Result<(), SqsApiError> {
        self.with(|store, now| {
            let queue = store.open(name, now)?;
            let policy = queue.attributes.policy().and_then(AccessPolicy::parse);
            let empty = || AccessPolicy::new(&format!("{}/SQSDefaultPolicy", queue.arn), &[]);
            let mut policy = policy.unwrap_or_else(empty);
            edit(&mut policy, &queue.arn)?;
            let policy = if policy.is_empty() { String::new() } else { policy.to_string() };
            store.set_attributes(name, &StringMap::from([("Policy".to_owned(), policy)]), now)
        })
    }

    /// Sends one message; a batch is one call for each entry.
    pub fn send(&self, name: &str, message: impl Into<NewMessage>) -> Result<SendResult, SqsApiError> {
        let message = message.into();
        self.with(|store, now| store.send(name, message, now))
    }

    /// Checks the rule by which a FIFO queue refuses a batch as a whole: an entry without group or deduplication id.
    pub fn check_batch<'a>(
        &self,
        name: &str,
        messages: impl IntoIterator<Item = &'a NewMessage>,
    ) -> Result<(), SqsApiError> {
        self.with(|store, now| store.open(name, now)?.check_batch(messages))
    }

    /// Receives messages; waits for the first of them.
    ///
    /// Nothing happens before the first poll, and messages are taken only in the poll that completes: a future that is
    /// dropped while it waits takes none.
    pub fn receive(&self, name: &str, options: ReceiveOptions) -> ReceiveFuture {
        ReceiveFuture::new(self.clone(), name, options)
    }

    /// All messages of a queue, in flight and delayed ones too, in the order of sending.
    ///
    /// SQS has no such call; with it a test reads messages without a receive.
    pub fn messages(&self, name: &str) -> Result<Vec<Arc<MessageContent>>, SqsApiError> {
        self.with(|store, now| Ok(store.open(name, now)?.messages.contents()))
    }

    /// The number of receives that wait at a queue; SQS has no such call.
    pub fn waiting_receives(&self, name: &str) -> Result<usize, SqsApiError> {
        self.with(|store, now| Ok(store.open(name, now)?.waiting.len()))
    }

    /// Deletes a received message.
    pub fn delete(&self, name: &str, receipt_handle: &str) -> Result<(), SqsApiError> {
        self.with(|store, now| store.delete(name, receipt_handle, now))
    }

    /// Sets the time for which a received message stays hidden, from now on.
    pub fn change_visibility(
        &self,
        name: &str,
        receipt_handle: &str,
        visibility: Duration,
    ) -> Result<(), SqsApiError> {
        self.with(|store, now| {
            let queue = store.open(name, now)?;
            queue.change_visibility(receipt_handle, visibility, now)?;
            queue.wake_receives();
            Ok(())
        })
    }

    /// The names of the queues whose redrive policy names this queue.
    pub fn dead_letter_sources(&self, name: &str) -> Result<Vec<String>, SqsApiError> {
        self.with(|store, _| store.dead_letter_sources(name))
    }

    /// Starts to move the messages of a dead-letter queue; returns the handle of the task.
    pub fn start_move(&self, start: &StartMoveTask) -> Result<String, SqsApiError> {
        self.with(|store, now| move_tasks::start(store, start, now))
    }

    /// The latest move tasks of a source queue, the youngest first, at most `max` (1 to 10).
    pub fn move_tasks(&self, source_arn: &str, max: usize) -> Result<Vec<MoveTask>, SqsApiError> {
        self.with(|store, now| move_tasks::list(store, source_arn, max, now))
    }

    /// Cancels a running move task; returns the number of messages it has moved.
    pub fn cancel_move(&self, handle: &str) -> Result<u64, SqsApiError> {
        self.with(|store, now| move_tasks::cancel(store, handle, now))
    }

    /// The attributes and counts of a queue, typed.
    pub fn snapshot(&self, name: &str) -> Result<QueueSnapshot, SqsApiError> {
        self.with(|store, now| Ok(store.open(name, now)?.snapshot()))
    }

    /// Runs one call on the store at the current time.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut SqsStore, Now) -> T) -> T {
        let now = self.0.clock.now();
        let mut store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        let result = call(&mut store, now);
        if let Some(journal) = &self.0.journal {
            let records = persistence::write_changes(&store, store.take_changes(), now);
            journal.append(&records, |writer| persistence::write_all(&store, writer, now));
        }
        result
    }
}
