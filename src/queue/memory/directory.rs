//! Creating, finding, changing and deleting the queues of the account.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use super::{
    account::Names,
    attributes::{Attributes, choose},
    clock::Now,
    fault::{Code, Fault},
    kind::Kind,
    queue::Queue,
    store::{Store, no_such_queue},
};

/// The longest name of a queue, `.fifo` included.
const NAME_CHARS: usize = 80;

impl Store {
    /// Creates a queue, unless one of the same name and attributes exists.
    pub(super) fn create(&mut self, name: &str, given: &Names, tags: &Names, now: Now) -> Result<(), Fault> {
        let attributes = Attributes::create(given)?;
        check_name(name, attributes.kind)?;
        if let Some(queue) = self.queues.get(name) {
            return same_attributes(queue, given, &attributes);
        }
        let arn = self.arn_of(name);
        self.check_dead_letters(&arn, &attributes)?;
        let mut queue = Queue::new(name, arn, attributes, self.limits, now);
        queue.tags.clone_from(tags);
        self.queues.insert(name.into(), queue);
        Ok(())
    }

    /// Deletes a queue; those who wait at it are told.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), Fault> {
        let queue = self.queues.remove(name).ok_or_else(no_such_queue)?;
        queue.line.wake_all();
        Ok(())
    }

    /// The names that begin with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> Vec<String> {
        let from_prefix = self.queues.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let names = from_prefix.map(|(name, _)| name.as_ref()).take_while(|name| name.starts_with(prefix));
        names.map(str::to_owned).collect()
    }

    /// Changes attributes of a queue.
    pub(super) fn set_attributes(&mut self, name: &str, given: &Names, now: Now) -> Result<(), Fault> {
        let queue = self.open(name, now)?;
        let (attributes, arn) = (queue.attributes.changed(given)?, Arc::clone(&queue.arn));
        self.check_dead_letters(&arn, &attributes)?;
        let queue = self.open(name, now)?;
        queue.set_attributes(attributes, now);
        queue.announce();
        Ok(())
    }

    /// The attributes of a queue that are named.
    pub(super) fn attributes(&mut self, name: &str, wanted: &[String], now: Now) -> Result<Names, Fault> {
        choose(self.open(name, now)?.show(), wanted)
    }

    /// The names of the queues whose dead letters go to this one.
    pub(super) fn dead_letter_sources(&self, name: &str) -> Result<Vec<String>, Fault> {
        let target = &self.queues.get(name).ok_or_else(no_such_queue)?.arn;
        Ok(self.sources_of(target).map(|queue| queue.name.as_ref().to_owned()).collect())
    }

    /// The queues whose dead letters go to the queue of this ARN.
    pub(super) fn sources_of<'a>(&'a self, arn: &'a str) -> impl Iterator<Item = &'a Queue> {
        let policy = |queue: &'a Queue| queue.attributes.dead_letters.as_ref();
        self.queues.values().filter(move |queue| policy(queue).is_some_and(|policy| policy.arn == arn))
    }

    fn arn_of(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.identity.region, self.identity.account_id)
    }

    /// Checks that the dead-letter queue exists, is of the same type and allows it.
    fn check_dead_letters(&self, source_arn: &str, attributes: &Attributes) -> Result<(), Fault> {
        let Some(policy) = &attributes.dead_letters else { return Ok(()) };
        let invalid = |reason| Err(Fault::invalid_parameter("RedrivePolicy", &policy.text, reason));
        let Some(target) = self.name_of(&policy.arn).and_then(|name| self.queues.get(&name)) else {
            return invalid("Dead letter target does not exist.");
        };
        let is_fifo = |kind: Kind| kind != Kind::Standard;
        if is_fifo(target.attributes.kind) != is_fifo(attributes.kind) {
            return invalid("Dead-letter queue must be same type of queue as the source.");
        }
        if !target.attributes.allowed.allows(source_arn) {
            return invalid(
                "The redrive allow policy of the dead-letter queue does not allow this source queue.",
            );
        }
        Ok(())
    }
}

fn check_name(name: &str, kind: Kind) -> Result<(), Fault> {
    let (stem, message) = match kind {
        Kind::Standard => (
            Some(name),
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        ),
        Kind::Fifo(_) => (
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
    Err(Fault::new(Code::InvalidParameterValue, message))
}

/// Whether an existing queue has what a repeated creation asks for.
fn same_attributes(queue: &Queue, given: &Names, asked: &Attributes) -> Result<(), Fault> {
    let (existing, asked): (BTreeMap<_, _>, _) = (queue.attributes.show(), asked.show());
    let differs = |name: &&String| existing.get(*name) != asked.get(*name);
    given.keys().find(differs).map_or(Ok(()), |name| {
        let message =
            format!("A queue already exists with the same name and a different value for attribute {name}");
        Err(Fault::new(Code::QueueAlreadyExists, message))
    })
}
