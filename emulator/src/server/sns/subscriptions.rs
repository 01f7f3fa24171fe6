//! The actions about subscriptions.

use serde::Deserialize;

use super::{EmptySnsResult, ResultPage, SnsAction, SnsResult, required, topics::AttributesResult};
use crate::{
    message::StringMap,
    server::{action::ActionContext, error::RequestError, xml::XmlWriter},
    sns::{SnsApiError, SnsTopicArn, SubscriptionSummary},
};

/// `Subscribe`; the subscription of a queue needs no confirmation, that of a web page or a mailbox gets none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subscribe {
    topic_arn: Option<String>,
    protocol: Option<String>,
    endpoint: Option<String>,
    attributes: Option<StringMap>,
    return_subscription_arn: Option<String>,
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
        let arn = context.sns.subscribe_by(&topic, &protocol, &endpoint, &attributes)?;
        let is_pending = matches!(protocol.as_str(), "http" | "https" | "email" | "email-json");
        let wants_arn = self.return_subscription_arn.is_some_and(|value| value == "true");
        Ok(SubscribeResult(if is_pending && !wants_arn { "pending confirmation".to_owned() } else { arn }))
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

/// One page of subscriptions.
pub(super) struct SubscriptionsResult(ResultPage<SubscriptionSummary>);

impl SnsResult for SubscriptionsResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.members("Subscriptions", &self.0.items, |xml, subscription| {
            xml.text("TopicArn", &subscription.topic_arn);
            xml.text("Protocol", &subscription.protocol);
            xml.text("SubscriptionArn", &subscription.arn);
            xml.text("Owner", &subscription.owner);
            xml.text("Endpoint", &subscription.endpoint);
        });
        xml.optional("NextToken", self.0.next_token.as_deref());
    }
}

/// `ListSubscriptions`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSubscriptions {
    next_token: Option<String>,
}

impl SnsAction for ListSubscriptions {
    const NAME: &'static str = "ListSubscriptions";
    type Output = SubscriptionsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SubscriptionsResult, RequestError> {
        let subscriptions = context.sns.subscriptions(None)?;
        Ok(SubscriptionsResult(ResultPage::of(subscriptions, self.next_token.as_deref())?))
    }
}

/// `ListSubscriptionsByTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListSubscriptionsByTopic {
    topic_arn: Option<String>,
    next_token: Option<String>,
}

impl SnsAction for ListSubscriptionsByTopic {
    const NAME: &'static str = "ListSubscriptionsByTopic";
    type Output = SubscriptionsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<SubscriptionsResult, RequestError> {
        let topic = required(self.topic_arn, "TopicArn")?;
        let subscriptions = context.sns.subscriptions(Some(&topic))?;
        Ok(SubscriptionsResult(ResultPage::of(subscriptions, self.next_token.as_deref())?))
    }
}

/// `ConfirmSubscription`; the emulator sends no tokens, so none is right.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfirmSubscription {
    topic_arn: Option<String>,
    token: Option<String>,
}

impl SnsAction for ConfirmSubscription {
    const NAME: &'static str = "ConfirmSubscription";
    type Output = SubscribeResult;

    fn run(self, _: &ActionContext<'_>) -> Result<SubscribeResult, RequestError> {
        required(self.token, "Token")?;
        let topic: Result<SnsTopicArn, _> = required(self.topic_arn, "TopicArn")?.parse();
        Err(SnsApiError::invalid(if topic.is_ok() { "Token" } else { "Topic" }).into())
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
