//! The queues of an account, and the calls that reach from one queue to another; pure, with the time as an argument.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    ops::Bound,
    sync::Arc,
    task::Waker,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    AccountIdentity, AccountLimits, DeliveredMessage, ReceiveOptions, SendResult, SqsApiError, SqsErrorCode,
    attributes::{QueueConfiguration, QueueType, choose},
    message::StoredMessage,
    move_tasks::{self, MoveTasks},
    persistence::{Change, Changes},
    queue::{QueueState, ReceiveAllowance},
    receipt::MessageKey,
    validate,
    waiting::WakeUp,
};
use crate::{
    message::{NewMessage, StringMap},
    storage::Storage,
};

/// The longest name of a queue, `.fifo` included.
const NAME_CHARS: usize = 80;

/// The time of one call, on two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The time that deadlines are compared with; a paused clock moves it.
    pub(super) at: Instant,
    /// The time that timestamps show.
    pub(super) wall: SystemTime,
}

/// Derives timestamps from tokio's clock, so that they follow a paused one.
#[derive(Clone, Copy, Debug)]
pub(super) struct EmulatorClock {
    origin: Now,
}

impl EmulatorClock {
    /// A clock that agrees with the machine's at this time.
    pub(super) fn start() -> Self {
        Self { origin: Now { at: Instant::now(), wall: SystemTime::now() } }
    }

    /// The current time.
    pub(super) fn now(&self) -> Now {
        let at = Instant::now();
        Now { at, wall: self.origin.wall + at.saturating_duration_since(self.origin.at) }
    }
}

/// The queues of an account.
#[derive(Debug)]
pub(super) struct SqsStore {
    pub(super) queues: BTreeMap<Arc<str>, QueueState>,
    pub(super) moves: MoveTasks,
    /// The names of the queues that were deleted within the delay, and the times at which it ends.
    deleted: BTreeMap<Arc<str>, Instant>,
    identity: AccountIdentity,
    limits: AccountLimits,
    storage: Storage,
    sender_id: Arc<str>,
    serials: u64,
    changes: Changes,
}

impl SqsStore {
    /// A store without queues.
    pub(super) fn new(identity: AccountIdentity, limits: AccountLimits, storage: Storage) -> Self {
        let sender_id = identity.account_id.as_str().into();
        let (queues, moves, deleted) = (BTreeMap::new(), MoveTasks::default(), BTreeMap::new());
        let changes = Changes::default();
        Self { queues, moves, deleted, identity, limits, storage, sender_id, serials: 0, changes }
    }

    /// Collects the changes of every call from now on.
    pub(super) fn collect_changes(&mut self) {
        self.changes = Changes::collected();
    }

    /// Takes the changes of the last call.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        self.changes.take()
    }

    /// The account, and the last number that was given.
    pub(super) fn identity_and_serials(&self) -> (&AccountIdentity, u64) {
        (&self.identity, self.serials)
    }

    /// Goes on behind the numbers of an earlier process.
    pub(super) fn continue_serials(&mut self, last: u64) {
        self.serials = last;
    }

    /// The storage of the account.
    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// A queue that is not yet among the others.
    pub(super) fn new_queue(
        &self,
        name: &str,
        attributes: QueueConfiguration,
        now: Now,
    ) -> Result<QueueState, SqsApiError> {
        let arn = self.arn_of(name);
        let shared = (self.limits, self.storage.clone(), self.changes.clone());
        QueueState::new(name, arn, attributes, shared, now)
    }

    fn arn_of(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.identity.region, self.identity.account_id)
    }

    /// The next number for a message, a receive or a waiting receive.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// The queue of this name, advanced to the current time.
    pub(super) fn open(&mut self, name: &str, now: Now) -> Result<&mut QueueState, SqsApiError> {
        move_tasks::advance(self, now);
        let queue = self.queues.get_mut(name).ok_or_else(no_such_queue)?;
        queue.advance(now);
        Ok(queue)
    }

    /// The name of an existing queue with this ARN.
    pub(super) fn name_of(&self, arn: &str) -> Option<Arc<str>> {
        let (_, name) = arn.rsplit_once(':')?;
        self.queues.get(name).filter(|queue| *queue.arn == *arn).map(|queue| Arc::clone(&queue.name))
    }

    /// Creates a queue, unless one of the same name and attributes exists.
    pub(super) fn create(
        &mut self,
        name: &str,
        given: &StringMap,
        tags: &StringMap,
        now: Now,
    ) -> Result<(), SqsApiError> {
        let attributes = QueueConfiguration::create(given)?;
        check_name(name, attributes.queue_type)?;
        if let Some(queue) = self.queues.get(name) {
            return check_same_attributes(queue, given, &attributes);
        }
        self.check_not_deleted(name, now)?;
        self.check_dead_letters(&self.arn_of(name), &attributes)?;
        let mut queue = self.new_queue(name, attributes, now)?;
        queue.set_tags(tags.clone())?;
        self.queues.insert(name.into(), queue);
        Ok(())
    }

    /// Checks that the delay after the deletion of a queue of this name is over.
    fn check_not_deleted(&self, name: &str, now: Now) -> Result<(), SqsApiError> {
        if self.deleted.get(name).is_none_or(|until| *until <= now.at) {
            return Ok(());
        }
        let seconds = self.limits.delete_delay.as_secs();
        let message = format!(
            "You must wait {seconds} seconds after deleting a queue before you can create another with the same name."
        );
        Err(SqsApiError::new(SqsErrorCode::QueueDeletedRecently, message))
    }

    /// Deletes a queue; its waiting receives fail.
    pub(super) fn remove(&mut self, name: &str, now: Now) -> Result<(), SqsApiError> {
        let queue = self.queues.remove(name).ok_or_else(no_such_queue)?;
        self.deleted.retain(|_, until| *until > now.at);
        if !self.limits.delete_delay.is_zero() {
            self.deleted.insert(Arc::clone(&queue.name), now.at + self.limits.delete_delay);
        }
        self.changes.add(|| Change::Queue(Arc::clone(&queue.name)));
        queue.waiting.wake_all();
        Ok(())
    }

    /// The names that begin with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        let from_prefix = self.queues.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let names = from_prefix.map(|(name, _)| name.as_ref()).take_while(|name| name.starts_with(prefix));
        names.map(str::to_owned).collect()
    }

    /// Changes attributes of a queue.
    pub(super) fn set_attributes(
        &mut self,
        name: &str,
        given: &StringMap,
        now: Now,
    ) -> Result<(), SqsApiError> {
        let queue = self.open(name, now)?;
        let (attributes, arn) = (queue.attributes.changed(given)?, Arc::clone(&queue.arn));
        self.check_dead_letters(&arn, &attributes)?;
        let queue = self.open(name, now)?;
        queue.set_attributes(attributes, now)?;
        queue.wake_receives();
        Ok(())
    }

    /// The named attributes of a queue.
    pub(super) fn attributes(
        &mut self,
        name: &str,
        wanted: &[String],
        now: Now,
    ) -> Result<StringMap, SqsApiError> {
        choose(self.open(name, now)?.show(), wanted)
    }

    /// The names of the queues whose dead letters go to this one.
    pub(super) fn dead_letter_sources(&self, name: &str) -> Result<Vec<String>, SqsApiError> {
        let target = &self.queues.get(name).ok_or_else(no_such_queue)?.arn;
        Ok(self.sources_of(target).map(|queue| queue.name.as_ref().to_owned()).collect())
    }

    /// The queues whose dead letters go to the queue with this ARN.
    pub(super) fn sources_of<'a>(&'a self, arn: &'a str) -> impl Iterator<Item = &'a QueueState> {
        let policy = |queue: &'a QueueState| queue.attributes.redrive.as_ref();
        self.queues.values().filter(move |queue| policy(queue).is_some_and(|policy| policy.arn == arn))
    }

    /// Checks that the dead-letter queue exists, is of the same type and allows this source.
    fn check_dead_letters(
        &self,
        source_arn: &str,
        attributes: &QueueConfiguration,
    ) -> Result<(), SqsApiError> {
        let Some(policy) = &attributes.redrive else { return Ok(()) };
        let invalid = |reason| Err(SqsApiError::invalid_parameter("RedrivePolicy", &policy.text, reason));
        let Some(target) = self.name_of(&policy.arn).and_then(|name| self.queues.get(&name)) else {
            return invalid("Dead letter target does not exist.");
        };
        if target.attributes.queue_type.is_fifo() != attributes.queue_type.is_fifo() {
            return invalid("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.attributes.allowed_sources.allows(source_arn) {
            return invalid(
                "The redrive allow policy of the dead-letter queue does not allow this source queue.",
            );
        }
        Ok(())
    }

    /// Sends one message.
    pub(super) fn send(
        &mut self,
        name: &str,
        message: NewMessage,
        now: Now,
    ) -> Result<SendResult, SqsApiError> {
        let (key, sender_id) = (self.next_serial(), Arc::clone(&self.sender_id));
        let queue = self.open(name, now)?;
        let result = queue.send(message, key, &sender_id, now)?;
        queue.wake_receives();
        Ok(result)
    }

    /// Receives visible messages, and moves those that were received too often to the dead-letter queue.
    pub(super) fn receive(
        &mut self,
        name: &str,
        options: &ReceiveOptions,
        now: Now,
    ) -> Result<Vec<DeliveredMessage>, SqsApiError> {
        validate::check_receive(options)?;
        let redrive = self.redrive_of(name);
        let (serial, limit) = (self.next_serial(), self.limits.in_flight);
        let queue = self.open(name, now)?;
        let capacity = queue.in_flight_capacity();
        if capacity == 0 && is_short_poll(queue, options) && !queue.attributes.queue_type.is_fifo() {
            let message = format!("The queue has reached its limit of messages in flight: {limit}.");
            return Err(SqsApiError::new(SqsErrorCode::OverLimit, message));
        }
        let max_receives = redrive.as_ref().map(|(_, max)| *max);
        let allowance = ReceiveAllowance { messages: options.max.min(capacity), max_receives, serial };
        let taken = queue.take(options, allowance, now);
        queue.wake_receives();
        let source_arn = Arc::clone(&queue.arn);
        if let Some((target, _)) = redrive {
            self.dead_letter(taken.exhausted, &target, &source_arn, now)?;
        }
        Ok(taken.received)
    }

    /// Deletes a received message.
    pub(super) fn delete(&mut self, name: &str, handle: &str, now: Now) -> Result<(), SqsApiError> {
        let queue = self.open(name, now)?;
        queue.delete(handle)?;
        // A deletion may unblock the group of the message.
        queue.wake_receives();
        Ok(())
    }

    /// The wait time of a receive.
    pub(super) fn wait_of(&self, name: &str, options: &ReceiveOptions) -> Duration {
        let of_queue = || self.queues.get(name).map(|queue| queue.attributes.wait);
        options.wait.or_else(of_queue).unwrap_or_default()
    }

    /// Registers a receive that found nothing; returns the time at which it should try again.
    pub(super) fn register_receive(
        &mut self,
        name: &str,
        position: u64,
        waker: &Waker,
    ) -> Result<WakeUp, SqsApiError> {
        let moves_due = self.moves.next_due();
        let queue = self.queues.get_mut(name).ok_or_else(no_such_queue)?;
        let due_times: [Option<Instant>; 2] = [queue.messages.next_due(), moves_due];
        Ok(queue.waiting.register(position, waker, due_times.into_iter().flatten().min()))
    }

    /// Removes a receive that waits no longer.
    pub(super) fn unregister_receive(&mut self, name: &str, position: u64) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.waiting.unregister(position);
        }
    }

    /// The existing dead-letter queue of a queue, with its `maxReceiveCount`.
    fn redrive_of(&self, name: &str) -> Option<(Arc<str>, NonZeroU32)> {
        let policy = self.queues.get(name)?.attributes.redrive.as_ref()?;
        Some((self.name_of(&policy.arn)?, policy.max_receives))
    }

    /// Moves messages to the dead-letter queue, with their ids, counts and (on standard queues) ages.
    fn dead_letter(
        &mut self,
        exhausted: Vec<(MessageKey, StoredMessage)>,
        target: &str,
        source_arn: &Arc<str>,
        now: Now,
    ) -> Result<(), SqsApiError> {
        if exhausted.is_empty() {
            return Ok(());
        }
        let queue = self.open(target, now)?;
        for (key, mut message) in exhausted {
            message.source_arn = Some(Arc::clone(source_arn));
            if queue.attributes.queue_type.is_fifo() {
                message.since = now.at;
            }
            queue.messages.insert(key, message, None);
        }
        queue.wake_receives();
        Ok(())
    }
}

/// SQS reports its limit of messages in flight to short polls only; long polls wait.
fn is_short_poll(queue: &QueueState, options: &ReceiveOptions) -> bool {
    options.wait.unwrap_or(queue.attributes.wait).is_zero()
}

/// The error for a missing queue.
pub(super) fn no_such_queue() -> SqsApiError {
    SqsApiError::new(SqsErrorCode::QueueDoesNotExist, "The specified queue does not exist.")
}

fn check_name(name: &str, queue_type: QueueType) -> Result<(), SqsApiError> {
    let (stem, message) = match queue_type {
        QueueType::Standard => (
            Some(name),
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ),
        QueueType::Fifo(_) => (
            name.strip_suffix(".fifo"),
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, \
             must end with .fifo suffix and be 1 to 80 in length.",
        ),
    };
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let well_formed = stem.is_some_and(|stem| !stem.is_empty() && stem.bytes().all(is_allowed));
    if well_formed && name.len() <= NAME_CHARS {
        return Ok(());
    }
    Err(SqsApiError::new(SqsErrorCode::InvalidParameterValue, message))
}

/// Checks that an existing queue has the attributes of a repeated creation.
fn check_same_attributes(
    queue: &QueueState,
    given: &StringMap,
    requested: &QueueConfiguration,
) -> Result<(), SqsApiError> {
    let (existing, requested) = (queue.attributes.show(), requested.show());
    let differs = |name: &&String| existing.get(*name) != requested.get(*name);
    given.keys().find(differs).map_or(Ok(()), |name| {
        let message =
            format!("A queue already exists with the same name and a different value for attribute {name}");
        Err(SqsApiError::new(SqsErrorCode::QueueAlreadyExists, message))
    })
}
