//! An account of SNS in memory, which delivers to the SQS account in memory beside it.
//!
//! [`Topics`] is the front door. Left out, since nothing here needs them: subscriptions that are not SQS queues,
//! policies and keys, which are kept and shown but not enforced, and filters on the message's body.

mod attributes;
mod envelope;
mod fault;
mod fifo;
mod filter;
mod publish;
mod store;
mod subscription;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::{BoxFuture, FutureExt as _};

pub use self::{
    fault::{Code, Fault},
    publish::{Published, Structure},
    subscription::Shown as ShownSubscription,
};
use self::{store::Store, subscription::Wish};
use super::{Publication, PublicationId, Publisher, Target, TopicArn, TopicError};
use crate::queue::memory::{Account, Names};

/// The most publications that are remembered.
const REMEMBERED: usize = 1_000;

/// An account of SNS in memory; clones share the topics.
#[derive(Clone)]
pub struct Topics(Arc<Shared>);

struct Shared {
    account: Account,
    store: Mutex<Store>,
    listener: Listener,
}

type Listener = Box<dyn Fn(&Heard) + Send + Sync>;

/// One message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What was published.
    pub publication: Publication,
    /// How many subscriptions got it.
    pub delivered: usize,
}

/// For people: a line.
impl fmt::Display for Heard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publication: Publication { target, body, .. }, delivered } = self;
        match target {
            Target::Topic(topic) => {
                write!(formatter, "published to {} for {delivered} subscriptions: {body}", topic.name())
            }
            Target::Phone(number) => write!(formatter, "sms to {}: {body}", number.as_str()),
        }
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Topics").field("account", &self.0.account).finish_non_exhaustive()
    }
}

impl Topics {
    /// No topics, beside this account of SQS.
    pub fn beside(account: Account) -> Self {
        Self::heard_by(account, |_| {})
    }

    /// The same, and `listener` is told of every message that is published.
    pub fn heard_by(account: Account, listener: impl Fn(&Heard) + Send + Sync + 'static) -> Self {
        let store = Store::new(account.identity().clone());
        Self(Arc::new(Shared { account, store: Mutex::new(store), listener: Box::new(listener) }))
    }

    /// The account of SQS that subscribed queues are in.
    pub fn account(&self) -> &Account {
        &self.0.account
    }

    /// The ARN that a topic of this name has or would have.
    pub fn arn(&self, name: &str) -> Result<TopicArn, Fault> {
        self.with(|store| store.arn(name))
    }

    /// Creates a topic, unless one of the same name and attributes exists.
    pub fn create(&self, name: &str, attributes: &Names, tags: &Names) -> Result<TopicArn, Fault> {
        self.with(|store| store.create(name, attributes, tags))
    }

    /// Deletes a topic with its subscriptions; one that is not there is fine.
    pub fn delete(&self, arn: &str) -> Result<(), Fault> {
        self.with(|store| store.delete(arn))
    }

    /// The ARNs of all topics, sorted.
    pub fn list(&self) -> Vec<String> {
        self.with(|store| store.list())
    }

    /// The attributes of a topic.
    pub fn attributes(&self, arn: &str) -> Result<Names, Fault> {
        self.with(|store| store.attributes(arn))
    }

    /// Sets one attribute of a topic.
    pub fn set_attribute(&self, arn: &str, name: &str, value: &str) -> Result<(), Fault> {
        self.with(|store| store.set_attribute(arn, name, value))
    }

    /// The tags of a topic.
    pub fn tags(&self, arn: &str) -> Result<Names, Fault> {
        self.with(|store| Ok(store.topic(arn)?.tags.clone()))
    }

    /// Subscribes a queue, by its ARN, and answers the subscription's ARN.
    pub fn subscribe(&self, arn: &str, queue_arn: &str, attributes: &Names) -> Result<String, Fault> {
        self.subscribe_by(arn, "sqs", queue_arn, attributes)
    }

    /// The same with the protocol as the client named it; only `sqs` is delivered to.
    pub fn subscribe_by(
        &self,
        arn: &str,
        protocol: &str,
        endpoint: &str,
        attributes: &Names,
    ) -> Result<String, Fault> {
        self.with(|store| store.subscribe(arn, &Wish { protocol, endpoint, attributes }))
    }

    /// Ends a subscription; one that is not there is fine.
    pub fn unsubscribe(&self, subscription_arn: &str) -> Result<(), Fault> {
        self.with(|store| store.unsubscribe(subscription_arn))
    }

    /// All subscriptions, or those of one topic.
    pub fn subscriptions(&self, arn: Option<&str>) -> Result<Vec<ShownSubscription>, Fault> {
        self.with(|store| store.subscriptions(arn))
    }

    /// The attributes of a subscription.
    pub fn subscription_attributes(&self, subscription_arn: &str) -> Result<Names, Fault> {
        self.with(|store| store.subscription_attributes(subscription_arn))
    }

    /// Sets one attribute of a subscription; an empty filter policy removes it.
    pub fn set_subscription_attribute(&self, arn: &str, name: &str, value: &str) -> Result<(), Fault> {
        self.with(|store| store.set_subscription_attribute(arn, name, value))
    }

    /// Publishes a message.
    pub fn send(&self, publication: Publication, structure: Structure) -> Result<Published, Fault> {
        let (published, heard) = self.with(|store| store.publish(&self.0.account, publication, structure))?;
        (self.0.listener)(&heard);
        Ok(published)
    }

    /// The last publications, the oldest first, a thousand at most.
    pub fn published(&self) -> Vec<Heard> {
        self.with(|store| store.heard.iter().cloned().collect())
    }

    fn with<T>(&self, call: impl FnOnce(&mut Store) -> T) -> T {
        call(&mut self.0.store.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps the latest.
fn remember(heard: &mut VecDeque<Heard>, latest: Heard) {
    if heard.len() == REMEMBERED {
        heard.pop_front();
    }
    heard.push_back(latest);
}

impl Publisher for Topics {
    fn publish<'a>(
        &'a self,
        publication: &'a Publication,
    ) -> BoxFuture<'a, Result<PublicationId, TopicError>> {
        let answer = self.send(publication.clone(), Structure::Plain);
        std::future::ready(answer.map(|published| PublicationId(published.id)).map_err(error)).boxed()
    }

    fn find<'a>(&'a self, topic: &'a TopicArn) -> BoxFuture<'a, Result<(), TopicError>> {
        std::future::ready(self.attributes(topic.as_str()).map(|_| ()).map_err(error)).boxed()
    }
}

fn error(fault: Fault) -> TopicError {
    TopicError::answered(fault.code.as_str(), fault.message)
}

#[cfg(test)]
mod tests;
