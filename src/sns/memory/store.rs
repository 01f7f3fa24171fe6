//! The topics of the account, by their ARNs.

use std::collections::{BTreeMap, VecDeque};

use super::{Heard, attributes::Attributes, fault::Fault, fifo::Line, subscription::Subscription};
use crate::{
    queue::memory::{Identity, Names},
    sns::{TopicArn, address::is_topic_name},
};

/// Everything there is.
#[derive(Debug)]
pub(super) struct Store {
    identity: Identity,
    pub(super) topics: BTreeMap<String, Topic>,
    /// The last publications.
    pub(super) heard: VecDeque<Heard>,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) arn: TopicArn,
    pub(super) attributes: Attributes,
    pub(super) tags: Names,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) deleted_subscriptions: usize,
    pub(super) line: Line,
}

impl Store {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, topics: BTreeMap::new(), heard: VecDeque::new() }
    }

    pub(super) fn arn(&self, name: &str) -> Result<TopicArn, Fault> {
        let Identity { region, account_id } = &self.identity;
        let arn = TopicArn::new(region, account_id, name).ok().filter(|_| is_topic_name(name));
        arn.ok_or_else(|| Fault::invalid("Topic Name"))
    }

    pub(super) fn create(&mut self, name: &str, given: &Names, tags: &Names) -> Result<TopicArn, Fault> {
        let attributes = Attributes::create(name, given)?;
        let arn = self.arn(name)?;
        if let Some(topic) = self.topics.get(arn.as_str()) {
            if topic.attributes.agrees_with(&attributes) {
                return Ok(arn);
            }
            return Err(Fault::invalid("Attributes Reason: Topic already exists with different attributes"));
        }
        let topic = Topic {
            arn: arn.clone(),
            attributes,
            tags: tags.clone(),
            subscriptions: Vec::new(),
            deleted_subscriptions: 0,
            line: Line::default(),
        };
        self.topics.insert(arn.to_string(), topic);
        Ok(arn)
    }

    pub(super) fn delete(&mut self, arn: &str) -> Result<(), Fault> {
        check_arn(arn)?;
        self.topics.remove(arn);
        Ok(())
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.topics.keys().cloned().collect()
    }

    pub(super) fn topic(&mut self, arn: &str) -> Result<&mut Topic, Fault> {
        check_arn(arn)?;
        self.topics.get_mut(arn).ok_or_else(Fault::no_topic)
    }

    pub(super) fn attributes(&mut self, arn: &str) -> Result<Names, Fault> {
        let owner = self.identity.account_id.clone();
        let topic = self.topic(arn)?;
        let mut shown = topic.attributes.show();
        let counts = [
            ("SubscriptionsConfirmed", topic.subscriptions.len()),
            ("SubscriptionsPending", 0),
            ("SubscriptionsDeleted", topic.deleted_subscriptions),
        ];
        shown.extend(counts.map(|(name, count)| (name.to_owned(), count.to_string())));
        shown.insert("TopicArn".to_owned(), topic.arn.to_string());
        shown.insert("Owner".to_owned(), owner);
        Ok(shown)
    }

    pub(super) fn set_attribute(&mut self, arn: &str, name: &str, value: &str) -> Result<(), Fault> {
        self.topic(arn)?.attributes.set(name, value)
    }
}

/// Whether this could be the ARN of a topic; the words are those that AWS was recorded with.
fn check_arn(arn: &str) -> Result<(), Fault> {
    if arn.parse::<TopicArn>().is_ok() {
        return Ok(());
    }
    let parts = arn.split(':').count();
    let reason = match parts {
        0..6 => format!("An ARN must have at least 6 elements, not {parts}"),
        _ => "A topic's ARN must be arn:partition:sns:region:account:name".to_owned(),
    };
    Err(Fault::invalid(format!("TopicArn Reason: {reason}")))
}
