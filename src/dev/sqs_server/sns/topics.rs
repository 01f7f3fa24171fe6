//! The actions about topics.

use serde::Deserialize;

use super::{Action, Answer, Nothing, entries, required};
use crate::{
    dev::sqs_server::{call::Call, refusal::Refusal, xml::Xml},
    queue::memory::Names,
};

/// `CreateTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateTopic {
    name: Option<String>,
    attributes: Option<Names>,
    tags: Option<Names>,
}

/// The ARN of a topic.
pub(super) struct TopicArn(String);

impl Answer for TopicArn {
    fn xml(&self, xml: &mut Xml) {
        xml.text("TopicArn", &self.0);
    }
}

impl Action for CreateTopic {
    const NAME: &'static str = "CreateTopic";
    type Answer = TopicArn;

    fn run(self, call: &Call<'_>) -> Result<TopicArn, Refusal> {
        let name = required(self.name, "Topic Name")?;
        let (attributes, tags) = (self.attributes.unwrap_or_default(), self.tags.unwrap_or_default());
        Ok(TopicArn(call.topics.create(&name, &attributes, &tags)?.to_string()))
    }
}

/// `DeleteTopic`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteTopic {
    topic_arn: Option<String>,
}

impl Action for DeleteTopic {
    const NAME: &'static str = "DeleteTopic";
    type Answer = Nothing;

    fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        call.topics.delete(&required(self.topic_arn, "TopicArn")?)?;
        Ok(Nothing)
    }
}

/// `ListTopics`; all of them, on one page.
#[derive(Debug, Deserialize)]
pub(super) struct ListTopics {}

/// The ARNs of all topics.
pub(super) struct TopicArns(Vec<String>);

impl Answer for TopicArns {
    fn xml(&self, xml: &mut Xml) {
        xml.members("Topics", &self.0, |xml, arn| xml.text("TopicArn", arn));
    }
}

impl Action for ListTopics {
    const NAME: &'static str = "ListTopics";
    type Answer = TopicArns;

    fn run(self, call: &Call<'_>) -> Result<TopicArns, Refusal> {
        Ok(TopicArns(call.topics.list()))
    }
}

/// `GetTopicAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetTopicAttributes {
    topic_arn: Option<String>,
}

/// Attributes by their names.
pub(super) struct Attributes(pub(super) Names);

impl Answer for Attributes {
    fn xml(&self, xml: &mut Xml) {
        entries(xml, "Attributes", &self.0);
    }
}

impl Action for GetTopicAttributes {
    const NAME: &'static str = "GetTopicAttributes";
    type Answer = Attributes;

    fn run(self, call: &Call<'_>) -> Result<Attributes, Refusal> {
        Ok(Attributes(call.topics.attributes(&required(self.topic_arn, "TopicArn")?)?))
    }
}

/// `SetTopicAttributes`, one at a time.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetTopicAttributes {
    topic_arn: Option<String>,
    attribute_name: Option<String>,
    attribute_value: Option<String>,
}

impl Action for SetTopicAttributes {
    const NAME: &'static str = "SetTopicAttributes";
    type Answer = Nothing;

    fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        let arn = required(self.topic_arn, "TopicArn")?;
        let name = required(self.attribute_name, "AttributeName")?;
        call.topics.set_attribute(&arn, &name, &self.attribute_value.unwrap_or_default())?;
        Ok(Nothing)
    }
}

/// `ListTagsForResource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTagsForResource {
    resource_arn: Option<String>,
}

/// The tags of a topic.
pub(super) struct Tags(Names);

impl Answer for Tags {
    fn xml(&self, xml: &mut Xml) {
        xml.members("Tags", &self.0, |xml, (key, value)| {
            xml.text("Key", key);
            xml.text("Value", value);
        });
    }
}

impl Action for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    type Answer = Tags;

    fn run(self, call: &Call<'_>) -> Result<Tags, Refusal> {
        Ok(Tags(call.topics.tags(&required(self.resource_arn, "ResourceArn")?)?))
    }
}
