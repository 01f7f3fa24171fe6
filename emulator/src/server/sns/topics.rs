//! The actions about topics and their subscriptions.

use serde::Deserialize;

use super::{EmptySnsResult, ResultPage, SnsAction, SnsResult, entries, required};
use crate::{
    message::StringMap,
    server::{action::ActionContext, error::RequestError, xml::XmlWriter},
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

/// `ListTopics`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTopics {
    next_token: Option<String>,
}

/// One page of the ARNs of topics.
pub(super) struct ListTopicsResult(ResultPage<String>);

impl SnsResult for ListTopicsResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.members("Topics", &self.0.items, |xml, arn| xml.text("TopicArn", arn));
        xml.optional("NextToken", self.0.next_token.as_deref());
    }
}

impl SnsAction for ListTopics {
    const NAME: &'static str = "ListTopics";
    type Output = ListTopicsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<ListTopicsResult, RequestError> {
        Ok(ListTopicsResult(ResultPage::of(context.sns.topic_arns(), self.next_token.as_deref())?))
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
