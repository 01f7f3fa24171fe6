//! The actions about subscriptions.

use serde::Deserialize;

use super::{Action, Answer, Nothing, required, topics::Attributes};
use crate::{
    dev::sqs_server::{call::Call, refusal::Refusal, xml::Xml},
    queue::memory::Names,
    sns::memory::ShownSubscription,
};

/// `Subscribe`; a queue's subscription needs no confirmation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscribe {
    topic_arn: Option<String>,
    protocol: Option<String>,
    endpoint: Option<String>,
    attributes: Option<Names>,
}

/// The ARN of a subscription.
pub(super) struct SubscriptionArn(String);

impl Answer for SubscriptionArn {
    fn xml(&self, xml: &mut Xml) {
        xml.text("SubscriptionArn", &self.0);
    }
}

impl Action for Subscribe {
    const NAME: &'static str = "Subscribe";
    type Answer = SubscriptionArn;

    fn run(self, call: &Call<'_>) -> Result<SubscriptionArn, Refusal> {
        let topic = required(self.topic_arn, "TopicArn")?;
        let protocol = required(self.protocol, "Protocol")?;
        let endpoint = required(self.endpoint, "Endpoint")?;
        let attributes = self.attributes.unwrap_or_default();
        Ok(SubscriptionArn(call.topics.subscribe_by(&topic, &protocol, &endpoint, &attributes)?))
    }
}

/// `Unsubscribe`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unsubscribe {
    subscription_arn: Option<String>,
}

impl Action for Unsubscribe {
    const NAME: &'static str = "Unsubscribe";
    type Answer = Nothing;

    fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        call.topics.unsubscribe(&required(self.subscription_arn, "SubscriptionArn")?)?;
        Ok(Nothing)
    }
}

/// Some subscriptions, all on one page.
pub(super) struct Subscriptions(Vec<ShownSubscription>);

impl Answer for Subscriptions {
    fn xml(&self, xml: &mut Xml) {
        xml.members("Subscriptions", &self.0, |xml, subscription| {
            xml.text("TopicArn", &subscription.topic_arn);
            xml.text("Protocol", "sqs");
            xml.text("SubscriptionArn", &subscription.arn);
            xml.text("Owner", &subscription.owner);
            xml.text("Endpoint", &subscription.endpoint);
        });
    }
}

/// `ListSubscriptions`.
#[derive(Debug, Deserialize)]
pub(super) struct ListSubscriptions {}

impl Action for ListSubscriptions {
    const NAME: &'static str = "ListSubscriptions";
    type Answer = Subscriptions;

    fn run(self, call: &Call<'_>) -> Result<Subscriptions, Refusal> {
        Ok(Subscriptions(call.topics.subscriptions(None)?))
    }
}

/// `ListSubscriptionsByTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSubscriptionsByTopic {
    topic_arn: Option<String>,
}

impl Action for ListSubscriptionsByTopic {
    const NAME: &'static str = "ListSubscriptionsByTopic";
    type Answer = Subscriptions;

    fn run(self, call: &Call<'_>) -> Result<Subscriptions, Refusal> {
        let topic = required(self.topic_arn, "TopicArn")?;
        Ok(Subscriptions(call.topics.subscriptions(Some(&topic))?))
    }
}

/// `GetSubscriptionAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetSubscriptionAttributes {
    subscription_arn: Option<String>,
}

impl Action for GetSubscriptionAttributes {
    const NAME: &'static str = "GetSubscriptionAttributes";
    type Answer = Attributes;

    fn run(self, call: &Call<'_>) -> Result<Attributes, Refusal> {
        let arn = required(self.subscription_arn, "SubscriptionArn")?;
        Ok(Attributes(call.topics.subscription_attributes(&arn)?))
    }
}

/// `SetSubscriptionAttributes`, one at a time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetSubscriptionAttributes {
    subscription_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

impl Action for SetSubscriptionAttributes {
    const NAME: &'static str = "SetSubscriptionAttributes";
    type Answer = Nothing;

    fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        let arn = required(self.subscription_arn, "SubscriptionArn")?;
        let name = required(self.attribute_name, "AttributeName")?;
        call.topics.set_subscription_attribute(&arn, &name, &self.attribute_value.unwrap_or_default())?;
        Ok(Nothing)
    }
}
