//! The actions about a queue's attributes.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    dev::sqs_server::{
        call::{Action, Answer, Call, Nothing},
        refusal::Refusal,
        xml::Xml,
    },
    queue::memory::Names,
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
pub(super) struct Attributes {
    #[serde(skip_serializing_if = "Names::is_empty")]
    attributes: Names,
}

impl Answer for Attributes {
    fn xml(&self, xml: &mut Xml) {
        xml.pairs("Attribute", "Name", &self.attributes);
    }
}

impl Action for GetQueueAttributes {
    const NAME: &'static str = "GetQueueAttributes";
    type Answer = Attributes;

    async fn run(self, call: &Call<'_>) -> Result<Attributes, Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        let attributes = call.account.attributes(&queue, &self.attribute_names.unwrap_or_default())?;
        Ok(Attributes { attributes })
    }
}

/// `SetQueueAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    queue_url: Option<String>,
    #[serde(alias = "Attribute")]
    attributes: Option<Names>,
}

impl Action for SetQueueAttributes {
    const NAME: &'static str = "SetQueueAttributes";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        call.account.set_attributes(&queue, &required(self.attributes, "Attributes")?)?;
        Ok(Nothing {})
    }
}
