//! The actions that delete received messages or change their visibility.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    server::{
        action::{ActionContext, EmptyResult, SqsAction},
        batch::{BatchActionResult, BatchEntry, BatchRequest, BatchResultEntry},
        error::RequestError,
        xml::XmlWriter,
    },
    sqs,
};

/// `DeleteMessage`, or an entry of its batch, which has an id instead of the URL.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    queue_url: Option<String>,
    #[serde(default)]
    id: String,
    receipt_handle: Option<String>,
}

impl BatchEntry for DeleteMessage {
    fn id(&self) -> &str {
        &self.id
    }
}

impl DeleteMessage {
    fn delete(&self, context: &ActionContext<'_>, queue: &str) -> Result<(), RequestError> {
        let receipt = required(self.receipt_handle.as_deref(), "ReceiptHandle")?;
        Ok(context.sqs.delete(queue, receipt)?)
    }
}

impl SqsAction for DeleteMessage {
    const NAME: &'static str = "DeleteMessage";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        self.delete(context, &context.queue_name(self.queue_url.as_deref())?)?;
        Ok(EmptyResult {})
    }
}

/// `DeleteMessageBatch`.
pub(super) type DeleteMessageBatch = BatchRequest<DeleteMessage>;

/// A successful entry of a batch of deletes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteResultEntry {
    id: String,
}

impl BatchResultEntry for DeleteResultEntry {
    const ELEMENT: &'static str = "DeleteMessageBatchResultEntry";

    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("Id", &self.id);
    }
}

impl SqsAction for DeleteMessageBatch {
    const NAME: &'static str = "DeleteMessageBatch";
    type Output = BatchActionResult<DeleteResultEntry>;

    async fn run(self, context: &ActionContext<'_>) -> Result<Self::Output, RequestError> {
        let (queue, entries) = self.checked(context)?;
        Ok(BatchActionResult::of(entries, |entry| {
            entry.delete(context, &queue)?;
            Ok(DeleteResultEntry { id: entry.id })
        }))
    }
}

/// `ChangeMessageVisibility`, or an entry of its batch, which has an id instead of the URL.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeMessageVisibility {
    queue_url: Option<String>,
    #[serde(default)]
    id: String,
    receipt_handle: Option<String>,
    visibility_timeout: Option<i64>,
}

impl BatchEntry for ChangeMessageVisibility {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ChangeMessageVisibility {
    fn change(&self, context: &ActionContext<'_>, queue: &str) -> Result<(), RequestError> {
        let receipt = required(self.receipt_handle.as_deref(), "ReceiptHandle")?;
        let seconds = required(self.visibility_timeout, "VisibilityTimeout")?;
        let visibility = sqs::seconds("VisibilityTimeout", seconds)?;
        Ok(context.sqs.change_visibility(queue, receipt, visibility)?)
    }
}

impl SqsAction for ChangeMessageVisibility {
    const NAME: &'static str = "ChangeMessageVisibility";
    type Output = EmptyResult;

    async fn run(self, context: &ActionContext<'_>) -> Result<EmptyResult, RequestError> {
        self.change(context, &context.queue_name(self.queue_url.as_deref())?)?;
        Ok(EmptyResult {})
    }
}

/// `ChangeMessageVisibilityBatch`.
pub(super) type ChangeMessageVisibilityBatch = BatchRequest<ChangeMessageVisibility>;

/// A successful entry of a batch of changes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeResultEntry {
    id: String,
}

impl BatchResultEntry for ChangeResultEntry {
    const ELEMENT: &'static str = "ChangeMessageVisibilityBatchResultEntry";

    fn xml(&self, xml: &mut XmlWriter) {
        xml.text("Id", &self.id);
    }
}

impl SqsAction for ChangeMessageVisibilityBatch {
    const NAME: &'static str = "ChangeMessageVisibilityBatch";
    type Output = BatchActionResult<ChangeResultEntry>;

    async fn run(self, context: &ActionContext<'_>) -> Result<Self::Output, RequestError> {
        let (queue, entries) = self.checked(context)?;
        Ok(BatchActionResult::of(entries, |entry| {
            entry.change(context, &queue)?;
            Ok(ChangeResultEntry { id: entry.id })
        }))
    }
}
