//! The actions about the attributes, tags and permissions of a queue.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    message::StringMap,
    permissions::PermissionRequest,
    server::{
        action::{ActionContext, EmptyResult, SqsAction, SqsResult},
        error::RequestError,
        xml::XmlWriter,
    },
};

/// `GetQueueAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: Option<String>,
    #[serde(alias = "AttributeName")]
    attribute_names: Option<Vec<String>>,
}

/// The attributes of a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributesResult {
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    attributes: StringMap,
}

impl SqsResult for GetQueueAttributesResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.pairs("Attribute", "Name", &self.attributes);
    }
}

impl SqsAction for GetQueueAttributes {
    const NAME: &'static str = "GetQueueAttributes";
    type Output = GetQueueAttributesResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<GetQueueAttributesResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        let attributes = context.sqs.attributes(&queue, &self.attribute_names.unwrap_or_default())?;
        Ok(GetQueueAttributesResult { attributes })
    }
}

/// `SetQueueAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    queue_url: Option<String>,
    #[serde(alias = "Attribute")]
    attributes: Option<StringMap>,
}

impl SqsAction for SetQueueAttributes {
    const NAME: &'static str = "SetQueueAttributes";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        context.sqs.set_attributes(&queue, &required(self.attributes, "Attributes")?)?;
        Ok(EmptyResult {})
    }
}

/// `TagQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    queue_url: Option<String>,
    #[serde(alias = "Tag")]
    tags: Option<StringMap>,
}

impl SqsAction for TagQueue {
    const NAME: &'static str = "TagQueue";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        context.sqs.tag(&queue, &required(self.tags, "Tags")?)?;
        Ok(EmptyResult {})
    }
}

/// `UntagQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagQueue {
    queue_url: Option<String>,
    #[serde(alias = "TagKey")]
    tag_keys: Option<Vec<String>>,
}

impl SqsAction for UntagQueue {
    const NAME: &'static str = "UntagQueue";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        context.sqs.untag(&queue, &required(self.tag_keys, "TagKeys")?)?;
        Ok(EmptyResult {})
    }
}

/// `ListQueueTags`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueueTags {
    queue_url: Option<String>,
}

/// The tags of a queue.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueueTagsResult {
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    tags: StringMap,
}

impl SqsResult for ListQueueTagsResult {
    fn xml(&self, xml: &mut XmlWriter) {
        xml.pairs("Tag", "Key", &self.tags);
    }
}

impl SqsAction for ListQueueTags {
    const NAME: &'static str = "ListQueueTags";
    type Output = ListQueueTagsResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<ListQueueTagsResult, RequestError> {
        let tags = context.sqs.tags(&context.queue_name(self.queue_url.as_deref())?)?;
        Ok(ListQueueTagsResult { tags })
    }
}

/// `AddPermission`: adds a statement to the policy, which is not enforced.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddPermission {
    queue_url: Option<String>,
    label: Option<String>,
    #[serde(rename = "AWSAccountIds", alias = "AWSAccountId")]
    accounts: Option<Vec<String>>,
    #[serde(alias = "ActionName")]
    actions: Option<Vec<String>>,
}

impl SqsAction for AddPermission {
    const NAME: &'static str = "AddPermission";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        let label = required(self.label, "Label")?;
        let accounts = required(self.accounts, "AWSAccountIds")?;
        let actions = required(self.actions, "Actions")?;
        let request = PermissionRequest { label: &label, accounts: &accounts, actions: &actions };
        context.sqs.add_permission(&queue, request)?;
        Ok(EmptyResult {})
    }
}

/// `RemovePermission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RemovePermission {
    queue_url: Option<String>,
    label: Option<String>,
}

impl SqsAction for RemovePermission {
    const NAME: &'static str = "RemovePermission";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        let queue = context.queue_name(self.queue_url.as_deref())?;
        context.sqs.remove_permission(&queue, &required(self.label, "Label")?)?;
        Ok(EmptyResult {})
    }
}
