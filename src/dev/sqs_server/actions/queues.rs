//! The actions about queues as a whole.

use serde::{Deserialize, Serialize};

use super::required;
use crate::{
    dev::sqs_server::{
        call::{Action, Answer, Call, Nothing},
        page::Page,
        refusal::Refusal,
        xml::Xml,
    },
    queue::memory::Names,
};

/// `CreateQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    queue_name: Option<String>,
    #[serde(alias = "Attribute")]
    attributes: Option<Names>,
    #[serde(alias = "tags", alias = "Tag")]
    tags: Option<Names>,
}

/// The URL of a queue, as the client who asked reaches it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueUrl {
    queue_url: String,
}

impl Answer for QueueUrl {
    fn xml(&self, xml: &mut Xml) {
        xml.text("QueueUrl", &self.queue_url);
    }
}

impl Action for CreateQueue {
    const NAME: &'static str = "CreateQueue";
    type Answer = QueueUrl;

    async fn run(self, call: &Call<'_>) -> Result<QueueUrl, Refusal> {
        let name = required(self.queue_name, "QueueName")?;
        let attributes = self.attributes.unwrap_or_default();
        call.account.create_queue(&name, &attributes, &self.tags.unwrap_or_default())?;
        Ok(QueueUrl { queue_url: call.queue_url(&name) })
    }
}

/// `GetQueueUrl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: Option<String>,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    owner: Option<String>,
}

impl Action for GetQueueUrl {
    const NAME: &'static str = "GetQueueUrl";
    type Answer = QueueUrl;

    async fn run(self, call: &Call<'_>) -> Result<QueueUrl, Refusal> {
        let name = required(self.queue_name, "QueueName")?;
        if self.owner.is_some_and(|owner| owner != call.account.identity().account_id) {
            return Err(Refusal::no_queue());
        }
        call.account.arn(&name)?;
        Ok(QueueUrl { queue_url: call.queue_url(&name) })
    }
}

/// `DeleteQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteQueue {
    queue_url: Option<String>,
}

impl Action for DeleteQueue {
    const NAME: &'static str = "DeleteQueue";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        call.account.delete_queue(&call.queue_name(self.queue_url.as_deref())?)?;
        Ok(Nothing {})
    }
}

/// `PurgeQueue`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PurgeQueue {
    queue_url: Option<String>,
}

impl Action for PurgeQueue {
    const NAME: &'static str = "PurgeQueue";
    type Answer = Nothing;

    async fn run(self, call: &Call<'_>) -> Result<Nothing, Refusal> {
        call.account.purge(&call.queue_name(self.queue_url.as_deref())?)?;
        Ok(Nothing {})
    }
}

/// `ListQueues`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    queue_name_prefix: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// The URLs of some queues.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct QueueUrls {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl QueueUrls {
    fn of(page: &Page, call: &Call<'_>) -> Self {
        let queue_urls = page.names.iter().map(|name| call.queue_url(name)).collect();
        Self { queue_urls, next_token: page.next_token.clone() }
    }
}

impl Answer for QueueUrls {
    fn xml(&self, xml: &mut Xml) {
        for url in &self.queue_urls {
            xml.text("QueueUrl", url);
        }
        xml.optional("NextToken", self.next_token.as_deref());
    }
}

impl Action for ListQueues {
    const NAME: &'static str = "ListQueues";
    type Answer = QueueUrls;

    async fn run(self, call: &Call<'_>) -> Result<QueueUrls, Refusal> {
        let names = call.account.queue_names(&self.queue_name_prefix.unwrap_or_default());
        let page = Page::of(names, self.max_results, self.next_token.as_deref())?;
        Ok(QueueUrls::of(&page, call))
    }
}

/// `ListDeadLetterSourceQueues`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDeadLetterSourceQueues {
    queue_url: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// The URLs of a dead-letter queue's sources; SQS spells its list with a small letter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SourceUrls {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Answer for SourceUrls {
    fn xml(&self, xml: &mut Xml) {
        for url in &self.queue_urls {
            xml.text("QueueUrl", url);
        }
        xml.optional("NextToken", self.next_token.as_deref());
    }
}

impl Action for ListDeadLetterSourceQueues {
    const NAME: &'static str = "ListDeadLetterSourceQueues";
    type Answer = SourceUrls;

    async fn run(self, call: &Call<'_>) -> Result<SourceUrls, Refusal> {
        let names = call.account.dead_letter_sources(&call.queue_name(self.queue_url.as_deref())?)?;
        let page = Page::of(names, self.max_results, self.next_token.as_deref())?;
        let QueueUrls { queue_urls, next_token } = QueueUrls::of(&page, call);
        Ok(SourceUrls { queue_urls, next_token })
    }
}
