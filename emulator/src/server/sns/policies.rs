//! The actions about the tags and policies of a topic.

use std::collections::HashSet;

use serde::Deserialize;

use super::{EmptySnsResult, SnsAction, SnsResult, required};
use crate::{
    message::StringMap,
    permissions::PermissionRequest,
    server::{action::ActionContext, error::RequestError, xml::XmlWriter},
    sns::SnsApiError,
};

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

/// One tag; a list, because a repeated key is an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTag {
    key: String,
    value: String,
}

/// `TagResource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagResource {
    resource_arn: Option<String>,
    tags: Option<Vec<WireTag>>,
}

impl SnsAction for TagResource {
    const NAME: &'static str = "TagResource";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let tags = self.tags.unwrap_or_default();
        let distinct: HashSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
        if distinct.len() < tags.len() {
            return Err(SnsApiError::invalid("Duplicated keys are not allowed.").into());
        }
        let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        context.sns.tag_topic(&required(self.resource_arn, "ResourceArn")?, &tags)?;
        Ok(EmptySnsResult)
    }
}

/// `UntagResource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagResource {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

impl SnsAction for UntagResource {
    const NAME: &'static str = "UntagResource";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let keys = self.tag_keys.unwrap_or_default();
        context.sns.untag_topic(&required(self.resource_arn, "ResourceArn")?, &keys)?;
        Ok(EmptySnsResult)
    }
}

/// `AddPermission`: adds a statement to the policy, which is not enforced.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddTopicPermission {
    topic_arn: Option<String>,
    label: Option<String>,
    #[serde(rename = "AWSAccountId")]
    accounts: Option<Vec<String>>,
    action_name: Option<Vec<String>>,
}

impl SnsAction for AddTopicPermission {
    const NAME: &'static str = "AddPermission";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let (topic, label) = (required(self.topic_arn, "TopicArn")?, required(self.label, "Label")?);
        let (accounts, actions) = (self.accounts.unwrap_or_default(), self.action_name.unwrap_or_default());
        let request = PermissionRequest { label: &label, accounts: &accounts, actions: &actions };
        context.sns.add_permission(&topic, request)?;
        Ok(EmptySnsResult)
    }
}

/// `RemovePermission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemoveTopicPermission {
    topic_arn: Option<String>,
    label: Option<String>,
}

impl SnsAction for RemoveTopicPermission {
    const NAME: &'static str = "RemovePermission";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let (topic, label) = (required(self.topic_arn, "TopicArn")?, required(self.label, "Label")?);
        context.sns.remove_permission(&topic, &label)?;
        Ok(EmptySnsResult)
    }
}

/// `GetDataProtectionPolicy`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetDataProtectionPolicy {
    resource_arn: Option<String>,
}

/// The data protection policy of a topic.
pub(super) struct DataProtectionResult(String);

impl SnsResult for DataProtectionResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("DataProtectionPolicy", &self.0);
    }
}

impl SnsAction for GetDataProtectionPolicy {
    const NAME: &'static str = "GetDataProtectionPolicy";
    type Output = DataProtectionResult;

    fn run(self, context: &ActionContext<'_>) -> Result<DataProtectionResult, RequestError> {
        let arn = required(self.resource_arn, "ResourceArn")?;
        Ok(DataProtectionResult(context.sns.data_protection_policy(&arn)?))
    }
}

/// `PutDataProtectionPolicy`; the policy has no effect.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutDataProtectionPolicy {
    resource_arn: Option<String>,
    data_protection_policy: Option<String>,
}

impl SnsAction for PutDataProtectionPolicy {
    const NAME: &'static str = "PutDataProtectionPolicy";
    type Output = EmptySnsResult;

    fn run(self, context: &ActionContext<'_>) -> Result<EmptySnsResult, RequestError> {
        let arn = required(self.resource_arn, "ResourceArn")?;
        let policy = required(self.data_protection_policy, "DataProtectionPolicy")?;
        context.sns.set_data_protection_policy(&arn, &policy)?;
        Ok(EmptySnsResult)
    }
}
