//! The actions about topics and their subscriptions.

use serde::Deserialize;

use super::{EmptySnsResult, SnsAction, SnsResult, entries, required};
use crate::{
    message::StringMap,
    server::{action::ActionContext, error::RequestError, xml::XmlWriter},
    sns::SubscriptionSummary,
};

/// `CreateTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateTopic {
    name: Option<String>,
    attributes: Option<StringMap>,
    tags: Option<StringMap>,
}

/// The ARN of a topic.
pub(super) struct CreateTopicResult(String);

impl SnsResult for CreateTopicResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("TopicArn", &self.0);
    }
}

impl SnsAction for CreateTopic {
    const NAME: &'static str = "CreateTopic";
    type Output = CreateTopicResult;

    fn run(self, context: &ActionContext<'_>) -> Result<CreateTopicResult, RequestError> {
        let name = required(self.name, "Topic Name")?;
        let (attributes, tags) = (self.attributes.unwrap_or_default(), self.tags.unwrap_or_default());
        Ok(CreateTopicResult(context.sns.create_topic(&name, &attributes, &tags)?.to_string()))
    }
}

/// `DeleteTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteTopic {
    topic_arn: Option<String>,
}

impl SnsAction for DeleteTopic {
    const NAME: &'static str = "DeleteTopic";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        context.sns.delete_topic(&required(self.topic_arn, "TopicArn")?)?;
        Ok(EmptySnsResult)
    }
}

/// `ListTopics`; returns all topics on one page.
#[derive(Debug, Deserialize)]
pub(super) struct ListTopics {}

/// The ARNs of all topics.
pub(super) struct ListTopicsResult(Vec<String>);

impl SnsResult for ListTopicsResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.members("Topics", &self.0, |xml, arn| xml.text("TopicArn", arn));
    }
}

impl SnsAction for ListTopics {
    const NAME: &'static str = "ListTopics";
    type Output = ListTopicsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<ListTopicsResult, RequestError> {
        Ok(ListTopicsResult(context.sns.topic_arns()))
    }
}

/// `GetTopicAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetTopicAttributes {
    topic_arn: Option<String>,
}

/// The attributes of a topic or subscription.
pub(super) struct AttributesResult(pub(super) StringMap);

impl SnsResult for AttributesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        entries(xml, "Attributes", &self.0);
    }
}

impl SnsAction for GetTopicAttributes {
    const NAME: &'static str = "GetTopicAttributes";
    type Output = AttributesResult;

    fn run(self, context: &ActionContext<'_>) -> Result<AttributesResult, RequestError> {
        Ok(AttributesResult(context.sns.topic_attributes(&required(self.topic_arn, "TopicArn")?)?))
    }
}

/// `SetTopicAttributes`: sets one attribute.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetTopicAttributes {
    topic_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

impl SnsAction for SetTopicAttributes {
    const NAME: &'static str = "SetTopicAttributes";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let arn = required(self.topic_arn, "TopicArn")?;
        let name = required(self.attribute_name, "AttributeName")?;
        context.sns.set_topic_attribute(&arn, &name, &self.attribute_value.unwrap_or_default())?;
        Ok(EmptySnsResult)
    }
}

/// `ListTagsForResource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTagsForResource {
    resource_arn: Option<String>,
}

/// The tags of a topic.
pub(super) struct TopicTagsResult(StringMap);

impl SnsResult for TopicTagsResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.members("Tags", &self.0, |xml, (key, value)| {
            xml.text("Key", key);
            xml.text("Value", value);
        });
    }
}

impl SnsAction for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    type Output = TopicTagsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<TopicTagsResult, RequestError> {
        Ok(TopicTagsResult(context.sns.topic_tags(&required(self.resource_arn, "ResourceArn")?)?))
    }
}

/// `Subscribe`; the subscription of a queue needs no confirmation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscribe {
    topic_arn: Option<String>,
    protocol: Option<String>,
    endpoint: Option<String>,
    attributes: Option<StringMap>,
}

/// The ARN of a subscription.
pub(super) struct SubscribeResult(String);

impl SnsResult for SubscribeResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("SubscriptionArn", &self.0);
    }
}

impl SnsAction for Subscribe {
    const NAME: &'static str = "Subscribe";
    type Output = SubscribeResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SubscribeResult, RequestError> {
        let topic = required(self.topic_arn, "TopicArn")?;
        let protocol = required(self.protocol, "Protocol")?;
        let endpoint = required(self.endpoint, "Endpoint")?;
        let attributes = self.attributes.unwrap_or_default();
        Ok(SubscribeResult(context.sns.subscribe_by(&topic, &protocol, &endpoint, &attributes)?))
    }
}

/// `Unsubscribe`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unsubscribe {
    subscription_arn: Option<String>,
}

impl SnsAction for Unsubscribe {
    const NAME: &'static str = "Unsubscribe";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        context.sns.unsubscribe(&required(self.subscription_arn, "SubscriptionArn")?)?;
        Ok(EmptySnsResult)
    }
}

/// Subscriptions, all on one page.
pub(super) struct SubscriptionsResult(Vec<SubscriptionSummary>);

impl SnsResult for SubscriptionsResult {
    fn xml(&self, xml: &mut XmlWriter) {
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

impl SnsAction for ListSubscriptions {
    const NAME: &'static str = "ListSubscriptions";
    type Output = SubscriptionsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SubscriptionsResult, RequestError> {
        Ok(SubscriptionsResult(context.sns.subscriptions(None)?))
    }
}

/// `ListSubscriptionsByTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSubscriptionsByTopic {
    topic_arn: Option<String>,
}

impl SnsAction for ListSubscriptionsByTopic {
    const NAME: &'static str = "ListSubscriptionsByTopic";
    type Output = SubscriptionsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SubscriptionsResult, RequestError> {
        let topic = required(self.topic_arn, "TopicArn")?;
        Ok(SubscriptionsResult(context.sns.subscriptions(Some(&topic))?))
    }
}

/// `GetSubscriptionAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetSubscriptionAttributes {
    subscription_arn: Option<String>,
}

impl SnsAction for GetSubscriptionAttributes {
    const NAME: &'static str = "GetSubscriptionAttributes";
    type Output = AttributesResult;

    fn run(self, context: &ActionContext<'_>) -> Result<AttributesResult, RequestError> {
        let arn = required(self.subscription_arn, "SubscriptionArn")?;
        Ok(AttributesResult(context.sns.subscription_attributes(&arn)?))
    }
}

/// `SetSubscriptionAttributes`: sets one attribute.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetSubscriptionAttributes {
    subscription_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

impl SnsAction for SetSubscriptionAttributes {
    const NAME: &'static str = "SetSubscriptionAttributes";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let arn = required(self.subscription_arn, "SubscriptionArn")?;
        let name = required(self.attribute_name, "AttributeName")?;
        context.sns.set_subscription_attribute(&arn, &name, &self.attribute_value.unwrap_or_default())?;
        Ok(EmptySnsResult)
    }
}
