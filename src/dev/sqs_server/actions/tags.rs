//! The actions about a queue's tags.

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

/// `TagQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagQueue {
    queue_url: Option<String>,
    #[serde(alias = "Tag")]
    tags: Option<Names>,
}

impl Action for TagQueue {
    const NAME: &'static str = "TagQueue";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        call.account.tag(&queue, &required(self.tags, "Tags")?)?;
        Ok(Nothing {})
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

impl Action for UntagQueue {
    const NAME: &'static str = "UntagQueue";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        let queue = call.queue_name(self.queue_url.as_deref())?;
        call.account.untag(&queue, &required(self.tag_keys, "TagKeys")?)?;
        Ok(Nothing {})
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
pub(super) struct Tags {
    #[serde(skip_serializing_if = "Names::is_empty")]
    tags: Names,
}

impl Answer for Tags {
    fn xml(&self, xml: &mut Xml) {
        xml.pairs("Tag", "Key", &self.tags);
    }
}

impl Action for ListQueueTags {
    const NAME: &'static str = "ListQueueTags";
    type Answer = Tags;

    async fn run(self, call: &Call<'_>) -> Result<Tags, Refusal> {
        let tags = call.account.tags(&call.queue_name(self.queue_url.as_deref())?)?;
        Ok(Tags { tags })
    }
}
