//! The actions about messages that were received: deletes and changes of visibility.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    dev::sqs_server::{
        batch::{Batch, BatchAnswer, Entry, Success},
        call::{Action, Call, Nothing},
        refusal::Refusal,
        xml::Xml,
    },
    queue::memory,
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

impl Entry for DeleteMessage {
    fn id(&self) -> &str {
        &self.id
    }
}

impl DeleteMessage {
    fn delete(&self, call: &Call<'_>, queue: &str) -> Result<(), Refusal> {
        let receipt = required(self.receipt_handle.as_deref(), "ReceiptHandle")?;
        Ok(call.account.delete(queue, receipt)?)
    }
}

impl Action for DeleteMessage {
    const NAME: &'static str = "DeleteMessage";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        self.delete(call, &call.queue_name(self.queue_url.as_deref())?)?;
        Ok(Nothing {})
    }
}

/// `DeleteMessageBatch`.
pub(super) type DeleteMessageBatch = Batch<DeleteMessage>;

/// An entry of a batch of deletes that succeeded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Deleted {
    id: String,
}

impl Success for Deleted {
    const ELEMENT: &'static str = "DeleteMessageBatchResultEntry";

    fn xml(&self, xml: &mut Xml) {
        xml.text("Id", &self.id);
    }
}

impl Action for DeleteMessageBatch {
    const NAME: &'static str = "DeleteMessageBatch";
    type Answer = BatchAnswer<Deleted>;

    async fn run(self, call: &Call<'_>) -> Result<Self::Answer, Refusal> {
        let (queue, entries) = self.checked(call)?;
        Ok(BatchAnswer::of(entries, |entry| {
            entry.delete(call, &queue)?;
            Ok(Deleted { id: entry.id })
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

impl Entry for ChangeMessageVisibility {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ChangeMessageVisibility {
    fn change(&self, call: &Call<'_>, queue: &str) -> Result<(), Refusal> {
        let receipt = required(self.receipt_handle.as_deref(), "ReceiptHandle")?;
        let seconds = required(self.visibility_timeout, "VisibilityTimeout")?;
        let visibility = memory::seconds("VisibilityTimeout", seconds)?;
        Ok(call.account.change_visibility(queue, receipt, visibility)?)
    }
}

impl Action for ChangeMessageVisibility {
    const NAME: &'static str = "ChangeMessageVisibility";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        self.change(call, &call.queue_name(self.queue_url.as_deref())?)?;
        Ok(Nothing {})
    }
}

/// `ChangeMessageVisibilityBatch`.
pub(super) type ChangeMessageVisibilityBatch = Batch<ChangeMessageVisibility>;

/// An entry of a batch of changes that succeeded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Changed {
    id: String,
}

impl Success for Changed {
    const ELEMENT: &'static str = "ChangeMessageVisibilityBatchResultEntry";

    fn xml(&self, xml: &mut Xml) {
        xml.text("Id", &self.id);
    }
}

impl Action for ChangeMessageVisibilityBatch {
    const NAME: &'static str = "ChangeMessageVisibilityBatch";
    type Answer = BatchAnswer<Changed>;

    async fn run(self, call: &Call<'_>) -> Result<Self::Answer, Refusal> {
        let (queue, entries) = self.checked(call)?;
        Ok(BatchAnswer::of(entries, |entry| {
            entry.change(call, &queue)?;
            Ok(Changed { id: entry.id })
        }))
    }
}
