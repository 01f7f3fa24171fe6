//! Subscriptions: queues that get what a topic is told, whole or filtered.

use super::{
    fault::Fault,
    filter::Filter,
    store::{Store, Topic},
};
use crate::{queue::memory::Names, sns::TopicArn};

/// One queue's subscription to a topic.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) arn: String,
    pub(super) endpoint: String,
    pub(super) filter: Option<Filter>,
    attributes: Names,
}

/// What a client wants to subscribe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) protocol: &'a str,
    pub(super) endpoint: &'a str,
    pub(super) attributes: &'a Names,
}

/// A subscription as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `SubscriptionArn`.
    pub arn: String,
    /// `TopicArn`.
    pub topic_arn: String,
    /// `Endpoint`: the queue's ARN.
    pub endpoint: String,
    /// `Owner`: the account.
    pub owner: String,
}

impl Subscription {
    fn create(topic: &TopicArn, wish: &Wish<'_>) -> Result<Self, Fault> {
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid();
        let mut subscription = Self {
            arn: format!("{topic}:{}", id.hyphenated()),
            endpoint: wish.endpoint.to_owned(),
            filter: None,
            attributes: Names::new(),
        };
        for (name, value) in wish.attributes {
            subscription.set(name, value)?;
        }
        Ok(subscription)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        match name {
            "RawMessageDelivery" if matches!(value, "true" | "false") => {}
            "RawMessageDelivery" => {
                return Err(Fault::invalid("RawMessageDelivery Reason: value must be true or false."));
            }
            "FilterPolicy" => self.filter = Filter::parse(value)?,
            "FilterPolicyScope" if value == "MessageAttributes" => {}
            "FilterPolicyScope" => {
                return Err(Fault::invalid(
                    "FilterPolicyScope Reason: this server filters by MessageAttributes only",
                ));
            }
            "RedrivePolicy" | "DeliveryPolicy" | "SubscriptionRoleArn" => {}
            _ => return Err(Fault::invalid("AttributeName")),
        }
        self.attributes.insert(name.to_owned(), value.to_owned());
        if name == "FilterPolicy" && self.filter.is_none() {
            self.attributes.remove(name);
        }
        Ok(())
    }

    /// Whether the message is delivered without SNS's envelope.
    pub(super) fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value == "true")
    }

    /// The queue's name, the last part of its ARN.
    pub(super) fn queue_name(&self) -> &str {
        self.endpoint.rsplit(':').next().unwrap_or_default()
    }

    fn show(&self, topic: &TopicArn) -> Names {
        let mut shown = self.attributes.clone();
        shown.entry("RawMessageDelivery".to_owned()).or_insert_with(|| "false".to_owned());
        if self.filter.is_some() {
            shown.entry("FilterPolicyScope".to_owned()).or_insert_with(|| "MessageAttributes".to_owned());
        }
        let facts = [
            ("SubscriptionArn", self.arn.as_str()),
            ("TopicArn", topic.as_str()),
            ("Protocol", "sqs"),
            ("Endpoint", &self.endpoint),
            ("Owner", topic.account_id()),
            ("ConfirmationWasAuthenticated", "true"),
            ("PendingConfirmation", "false"),
        ];
        shown.extend(facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
        shown
    }
}

impl Store {
    pub(super) fn subscribe(&mut self, arn: &str, wish: &Wish<'_>) -> Result<String, Fault> {
        let topic = self.topic(arn)?;
        check_endpoint(topic, wish)?;
        let asked = Subscription::create(&topic.arn, wish)?;
        if let Some(existing) = topic.subscriptions.iter().find(|other| other.endpoint == wish.endpoint) {
            let agrees = wish.attributes.is_empty() || existing.attributes == asked.attributes;
            let reason = "Attributes Reason: Subscription already exists with different attributes";
            return if agrees { Ok(existing.arn.clone()) } else { Err(Fault::invalid(reason)) };
        }
        let arn = asked.arn.clone();
        topic.subscriptions.push(asked);
        Ok(arn)
    }

    pub(super) fn unsubscribe(&mut self, arn: &str) -> Result<(), Fault> {
        check_subscription_arn(arn)?;
        for topic in self.topics.values_mut() {
            let before = topic.subscriptions.len();
            topic.subscriptions.retain(|subscription| subscription.arn != arn);
            topic.deleted_subscriptions += before - topic.subscriptions.len();
        }
        Ok(())
    }

    pub(super) fn subscriptions(&mut self, arn: Option<&str>) -> Result<Vec<Shown>, Fault> {
        let topics: Vec<&Topic> = match arn {
            Some(arn) => vec![self.topic(arn)?],
            None => self.topics.values().collect(),
        };
        let shown = |topic: &Topic| {
            let one = |subscription: &Subscription| Shown {
                arn: subscription.arn.clone(),
                topic_arn: topic.arn.to_string(),
                endpoint: subscription.endpoint.clone(),
                owner: topic.arn.account_id().to_owned(),
            };
            topic.subscriptions.iter().map(one).collect::<Vec<_>>()
        };
        Ok(topics.into_iter().flat_map(shown).collect())
    }

    pub(super) fn subscription_attributes(&self, arn: &str) -> Result<Names, Fault> {
        check_subscription_arn(arn)?;
        let found = self.topics.values().find_map(|topic| {
            let subscription = topic.subscriptions.iter().find(|subscription| subscription.arn == arn)?;
            Some(subscription.show(&topic.arn))
        });
        found.ok_or_else(Fault::no_subscription)
    }

    pub(super) fn set_subscription_attribute(
        &mut self,
        arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), Fault> {
        check_subscription_arn(arn)?;
        let mut subscriptions = self.topics.values_mut().flat_map(|topic| &mut topic.subscriptions);
        let found = subscriptions.find(|subscription| subscription.arn == arn);
        found.ok_or_else(Fault::no_subscription)?.set(name, value)
    }
}

fn check_endpoint(topic: &Topic, wish: &Wish<'_>) -> Result<(), Fault> {
    if wish.protocol != "sqs" {
        let protocol = wish.protocol;
        let reason = format!("Protocol Reason: this server delivers to sqs only, not to {protocol}");
        return Err(Fault::invalid(reason));
    }
    let parts: Vec<&str> = wish.endpoint.split(':').collect();
    let ["arn", _, "sqs", _, _, name] = parts[..] else {
        return Err(Fault::invalid("Endpoint Reason: SQS endpoint ARN"));
    };
    if name.strip_suffix(".fifo").is_some() && !topic.attributes.is_fifo() {
        let reason = "Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return Err(Fault::invalid(reason));
    }
    Ok(())
}

fn check_subscription_arn(arn: &str) -> Result<(), Fault> {
    let parts = arn.split(':').count();
    if parts == 7 {
        return Ok(());
    }
    let reason = format!("An ARN must have at least 6 elements, not {parts}");
    Err(Fault::invalid(format!("SubscriptionArn Reason: {reason}")))
}
